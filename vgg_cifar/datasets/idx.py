"""The idx format of MNIST and EMNIST: bytes in an array of any number of axes, gzipped or not.

A header says how large the array is. A file from outside may say anything, and a few gzipped bytes can unpack
to terabytes: nothing is read that the caller's shape and this machine's memory do not allow.
"""

import gzip
import math
import zlib
from typing import BinaryIO, cast

import numpy

from vgg_cifar.errors import InputError, first_line
from vgg_cifar.free_space import require_memory

UINT8 = 8
# EMNIST's largest set has 700,000 images of 784 bytes.
MOST_BYTES = 2**30


def read_idx(file: BinaryIO, what: str, shape: tuple[int | None, ...]) -> numpy.ndarray:
    """Return the array of an idx file as uint8.

    Args:
        file: open for reading, at its start, and able to go back there.
        what: names it in messages.
        shape: the lengths expected, None where any above 0 will do.

    Raises:
        InputError: the file is damaged, of other numbers than bytes, or of another shape.

    """
    compressed = file.read(2) == b'\x1f\x8b'
    file.seek(0)
    try:
        return _read(cast(BinaryIO, gzip.open(file)) if compressed else file, what, shape)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f'{what}: not readable ({first_line(error)}); get the file again') from error


def _read(file: BinaryIO, what: str, shape: tuple[int | None, ...]) -> numpy.ndarray:
    magic = file.read(4)
    expected = bytes((0, 0, UINT8, len(shape)))
    if magic != expected:
        raise InputError(
            f'{what}: found {magic.hex(" ") or "nothing"}, expected {expected.hex(" ")}, the start of an idx '
            f'file of bytes with {len(shape)} axes; get the file again'
        )
    header = file.read(4 * len(shape))
    found = tuple(int.from_bytes(header[4 * axis : 4 * axis + 4], 'big') for axis in range(len(shape)))
    fits = all(wanted in (None, length) for length, wanted in zip(found, shape, strict=True))
    size = math.prod(found)
    if len(header) < 4 * len(shape) or not fits or not 0 < size <= MOST_BYTES:
        lengths = ' x '.join('N' if length is None else str(length) for length in shape)
        raise InputError(
            f'{what}: found {" x ".join(map(str, found))} bytes, expected {lengths}, {MOST_BYTES} at most'
        )
    require_memory(what, 2 * size)
    content = file.read(size)
    if len(content) != size or file.read(1):
        least = 'less' if len(content) != size else 'more'
        raise InputError(f'{what}: holds {least} than the {size} bytes that it announces; get the file again')
    return numpy.frombuffer(content, numpy.uint8).reshape(found)
