"""Synthetic images as files that the tools of the field open: DICOM, NIfTI, NumPy arrays, PNG and TIFF."""
