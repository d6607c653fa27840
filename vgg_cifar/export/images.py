"""Images to classify, from PNG and JPEG files and from data files, as bytes or floats (N, C, H, W)."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import PIL.Image
import PIL.ImageOps

from vgg_cifar.counting import counted
from vgg_cifar.data_file import DataFile, open_data_file, read_images
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.export.trained import Trained
from vgg_cifar.file_kind import kind
from vgg_cifar.foreign_text import shown

logger = logging.getLogger(__name__)

HDF5_ENDINGS = ('.hdf5', '.h5')

# Of the kinds of pixels that PNG and JPEG have, those of at most 8 bits for each colour.
MODES = ('1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
MOST_PIXELS = 2**26

# Of a file's name, where it is shown.
LONGEST_NAME = 1000
# Of the names of all classes, likewise.
LONGEST_NAMES = 120

# Read at once.
IMAGES_AT_ONCE = 200


@dataclass(frozen=True)
class Batch:
    """Some images.

    Attributes:
        names: of each: its file, or the row of a data file.
        pixels: (N, C, H, W), uint8, or float32.
        labels: the names of the right classes, where they are known.
        comparable: whether they are of the network's classes, so that its answers can be right.

    """

    names: list[str]
    pixels: numpy.ndarray
    labels: list[str] | None = None
    comparable: bool = True


def batches(path: Path, part: str, network: Trained) -> Iterator[Batch]:
    """Yield the image of a PNG or JPEG file, or a part of a data file's, in the shape that `network` knows.

    Args:
        path: the file.
        part: of a data file: train, test or validation.
        network: who is to classify them.

    Raises:
        InputError: the file cannot be read, or its images are not the network's.

    """
    if path.suffix.lower() in HDF5_ENDINGS:
        yield from _of_data_file(path, part, network)
    else:
        yield Batch([str(path)], _of_picture(path, network)[None])


def _of_picture(path: Path, network: Trained) -> numpy.ndarray:
    channels, height, width = network.original_shape
    if channels not in (1, 3):
        raise InputError(f'{path}: the network takes images of {channels} channels, which no picture has')
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f'found {kind(path)}, expected a file')
        with warnings.catch_warnings():
            # What is too large is refused below.
            warnings.simplefilter('ignore', PIL.Image.DecompressionBombWarning)
            picture = PIL.Image.open(path, formats=('PNG', 'JPEG'))
        with picture:
            if picture.mode not in MODES:
                raise ValueError(f'pixels of kind {picture.mode}, expected 8 bits for each colour')
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f'{picture.width} x {picture.height} pixels, expected at most {MOST_PIXELS}')
            upright = PIL.ImageOps.exif_transpose(picture).convert('L' if channels == 1 else 'RGB')
    except FileNotFoundError:
        raise InputError(f'{path}: no such file') from None
    # A damaged file raises many things.
    except Exception as error:
        raise InputError(
            f'{path}: not a PNG or JPEG image that can be read ({shown(first_line(error))})'
        ) from None
    if upright.size != (width, height):
        found = f'{upright.width}x{upright.height}'
        logger.warning('%s: %s pixels, made %sx%s', shown(str(path), LONGEST_NAME), found, width, height)
        upright = upright.resize((width, height), PIL.Image.Resampling.BILINEAR)
    return numpy.asarray(upright).reshape(height, width, channels).transpose(2, 0, 1)


def _of_data_file(path: Path, part: str, network: Trained) -> Iterator[Batch]:
    with open_data_file(path) as file:
        if part not in file.images:
            raise InputError(f'{path}: there is no X_{part}; choose another --part')
        rows, labels = file.images[part], file.labels[part]
        if tuple(rows.shape[1:]) not in (network.original_shape, network.image_shape):
            expected = f"the network's images, {network.original_shape}"
            raise InputError(f'{rows.what}: found {rows.described}, expected {expected}')
        if (rows.dtype == numpy.uint8) != network.scaled:
            as_what = 'floats, not bytes' if network.scaled else 'bytes, not floats'
            what = shown(str(path), LONGEST_NAME), as_what
            logger.warning('%s: %s, on which the network was trained; is their scale the same?', *what)
        comparable = _same_classes(file, network)
        for start, stop in rows.pieces(IMAGES_AT_ONCE):
            right = labels.read(start, stop).reshape(-1).tolist()
            yield Batch(
                [f'{path}[{row}]' for row in range(start, stop)],
                read_images(rows, start, stop),
                [file.class_names[label] if network.named else str(label) for label in right],
                comparable,
            )


def _same_classes(file: DataFile, network: Trained) -> bool:
    """Return whether a file's labels are of the network's classes; say so where they are not.

    They are compared by name, in any order, or by number where nobody has recorded the network's names.
    """
    theirs, own = file.class_names, network.class_names
    if set(theirs) == set(own) if network.named else len(theirs) == len(own):
        return True
    logger.warning(
        '%s: its labels are of %s, the network tells %s; none of its answers counts as right or wrong',
        shown(str(file.path), LONGEST_NAME),
        _described(theirs),
        _described(own) if network.named else f'{counted(len(own), "class", "classes")} without names',
    )
    return False


def _described(class_names: Sequence[str]) -> str:
    number = counted(len(class_names), 'class', 'classes')
    return f'{number} ({shown(", ".join(class_names), LONGEST_NAMES)})'
