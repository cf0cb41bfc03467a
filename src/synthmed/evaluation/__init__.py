"""Measures of synthetic images from any tool: one metric, one file."""
