"""A small data file: three classes, images of 2 x 3 x 4."""

import h5py
import numpy


def good():
    """Return its arrays."""
    random = numpy.random.RandomState(0)
    return {
        'X_train': random.randint(0, 256, (7, 2, 3, 4)).astype(numpy.uint8),
        'Y_train': numpy.array([0, 1, 2, 0, 1, 2, 0], numpy.int32),
        'X_test': random.randint(0, 256, (3, 2, 3, 4)).astype(numpy.uint8),
        'Y_test': numpy.array([2, 1, 0], numpy.int32),
    }


def save(path, attributes=None, **datasets):
    """Save arrays, or links, as an HDF5 file."""
    with h5py.File(path, 'w') as file:
        for name, array in datasets.items():
            file[name] = array
        file.attrs.update(attributes or {})
    return path
