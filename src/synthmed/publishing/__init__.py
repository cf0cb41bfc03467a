"""Handing on: gates first, then releases that others can cite, load and trust, and a site that shows many of them."""
