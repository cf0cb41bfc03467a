"""Weights that others have trained: which are known, how they are fetched and checked, how their files are read."""
