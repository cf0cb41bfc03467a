"""Prepared data sets: one writer, one reader, and what lies between pixels and tensors."""
