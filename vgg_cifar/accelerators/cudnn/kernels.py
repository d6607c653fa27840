"""Launches kernels of our own (kernels.cu): batches, normalisation, ReLU, pooling, dropout, the loss.

Images are given as the arrays (N, H, W, C) that they are in memory. All arrays are C-contiguous, and those of
one call have one type: float32, float16 or bfloat16; vectors of channels are float32. What is added up, is so
in an order that shapes and types alone decide: results have the same bits each time, and on every card.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cupy
import numpy
from numpy import int32

Array = Any

# As in kernels.cu.
THREADS = 256
# What is added up, at most so many blocks add up: those that an H100 or H200 runs at once.
BLOCKS = 3 * 132
# So many do the rest, which then ends everywhere at about the same time.
MOST = 4 * BLOCKS
# Of a row, a block reads this many bytes at once.
LINE = 128
# Each thread has at least so many rows to add up, or to scale: it reads what belongs to its channels once.
ROWS = 8

# Of an element in a window of up to 255.
PLACE = 'unsigned char'

_TYPES = {
    'float32': ('float', ''),
    'float16': ('__half', '#include <cuda_fp16.h>'),
    'bfloat16': ('__nv_bfloat16', '#include <cuda_bf16.h>'),
}


def source(dtype: str, vector: int, place: str = PLACE) -> str:
    """Return the source of all kernels for a type, for so many elements at once, and a type of places."""
    name, header = _TYPES[dtype]
    given = f'{header}\ntypedef {name} T;\ntypedef {place} P;\nconstexpr int V = {vector};\n'
    return given + Path(__file__).with_name('kernels.cu').read_text()


@functools.cache
def _kernel(name: str, dtype: str, vector: int, place: str = PLACE) -> Any:
    return cupy.RawModule(code=source(dtype, vector, place)).get_function(name)


def width(dtype: Any) -> int:
    """Return how many elements of a type are read at once."""
    return 16 // numpy.dtype(dtype).itemsize


def _vector(x: Array, size: int) -> int:
    """Return by how many elements an array can be read whose rows have this size."""
    return 1 if size % width(x.dtype) else width(x.dtype)


def _is_aligned(x: Array) -> bool:
    return x.data.ptr % 16 == 0


class _Cut(NamedTuple):
    """How rows of channels are cut up among blocks."""

    vector: int
    grid: tuple[int, int]
    block: tuple[int, int]
    rows: int
    each: int
    channels: int

    @property
    def size(self) -> tuple[int, int, Any]:
        """What kernels are told of it."""
        return self.rows, self.each, int32(self.channels)


def _cut(x: Array, blocks: int = MOST, least: int = ROWS) -> _Cut:
    """Cut x (..., C) for at most so many blocks, of whose threads each has at least so many rows.

    All bits of sums hang on this: on shape and type alone.
    """
    channels = x.shape[-1]
    rows, vector = x.size // channels, _vector(x, channels)
    lanes = min(1 << (channels // vector - 1).bit_length(), LINE // (vector * x.itemsize))
    height, pieces = THREADS // lanes, -(-channels // (vector * lanes))
    parts = max(1, min(blocks // pieces, rows // (least * height)))
    each = -(-rows // parts)
    return _Cut(vector, (pieces, -(-rows // each)), (lanes, height), rows, each, channels)


def _launch(name: str, x: Array, cut: _Cut, *arguments: Any, place: str = PLACE) -> None:
    _kernel(name, x.dtype.name, cut.vector, place)(cut.grid, cut.block, arguments)


def _aligned(x: Array) -> Array:
    """Return x as vectors can be read of it: which it is, but for a user's own slices."""
    return x if _is_aligned(x) else x.copy()


def _vectors(*sizes: Any) -> Sequence[Array]:
    return [cupy.ndarray(size, numpy.float32) for size in sizes]


def sums(x: Array, blocks: int = BLOCKS) -> Array:
    """Return the sums of x (..., C) over all axes but the last, float32 (C,)."""
    x = _aligned(x)
    cut = _cut(x, blocks)
    (found,) = _vectors((cut.grid[1], cut.channels))
    _launch('sums', x, cut, x, *cut.size, found)
    return found[0] if len(found) == 1 else sums(found, 1)


def statistics(
    x: Array, bias: Array, eps: float, decay: float, running_mean: Array, running_var: Array
) -> tuple[Array, Array]:
    """Return mean and 1 / sqrt(variance + eps) of each channel of x (..., C), and update the running ones.

    Args:
        x: what is normalised.
        bias: (C,), what was left out of x: only the running mean knows of it.
        eps: added to the variance.
        decay: how much of the running statistics stays.
        running_mean, running_var: (C,), updated in place; the variance is the unbiased one.

    """
    x = _aligned(x)
    cut = _cut(x, BLOCKS)
    parts = _, means, _ = _vectors(cut.channels, *[(cut.grid[1], cut.channels)] * 2)
    _launch('moments', x, cut, x, *cut.size, *parts)
    mean, inverse = _vectors(cut.channels, cut.channels)
    found = mean, inverse, running_mean, running_var
    numbers = numpy.float32(eps), numpy.float32(decay)
    _launch('statistics', means, _cut(means, 1), *parts, bias, *cut.size, *numbers, *found)
    return mean, inverse


Scale = tuple[Array, Array, Array, Array]
"""Mean, 1 / deviation, gamma and beta of each channel."""


def normalised(x: Array, scale: Scale, relu: bool, y: Array) -> None:
    """Write (x - mean) / deviation * gamma + beta, or its ReLU, over y."""
    x = _aligned(x)
    cut = _cut(x)
    _launch('normalised', x, cut, x, *scale, *cut.size, int32(relu), y)


def gradient_sums(x: Array, gy: Array, scale: Scale, relu: bool) -> tuple[Array, Array]:
    """Return the gradients of gamma and beta, float32 (C,)."""
    x, gy = _aligned(x), _aligned(gy)
    cut = _cut(x, BLOCKS)
    (found,) = _vectors((cut.grid[1], 2 * cut.channels))
    _launch('gradient_sums', x, cut, x, gy, *scale, *cut.size, int32(relu), found)
    both = found[0] if len(found) == 1 else sums(found, 1)
    return both[: cut.channels], both[cut.channels :]


def normalised_gradient(
    x: Array, gy: Array, scale: Scale, sums: tuple[Array, Array], relu: bool, gx: Array
) -> None:
    """Write the gradient of x over gx, given those of gamma and beta."""
    x, gy = _aligned(x), _aligned(gy)
    cut = _cut(x)
    _launch('normalised_gradient', x, cut, x, gy, *scale, *sums, *cut.size, int32(relu), gx)


def widened(x: Array, y: Array) -> None:
    """Write x, float32 (N, C, H, W), over y (N, H, W, channels), and zeros where C is less than channels.

    The channels are `width` of y's type.
    """
    n, channels, rows, columns = x.shape
    grid = (min(MOST, -(-n * rows * columns // THREADS)),)
    arguments = x, int32(channels), rows * columns, n * rows * columns, y
    _kernel('widened', y.dtype.name, y.shape[-1])(grid, (THREADS,), arguments)


Moves = Sequence[int]
"""Of pooling: channels, height and width of x, rows and columns of y, size, stride and padding of windows."""


def max_pooling(x: Array, moves: Moves, relu: bool, y: Array) -> Array:
    """Write the maxima of windows of x, or their ReLU, over y; return the maxima's places in the windows."""
    x, (size_y, size_x) = _aligned(x), moves[5:7]
    # The greatest number stands for no place.
    places = cupy.ndarray(y.shape, numpy.uint8 if size_y * size_x < 256 else numpy.uint32)
    cut = _cut(y, least=1)
    name, told = ('max_halving', (moves[0], moves[4])) if _halves(moves) else ('max_pooling', moves)
    given = x, *map(int32, told), cut.rows, cut.each, int32(relu)
    _launch(name, y, cut, *given, y, places, place=_place(places))
    return places


def max_pooling_gradient(gy: Array, places: Array, moves: Moves, gx: Array) -> None:
    """Write the gradient of x over gx."""
    halves = _halves(moves)
    name, told = ('max_halving_gradient', (moves[0], moves[4])) if halves else ('max_pooling_gradient', moves)
    # Halves are written window by window.
    cut = _cut(gy if halves else gx, least=1)
    given = _aligned(gy), places, *map(int32, told), cut.rows, cut.each
    _launch(name, gx, cut, *given, gx, place=_place(places))


def _halves(moves: Moves) -> bool:
    """Whether windows of 2 x 2 tile the images: there are kernels for that, told of channels and columns."""
    _, height, width, rows, columns, *windows = moves
    return windows == [2, 2, 2, 2, 0, 0] and (height, width) == (2 * rows, 2 * columns)


def _place(places: Array) -> str:
    return PLACE if places.itemsize == 1 else 'unsigned int'


def average_pooling(x: Array, moves: Moves, y: Array) -> None:
    """Write the means of windows of x over y, the padding counted as zeros."""
    cut = _cut(y, least=1)
    _launch('average_pooling', y, cut, _aligned(x), *map(int32, moves), cut.rows, cut.each, y)


def average_pooling_gradient(gy: Array, moves: Moves, gx: Array) -> None:
    """Write the gradient of x over gx."""
    cut = _cut(gx, least=1)
    _launch('average_pooling_gradient', gx, cut, _aligned(gy), *map(int32, moves), cut.rows, cut.each, gx)


def gathered(images: Array, labels: Array, rows: Array) -> tuple[Array, Array]:
    """Return the images of some rows, float32 from 0 to 1, and their labels.

    Args:
        images: uint8 (N, C, H, W).
        labels: int32 (N,).
        rows: int64 (n,), which to take; at least one.

    """
    x = cupy.ndarray((len(rows), *images.shape[1:]), numpy.float32)
    y = cupy.ndarray(len(rows), numpy.int32)
    pixels = x.size // len(x)
    vector = _vector(x, pixels)
    grid = (min(MOST, -(-x.size // (vector * THREADS))),)
    arguments = _aligned(images), labels, rows, pixels, x.size, x, y
    _kernel('gathered', 'float32', vector)(grid, (THREADS,), arguments)
    return x, y


def _by_elements(name: str, inputs: Sequence[Array], numbers: Sequence[Any], y: Array) -> None:
    """Launch a kernel that makes an element of y of those at its place in the inputs."""
    vector = _vector(y, y.size) if all(map(_is_aligned, (*inputs, y))) else 1
    grid = (min(MOST, -(-y.size // (vector * THREADS))),)
    arguments = *inputs, *numbers, y.size, y
    _kernel(name, y.dtype.name, vector)(grid, (THREADS,), arguments)


def rectified(x: Array, slope: float, y: Array) -> None:
    """Write the leaky ReLU of x over y."""
    _by_elements('rectified', [x], [numpy.float32(slope)], y)


def rectified_sum(x: Array, added: Array, slope: float, y: Array) -> None:
    """Write the leaky ReLU of x + added over y."""
    _by_elements('rectified_sum', [x, added], [numpy.float32(slope)], y)


def rectified_gradient(y: Array, gy: Array, slope: float, gx: Array) -> None:
    """Write the gradient of x over gx, given the ReLU's result y."""
    _by_elements('rectified_gradient', [y, gy], [numpy.float32(slope)], gx)


def dropout(x: Array, key: Array, layer: int, ratio: float, y: Array) -> None:
    """Write x without a part `ratio` of its elements, and the rest divided by 1 - ratio, over y.

    Which ones is a function of `key`, uint64 (2,), of `layer` and of an element's place in memory.
    """
    threshold = numpy.uint32(min(round(ratio * 2**32), 2**32 - 1))
    numbers = key, numpy.uint64(layer), threshold, numpy.float32(1 / (1 - ratio))
    _by_elements('dropout', [x], numbers, y)


def cross_entropy(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Return the mean loss and the accuracy, float32 (), for float32 (N, classes) and int32 (N,)."""
    loss, accuracy = _vectors((), ())
    arguments = scores, labels, len(scores), int32(scores.shape[1]), loss, accuracy
    _kernel('cross_entropy', 'float32', 1)((1,), (1, THREADS), arguments)
    return loss, accuracy


def cross_entropy_gradient(scores: Array, labels: Array, gradient: Array, gx: Array) -> None:
    """Write the gradient of the scores over gx; `gradient` is the loss's, float32 ()."""
    grid = (-(-len(scores) // THREADS),)
    arguments = scores, labels, gradient, len(scores), int32(scores.shape[1]), gx
    _kernel('cross_entropy_gradient', 'float32', 1)(grid, (THREADS,), arguments)
