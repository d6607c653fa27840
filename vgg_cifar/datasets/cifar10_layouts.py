"""The layouts that CIFAR-10 comes in, all made into the official binary one.

That is, per batch: one row for each image, a label byte and then 3072 bytes, channels first.
"""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import PIL.Image

from vgg_cifar.counting import counted
from vgg_cifar.datasets.archive_members import folders_at, read_members
from vgg_cifar.datasets.published_pickle import read_published_pickle
from vgg_cifar.errors import InputError, first_line

TRAIN_BATCHES = tuple(f'data_batch_{number}' for number in range(1, 6))
BATCHES = (*TRAIN_BATCHES, 'test_batch')
IMAGE_BYTES = 3 * 32 * 32
N_CLASSES = 10
OF_MATLAB = 'data_batch_1.mat'

Batches = dict[str, numpy.ndarray]


def read_batches(path: Path, rows: int, pickle_md5: Mapping[str, str]) -> Batches:
    """Return the six batches at `path`, each uint8 (rows, 3073), not yet verified.

    `path` is an archive or folder in any of the layouts. Pickles must have the checksums `pickle_md5`.
    Raises InputError naming the file that is missing or damaged.
    """
    files, layout = _members(path, rows)
    if layout is _from_pickles:
        return _from_pickles(files, path, rows, pickle_md5)
    return layout(files, path, rows)


def _members(path: Path, rows: int) -> tuple[dict[str, bytes], Callable[..., Batches]]:
    """Return the files of the one layout that is complete at `path`, and what reads that layout."""
    wanted = {name for names, _ in LAYOUTS for name in names} | {OF_MATLAB}
    # A pickle has names beside the images, a sheet that does not compress is a little larger than its pixels.
    most_bytes = 2 * rows * (IMAGE_BYTES + 1) + 2**16
    found: dict[str, bytes] = {}
    for folder in folders_at(path):
        found = read_members(folder, wanted, most_bytes) or found
        for names, layout in LAYOUTS:
            if found.keys() >= set(names):
                return found, layout
    if OF_MATLAB in found:
        raise InputError(
            f'{path}: holds files of MATLAB, which are not read; give cifar-10-binary.tar.gz of the same page'
        )
    closest = max((names for names, _ in LAYOUTS), key=lambda names: len(found.keys() & set(names)))
    missing = ', '.join(name for name in closest if name not in found)
    raise InputError(
        f'{path}: missing {missing}; give the official binary or python archive, the npm tarball, '
        'or the folder that one of them was unpacked to'
    )


def _from_binary(files: dict[str, bytes], path: Path, rows: int) -> Batches:
    size = rows * (1 + IMAGE_BYTES)
    for batch in BATCHES:
        found = len(files[f'{batch}.bin'])
        if found != size:
            has = counted(found, 'byte')
            raise InputError(f'{path}: {batch}.bin: found {has}, expected {size:,}; get it again')
    return {
        batch: numpy.frombuffer(files[f'{batch}.bin'], numpy.uint8).reshape(rows, -1) for batch in BATCHES
    }


def _from_pickles(files: dict[str, bytes], path: Path, rows: int, pickle_md5: Mapping[str, str]) -> Batches:
    batches = {}
    for batch in BATCHES:
        what = f'{path}: {batch}'
        content = read_published_pickle(files[batch], pickle_md5[batch], what)
        batches[batch] = _joined(content['labels'], content['data'], f'{what}: labels', rows)
    return batches


def _from_sheets(files: dict[str, bytes], path: Path, rows: int) -> Batches:
    # One image a row of the sheet, its 1024 pixels side by side. The misspelt names are the package's own.
    labels = []
    for name, n_batches in (('train_lables.json', len(TRAIN_BATCHES)), ('test_lables.json', 1)):
        try:
            found = json.loads(files[name])
        except (ValueError, RecursionError) as error:
            raise InputError(f'{path}: {name}: not JSON ({first_line(error)}); get it again') from error
        if not isinstance(found, list) or len(found) != n_batches * rows:
            raise InputError(f'{path}: {name}: expected a list of {n_batches * rows} labels')
        labels += [found[start : start + rows] for start in range(0, len(found), rows)]
    batches = {}
    for batch, of_batch in zip(BATCHES, labels, strict=True):
        pixels = _sheet(files[f'{batch}.png'], f'{path}: {batch}.png', rows)
        images = pixels.transpose(0, 2, 1).reshape(rows, IMAGE_BYTES)
        batches[batch] = _joined(of_batch, images, f'{path}: labels of {batch}', rows)
    return batches


def _sheet(content: bytes, what: str, rows: int) -> numpy.ndarray:
    """Return a sheet's pixels, uint8 (rows, 1024, 3)."""
    try:
        with PIL.Image.open(io.BytesIO(content), formats=['PNG']) as sheet:
            if (sheet.size, sheet.mode) != ((1024, rows), 'RGB'):
                raise InputError(
                    f'{what}: found {sheet.width} x {sheet.height} {sheet.mode}, expected 1024 x {rows} RGB'
                )
            return numpy.asarray(sheet)
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'{what}: not a readable PNG ({first_line(error)}); get it again') from error


def _joined(labels: object, images: numpy.ndarray, what: str, rows: int) -> numpy.ndarray:
    """Return the batch in the binary layout."""
    if (
        not isinstance(labels, list)
        or len(labels) != rows
        or not all(type(label) is int and 0 <= label < N_CLASSES for label in labels)
    ):
        raise InputError(f'{what}: expected a list of {rows} whole numbers from 0 to 9; get it again')
    batch = numpy.empty((rows, 1 + IMAGE_BYTES), numpy.uint8)
    batch[:, 0] = labels
    batch[:, 1:] = images
    return batch


LAYOUTS = (
    (tuple(f'{batch}.bin' for batch in BATCHES), _from_binary),
    (BATCHES, _from_pickles),
    ((*(f'{batch}.png' for batch in BATCHES), 'train_lables.json', 'test_lables.json'), _from_sheets),
)
