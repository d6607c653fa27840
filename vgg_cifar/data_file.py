"""The data file that CIFAR10.hdf5.md describes, opened and checked: images and labels, by part."""

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy

from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.hdf5_file import Rows, opened

PARTS = ('train', 'test', 'validation')

# A label far out of range is a damaged file, not a network with a million outputs; so is an image's side.
MOST_CLASSES = 65_536
LONGEST_SIDE = 65_536

# Of an image, as float32.
LARGEST_IMAGE = 256 * 2**20

# Labels are looked through in pieces of this many.
PIECE = 2**20

# Attributes are read whole.
LARGEST_ATTRIBUTE = 16 * 2**20


@dataclass(frozen=True)
class DataFile:
    """An open data file.

    Attributes:
        path: where it lies.
        file: itself, for whatever else it holds.
        images: (N, C, H, W), uint8 or floats, by part: train, test and, where there is one, validation.
        labels: (N,) or (N, 1), of any integer type, by part.
        name: of the data set; the file's without its ending where it does not say.
        synthetic: whether the images are drawn.
        class_names: in the order of the labels.
        copies: how many training images in turn are copies of one.

    """

    path: Path
    file: h5py.File
    images: dict[str, Rows]
    labels: dict[str, Rows]
    name: str
    synthetic: bool
    class_names: tuple[str, ...]
    copies: int

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read: this one and those that hold parts of its virtual data sets."""
        rows = (*self.images.values(), *self.labels.values())
        parts = {part.name for each in rows for part in each.files} - {self.path.resolve().name}
        return (self.path, *(self.path.parent / name for name in sorted(parts)))


@contextlib.contextmanager
def open_data_file(path: Path) -> Iterator[DataFile]:
    """Open a data file and check all of it but the values of its images.

    Raises InputError, naming file and data set, for everything that CIFAR10.hdf5.md lists under "Checks".
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(path))

        def rows(name: str) -> Rows:
            return stack.enter_context(contextlib.closing(Rows(file, name)))

        parts = PARTS if {'X_validation', 'Y_validation'} & set(file) else PARTS[:2]
        images = {part: rows(f'X_{part}') for part in parts}
        for part in parts:
            _check_images(images[part], images['train'])
        labels = {part: rows(f'Y_{part}') for part in parts}
        for part in parts:
            check_labels(labels[part], len(images[part]))
        ranges = {part: _label_range(labels[part]) for part in parts}
        class_names = _class_names(file, path, 1 + max(most for _, most in ranges.values()))
        _check_label_range(path, ranges, len(class_names))
        yield DataFile(
            path=path,
            file=file,
            images=images,
            labels=labels,
            name=_decoded(_attribute(file, 'name')) or path.stem,
            synthetic=_truth(file, 'synthetic', path),
            class_names=class_names,
            copies=max(1, numpy.size(_attribute(file, 'augment_copies'))),
        )


def read_images(images: Rows, start: int, stop: int) -> numpy.ndarray:
    """Return images from row `start` to before `stop`, uint8 as uint8, floats as float32.

    Raises InputError where they cannot be read, or are not finite (as float32): the first such row is named.
    """
    found = images.read(start, stop)
    if found.dtype == numpy.uint8:
        return found
    # A float64 beyond float32 becomes inf here, which is what is reported below.
    with numpy.errstate(over='ignore'):
        found = found.astype(numpy.float32, copy=False)
    finite = numpy.isfinite(found).reshape(len(found), -1).all(axis=1)
    if not finite.all():
        raise InputError(
            f'{images.what}: found NaN or infinity (as float32) first in row '
            f'{start + int(numpy.argmin(finite))}, expected finite numbers; repair or drop that image'
        )
    return found


def image_dtype(images: Rows) -> numpy.dtype:
    """Return the type that `read_images` gives."""
    return numpy.dtype('uint8' if images.dtype == numpy.uint8 else 'float32')


def _check_images(images: Rows, train: Rows) -> None:
    found = f'{images.what}: found {images.described}, expected'
    dtype, shape = images.dtype, images.shape
    if not (dtype == numpy.uint8 or (dtype.kind == 'f' and dtype.itemsize <= 8)):
        # Conversion to uint8 would wrap.
        scaled = "; store (X / X.max()).astype('float32'), or X.astype('uint8') if all are from 0 to 255"
        advice = scaled if dtype.kind in 'iu' else ''
        raise InputError(f'{found} uint8 or float16, float32, float64{advice or "; convert them"}')
    hint = {2: ': .reshape(len(X), C, H, W)', 3: ': X[:, None] for images of one channel'}
    if len(shape) != 4:
        raise InputError(f'{found} (N, C, H, W); reshape it{hint.get(len(shape), "")}')
    if 0 in shape:
        raise InputError(f'{found} at least one image and pixel; it is empty')
    if shape[3] in (1, 3, 4) and shape[1] == shape[2] and shape[1] > 4:
        raise InputError(f'{found} (N, C, H, W), channels first; store X.transpose(0, 3, 1, 2)')
    if max(shape[1:]) > LONGEST_SIDE or 4 * math.prod(shape[1:]) > LARGEST_IMAGE:
        raise InputError(
            f'{found} images of {LARGEST_IMAGE // 2**20} MiB as float32 and {LONGEST_SIDE} along an axis at '
            'most; make them smaller'
        )
    if shape[1:] != train.shape[1:]:
        raise InputError(
            f"{images.what}: found images of shape {shape[1:]}, expected X_train's {train.shape[1:]}; "
            'give both parts the same shape'
        )


def check_labels(labels: Rows, n_images: int) -> None:
    """Raise InputError where labels are not whole numbers, one for each image."""
    found = f'{labels.what}: found {labels.described}, expected'
    shape = labels.shape
    if len(shape) == 2 and shape[1] > 1 and shape[0] == n_images and labels.dtype.kind in 'iufb':
        raise InputError(f'{found} (N,) or (N, 1); for one-hot labels store Y.argmax(axis=1)')
    if labels.dtype.kind not in 'iu':
        kinds = {'f': 'float labels', 'b': 'truth values', 'O': 'strings or objects', 'S': 'strings'}
        kind = kinds.get(labels.dtype.kind, 'something else')
        raise InputError(f"{found} integers, not {kind}; store class numbers, Y.astype('int32')")
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise InputError(f'{found} (N,) or (N, 1); store one class number for each image')
    if len(labels) != n_images:
        images = labels.name.replace('Y', 'X', 1)
        raise InputError(f'{found} {counted(n_images, "label")}, one for each image of {images}')


def _label_range(labels: Rows) -> tuple[int, int]:
    pieces = [labels.read(start, min(len(labels), start + PIECE)) for start in range(0, len(labels), PIECE)]
    least, most = min(int(piece.min()) for piece in pieces), max(int(piece.max()) for piece in pieces)
    if least < 0 or most >= MOST_CLASSES:
        raise InputError(
            f'{labels.what}: found labels from {least} to {most}, expected 0 to the number of classes - 1; '
            'number the classes from 0'
        )
    return least, most


def _class_names(file: h5py.File, path: Path, least_count: int) -> tuple[str, ...]:
    """Return the classes' names, or numbers for as many as the file says, or else `least_count`."""
    names = _attribute(file, 'class_names')
    count = _attribute(file, 'n_classes')
    if count is not None:
        value = numpy.asarray(count)
        if (
            value.shape not in ((), (1,))
            or value.dtype.kind not in 'iu'
            or not 0 < value.item() <= MOST_CLASSES
        ):
            raise InputError(f'{path}: n_classes: found {_brief(count)}, expected a whole number above 0')
        count = value.item()
    if names is not None:
        texts = [_decoded(name) for name in numpy.asarray(names).reshape(-1).tolist()]
        if not 0 < len(texts) <= MOST_CLASSES or None in texts:
            raise InputError(f'{path}: class_names: found {_brief(names)}, expected a list of short names')
        if count is not None and count != len(texts):
            raise InputError(
                f'{path}: n_classes: found {count}, expected {len(texts)}, one for each of class_names'
            )
        return tuple(text or '' for text in texts)
    return tuple(str(label) for label in range(count or least_count))


def _check_label_range(path: Path, ranges: dict[str, tuple[int, int]], n_classes: int) -> None:
    least = min(low for low, _ in ranges.values())
    for part, (low, most) in ranges.items():
        if most >= n_classes:
            one_based = least == 1 and most == n_classes
            advice = (
                'they count from 1, store Y - 1'
                if one_based
                else 'correct them, or n_classes and class_names'
            )
            raise InputError(
                f'{path}: Y_{part}: found labels from {low} to {most}, expected 0 to {n_classes - 1}; '
                f'{advice}'
            )
    if least == 1:
        logging.getLogger(__name__).warning('%s: %s', path, FROM_ONE)


FROM_ONE = 'label 0 does not occur; do they count from 1? Then store Y - 1, or a class stays empty'


def _attribute(file: h5py.File, name: str) -> Any:
    try:
        if name in file.attrs and file.attrs.get_id(name).get_storage_size() > LARGEST_ATTRIBUTE:
            return h5py.Empty('i1')
        return file.attrs.get(name)
    except (OSError, RuntimeError, TypeError, ValueError):
        # An attribute of a type that h5py has no word for.
        return h5py.Empty('i1')


def _truth(file: h5py.File, name: str, path: Path) -> bool:
    found = _attribute(file, name)
    if found is None:
        return False
    value = numpy.asarray(found)
    if value.shape not in ((), (1,)) or value.dtype.kind not in 'biu' or value.item() not in (0, 1):
        raise InputError(f'{path}: {name}: found {_brief(found)}, expected true or false')
    return bool(value.item())


def _decoded(value: Any) -> str | None:
    """Return a short printable text, or None: names are shown in messages, tables and pages."""
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'replace')
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 200:
        return None
    return str(value)


def _brief(value: Any) -> str:
    return shown(repr(value), 60)
