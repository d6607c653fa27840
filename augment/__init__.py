"""Offline augmentation: an HDF5 file in, a larger one out; `python -m augment --help`."""
