"""What hospitals have, read into pixels in physical units: one file per family of formats."""
