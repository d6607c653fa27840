"""Data sets: the type that they all become, the files that hold them, and where each comes from."""

import os
from pathlib import Path

from vgg_cifar.datasets import hdf5
from vgg_cifar.datasets.catalogue import CATALOGUE, GENERATORS
from vgg_cifar.datasets.image_data import ImageData, scale
from vgg_cifar.errors import InputError

__all__ = ['ImageData', 'load', 'scale']


def load(
    source: str | os.PathLike, *, train_size: int | None = None, test_size: int | None = None
) -> ImageData:
    """Return the data of `source`: shapes10 or shapes10-grey, drawn on the spot, or the path of an HDF5 file.

    `train_size` and `test_size` say how many images a generated set must have (default 10,000 and 2,000);
    what a validation part will be carved from counts as training. A file is read whole, whatever they say:
    `ImageData.subset` takes what is needed.

    Raises InputError for a data set's name without a file, and for everything that `hdf5.read` refuses.
    """
    name = os.fspath(source)
    if name in GENERATORS:
        sizes = {'train_size': train_size, 'test_size': test_size}
        return GENERATORS[name](**{part: size for part, size in sizes.items() if size is not None})
    if name in CATALOGUE and not Path(name).exists():
        file = f'{name.upper()}.hdf5'
        raise InputError(
            f'{name}: not a file; make one first: vgg-cifar data {name} -o {file}, then give {file}'
        )
    return hdf5.read(name)
