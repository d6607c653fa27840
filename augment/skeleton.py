"""The output file with all that it holds but the values of X_train."""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy

from augment.layout import Layout, layout
from augment.recipe import Recipe
from vgg_cifar.data_file import DataFile, image_dtype, read_images
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.foreign_text import shown
from vgg_cifar.hdf5_file import Rows

# Labels, and images that are only passed on, go through memory in pieces of this size.
PIECE_BYTES = 8 * 2**20

# More than names, attributes and padding take.
METADATA_BYTES = 2**20

# Attributes that would not be true of the output.
STALE = ('sha256',)


def create(
    path: Path, source: DataFile, rows: slice, recipe: Recipe, sizes: Layout, provenance: dict[str, Any]
) -> None:
    """Write the output file for `rows` of the source, its X_train without values.

    X_train's chunks lie one after another in the file, from an offset that `first_chunk` tells; with
    compression there are none yet. Whatever else the source holds is passed on: test and validation images
    with the output's type, so that all images are on one scale. A shard that does not start at row 0 holds
    X_train and Y_train only: the first shard has the rest.

    Raises InputError where the source cannot be read.
    """
    # HDF5 1.10's format is the first with chunks that need no index. Whole pages are written fastest.
    with h5py.File(
        path, 'w', libver=('v110', 'v110'), alignment_threshold=2**16, alignment_interval=4096
    ) as out:
        shape = (sizes.rows * sizes.copies, *source.images['train'].shape[1:])
        create_images(out, 'X_train', shape, recipe.dtype, sizes.chunk, recipe.gzip)
        copy_attributes(source.images['train'], out['X_train'], source.path)
        _write_labels(source.labels['train'], out, rows, sizes.copies, source.path)
        if rows.start == 0:
            _pass_on(source, out, recipe)
        copy_attributes(source.file, out, source.path)
        out.attrs.update(provenance)


def size(source: DataFile, rows: slice, recipe: Recipe, sizes: Layout) -> int:
    """Return how many bytes `create` writes at most."""
    labels = source.labels['train'].dtype.itemsize * sizes.rows * sizes.copies
    if rows.start:
        return labels + METADATA_BYTES
    train, *passed_on = source.images.values()
    images = sum(_passed_type(each, recipe).itemsize * math.prod(each.shape) for each in passed_on)
    whole = sum(path.stat().st_size for path in source.files)
    others = max(0, whole - sum(each.stored_bytes for each in (train, *passed_on)))
    return labels + images + others + METADATA_BYTES


def first_chunk(path: Path, sizes: Layout) -> int:
    """Return the offset in the file of X_train's first chunk; the others follow it without a gap."""
    with h5py.File(path, 'r') as file:
        images = file['X_train']
        chunks = -(-len(images) // sizes.chunk)
        size = sizes.chunk * images[:0].itemsize * numpy.prod(images.shape[1:], dtype=int)
        zeros = (0,) * (images.ndim - 1)
        first, last = (
            images.id.get_chunk_info_by_coord((row, *zeros)) for row in (0, (chunks - 1) * sizes.chunk)
        )
        if last.byte_offset != first.byte_offset + (chunks - 1) * size:
            raise RuntimeError(f'{path}: this HDF5 library scatters chunks that were allocated at once')
        return first.byte_offset


def create_images(
    out: h5py.File, name: str, shape: tuple[int, ...], dtype: str | numpy.dtype, chunk: int, gzip: int | None
) -> None:
    """Create a data set of images in chunks of `chunk`, compressed where `gzip` is a level above 0."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((chunk, *shape[1:]))
    properties.set_obj_track_times(False)
    if gzip:
        # Bytes of the same weight beside each other: whole numbers in float32 are mostly zero bytes.
        properties.set_shuffle()
        properties.set_deflate(gzip)
    else:
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(numpy.dtype(dtype), logical=True)
    h5py.h5d.create(out.id, name.encode(), kind, h5py.h5s.create_simple(shape), properties)


def _write_labels(labels: Rows, out: h5py.File, rows: slice, copies: int, path: Path) -> None:
    count = rows.stop - rows.start
    repeated = out.create_dataset(labels.name, (count * copies, *labels.shape[1:]), labels.dtype)
    copy_attributes(labels, repeated, path)
    step = max(1, PIECE_BYTES // (copies * labels.dtype.itemsize))
    for start in range(0, count, step):
        stop = min(count, start + step)
        piece = labels.read(rows.start + start, rows.start + stop)
        repeated[start * copies : stop * copies] = numpy.repeat(piece, copies, axis=0)


def _pass_on(source: DataFile, out: h5py.File, recipe: Recipe) -> None:
    """Write all that the source holds but its training part."""
    for part in source.images:
        if part != 'train':
            labels = source.labels[part]
            _write_labels(labels, out, slice(0, len(labels)), 1, source.path)
            _write_images(source.images[part], out, recipe, source.path)
    written = {rows.name for rows in (*source.images.values(), *source.labels.values())}
    for name in source.file:
        link = source.file.get(name, getlink=True)
        if name in written:
            continue
        if not isinstance(link, h5py.HardLink):
            out[name] = link
            continue
        try:
            source.file.copy(name, out)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f'{source.path}: {shown(name)}: cannot be copied ({first_line(error)}); '
                'get or make the file again'
            ) from error


def _write_images(images: Rows, out: h5py.File, recipe: Recipe, path: Path) -> None:
    dtype = _passed_type(images, recipe)
    row_bytes = dtype.itemsize * math.prod(images.shape[1:])
    create_images(out, images.name, images.shape, dtype, layout(len(images), 1, row_bytes).chunk, recipe.gzip)
    copy_attributes(images, out[images.name], path)
    step = max(1, PIECE_BYTES // row_bytes)
    for start in range(0, len(images), step):
        stop = min(len(images), start + step)
        out[images.name][start:stop] = read_images(images, start, stop)


def _passed_type(images: Rows, recipe: Recipe) -> numpy.dtype:
    """Return the type that images are passed on with: on the scale of the copies, and as precise."""
    return image_dtype(images) if recipe.dtype == 'uint8' else numpy.dtype('float32')


def copy_attributes(source: h5py.HLObject | Rows, out: h5py.HLObject, path: Path) -> None:
    """Copy what is still true of the output. Raises InputError, naming `path`, where one cannot be copied."""
    for name in source.attrs:
        if name not in STALE:
            try:
                out.attrs[name] = source.attrs[name]
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                raise InputError(
                    f'{path}: attribute {name}: cannot be copied ({first_line(error)}); delete it'
                ) from error
