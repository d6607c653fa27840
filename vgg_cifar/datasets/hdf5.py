"""Data sets from data files and into them, whole or not at all. The format is CIFAR10.hdf5.md's."""

import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy

from vgg_cifar.atomic import replacing, require_writable
from vgg_cifar.data_file import image_dtype, open_data_file, read_images
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.free_space import require_disk, require_memory
from vgg_cifar.hdf5_file import Rows
from vgg_cifar.versions import own_version

FORMAT_VERSION = 1

# Training images that take more are left in the file. A fixed number, and not the memory that happens to be
# free: how images are shuffled depends on it, and a run must not depend on the machine.
LARGEST_IN_MEMORY = 2**31

# Read and stored in pieces of about this size.
CHUNK_BYTES = 2**20

# More than names, attributes and the places of chunks take.
METADATA_BYTES = 2**20


def read(path: str | os.PathLike) -> ImageData:
    """Read a data file, uint8 images as uint8, floats as float32, labels as int32 of shape (N,).

    Training images of more than LARGEST_IN_MEMORY stay in the file as ImagesOnDisk.

    Raises InputError, naming file and data set, for everything that CIFAR10.hdf5.md lists under "Checks".
    """
    path = Path(path)
    with open_data_file(path) as file:
        sizes = {part: _bytes_in_memory(images) for part, images in file.images.items()}
        on_disk = sizes['train'] > LARGEST_IN_MEMORY
        labels = sum(len(rows) * (rows.dtype.itemsize + 4) for rows in file.labels.values())
        require_memory(str(path), sum(sizes.values()) - on_disk * sizes['train'] + labels)
        arrays: dict[str, Any] = {}
        for part, images in file.images.items():
            arrays[f'y_{part}'] = _read_labels(file.labels[part])
            left = on_disk and part == 'train'
            arrays[f'x_{part}'] = ImagesOnDisk(path, 'X_train') if left else _read_images(images)
        return ImageData(
            name=file.name,
            synthetic=file.synthetic,
            class_names=file.class_names,
            source=str(path),
            copies=file.copies,
            **arrays,
        )


def write(path: str | os.PathLike, data: ImageData, overwrite: bool = False) -> None:
    """Write a data file with `data`'s provenance in its attributes; it appears whole or not at all.

    The values lie in chunks of whole images with checksums, so that a damaged file is noticed.
    Raises InputError where the file exists and `overwrite` is not set, and where the disk has no room for it.
    """
    path = Path(path)
    require_writable(path, overwrite)
    names = [f'{kind}_{part}' for part in ('train', 'test', 'validation') for kind in 'xy']
    arrays = {name: getattr(data, name) for name in names if getattr(data, name) is not None}
    chunks = {name: _chunk(array) for name, array in arrays.items()}
    # The last chunk takes the room of a whole one.
    size = sum(array[:1].nbytes * (len(array) + chunks[name]) for name, array in arrays.items())
    with replacing(path) as partial:
        require_disk(partial, size + METADATA_BYTES)
        with h5py.File(partial, 'w') as file:
            _write(file, data, arrays, chunks)


def _chunk(array: Any) -> int:
    return max(1, min(len(array), CHUNK_BYTES // max(1, array[:1].nbytes)))


def _write(file: h5py.File, data: ImageData, arrays: dict[str, Any], chunks: dict[str, int]) -> None:
    for name, array in arrays.items():
        shape = (chunks[name], *array.shape[1:])
        file.create_dataset(name.capitalize(), data=array, chunks=shape, fletcher32=True)
    file.attrs.update(
        {
            **data.provenance,
            'name': data.name,
            'synthetic': data.synthetic,
            'class_names': list(data.class_names),
            'n_classes': data.n_classes,
            'source': data.source,
            'sha256': data.fingerprint,
            'created_by': f'vgg-cifar {own_version()}',
            'format_version': FORMAT_VERSION,
        }
    )


def _bytes_in_memory(images: Rows) -> int:
    return math.prod(images.shape) * image_dtype(images).itemsize


def _read_labels(labels: Rows) -> numpy.ndarray:
    return labels.read(0, len(labels)).reshape(-1).astype(numpy.int32)


def _read_images(images: Rows) -> numpy.ndarray:
    found = numpy.empty(images.shape, image_dtype(images))
    for start, stop in images.pieces(CHUNK_BYTES * 8 // found[:1].nbytes):
        found[start:stop] = read_images(images, start, stop)
    return found
