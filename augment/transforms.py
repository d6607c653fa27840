"""The copies that report R1 makes of each training image (section 6 and its listing), and rotations.

Pure functions of a batch x (N, C, H, W) of uint8 or float32, NumPy or CuPy; what comes in as one goes out as
the same. For float32 they give the listing's results bit for bit, which are float32 throughout; uint8 gives
what its float32 would give. Only the sign of a zero may differ, where an image holds both zeros: there the
listing's own answer depends on the processor. What NaN or infinity gives is not defined.
"""

import functools
import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

COPIES = ('original', 'flip', 'normalize', 'median')
"""The listing's copies in the listing's order."""

WHOLE_NUMBER_COPIES = ('original', 'flip', 'median')
"""The copies whose values are values of the image, so that uint8 can hold them."""

WINDOWS = ('channels', 'plane')

# Pieces of about this size stay, with what is computed from them, in a core's cache: on 2 MiB of it twice as
# fast as one pass over a large batch.
PIECE_BYTES = 192 * 1024


def flip(x: Any) -> Any:
    """Return each image mirrored left to right; x's shape and dtype."""
    return x[..., ::-1].copy()


def normalize(x: Any) -> Any:
    """Return (x - min) / (max - min), taken over each whole image; float32 of x's shape.

    An image of one constant value, for which the listing divides 0 by 0, becomes zeros.
    """
    out = _module(x).empty(x.shape, numpy.float32)
    _fill(out, x, _normalize)
    return out


def median_filter(x: Any, size: int = 2, window: str = 'channels') -> Any:
    """Return the median of the window around each value; x's shape and dtype.

    Args:
        x: the batch.
        size: the window's length along each of its axes. Of an even number of values the upper median is
            taken, and an even window reaches further back than ahead, as in SciPy.
        window: 'channels' as in the listing, where the window runs over neighbouring channels too
            (size x size x size), or 'plane' for a window within each channel (size x size).

    """
    out = _module(x).empty(x.shape, x.dtype)
    _fill(out, x, functools.partial(_median, size=size, window=window))
    return out


def rotate(x: Any, step: float = 15) -> Any:
    """Return x rotated counterclockwise by step, 2 step, ... up to 180 degrees: 15 gives twelve copies.

    Bilinear, about the centre, in the image's own frame; what comes from outside of the image is 0 (black).
    The same as scipy.ndimage.rotate(..., reshape=False, order=1, mode='constant') of the float32 image.

    Returns:
        float32 (N * copies, C, H, W): an image's rotations beside each other.

    """
    return apply_copies(x, (), rotate=step)


def angles(step: float) -> list[float]:
    """Return step, 2 step, ... up to 180 degrees. Raises ValueError unless 0 < step <= 180."""
    if not 0 < step <= 180:
        raise ValueError(f'rotation step {step}: expected more than 0 and at most 180 degrees')
    return [step * i for i in range(1, int(180 / step) + 1)]


def apply_copies(
    x: Any,
    copies: Sequence[str] = COPIES,
    *,
    rotate: float | None = None,
    median_window: str = 'channels',
    out: Any = None,
) -> Any:
    """Return the copies of each image beside each other, in the order asked for; rotations come last.

    Args:
        x: (N, C, H, W), uint8 or float32.
        copies: names out of COPIES.
        rotate: the step of the rotations in degrees; None for no rotations.
        median_window: see `median_filter`.
        out: where to write, (N * K, C, H, W); float32 by default. uint8 can hold
            WHOLE_NUMBER_COPIES of uint8.

    Returns:
        (N * K, C, H, W), K = `count_copies(copies, rotate)`: rows i * K to (i + 1) * K - 1 come from image i.

    Raises:
        ValueError: an unknown name, window or step, no copies at all, or an `out` that cannot hold them.
        TypeError: x is neither uint8 nor float32.

    """
    xp = _module(x)
    makers = _makers(copies, rotate, median_window)
    shape = (len(x) * len(makers), *x.shape[1:])
    if out is None:
        out = xp.empty(shape, numpy.float32)
    elif out.shape != shape or not out.flags.c_contiguous:
        raise ValueError(f'out: found shape {out.shape}, expected {shape} in one block')
    if out.dtype != numpy.float32:
        lossy = rotate is not None or not set(copies) <= set(WHOLE_NUMBER_COPIES)
        if lossy or out.dtype != numpy.uint8 or x.dtype != numpy.uint8:
            raise ValueError(f'out: found {out.dtype}, expected float32 for these copies of {x.dtype}')
    by_image = out.reshape(len(x), len(makers), *x.shape[1:])
    for place, make in enumerate(makers):
        _fill(by_image[:, place], x, make)
    return out


def count_copies(copies: Sequence[str] = COPIES, rotate: float | None = None) -> int:
    """Return how many images `apply_copies` makes of one."""
    return len(_makers(copies, rotate, 'channels'))


# A maker writes what it makes of a small batch to `out`, of the batch's shape. `space` gives scratch arrays.
Maker = Callable[[Any, Any, Callable], None]


def _makers(copies: Sequence[str], rotate: float | None, window: str) -> list[Maker]:
    if window not in WINDOWS:
        raise ValueError(f'median window {window!r}: expected one of {", ".join(WINDOWS)}')
    named: dict[str, Maker] = {
        'original': _original,
        'flip': _flip,
        'normalize': _normalize,
        'median': functools.partial(_median, size=2, window=window),
    }
    unknown = [name for name in copies if name not in named]
    if unknown:
        raise ValueError(f'copy {unknown[0]!r}: expected one of {", ".join(COPIES)}')
    turned = [] if rotate is None else angles(rotate)
    makers = [named[name] for name in copies] + [functools.partial(_rotate, angle=a) for a in turned]
    if not makers:
        raise ValueError('no copies asked for; name at least one, or a rotation step')
    return makers


def _fill(out: Any, x: Any, make: Maker) -> None:
    """Let `make` write to `out`, piece by piece on the CPU."""
    if x.dtype not in (numpy.uint8, numpy.float32) or x.ndim != 4:
        raise TypeError(
            f'found {x.dtype} of shape {x.shape}, expected uint8 or float32 of shape (N, C, H, W)'
        )
    if x.size == 0:
        return
    space = _scratch(_module(x))
    for rows in _pieces(x):
        make(x[rows], out[rows], space)


def _pieces(x: Any) -> Iterator[slice]:
    on_cpu = isinstance(x, numpy.ndarray)
    rows = max(1, PIECE_BYTES // x[:1].nbytes) if on_cpu else len(x)
    for start in range(0, len(x), rows):
        yield slice(start, start + rows)


def _scratch(xp: Any) -> Callable:
    """Return a function that gives `count` arrays, the same memory at each call: fresh pages cost time."""
    held: dict[str, Any] = {}

    def space(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        array = held.get(name)
        if array is None or array.shape[1:] != shape[1:] or len(array) < shape[0]:
            array = held[name] = xp.empty(shape, dtype)
        return array[: shape[0]]

    return space


def _original(x: Any, out: Any, space: Callable) -> None:
    out[...] = x


def _flip(x: Any, out: Any, space: Callable) -> None:
    out[...] = x[..., ::-1]


def _normalize(x: Any, out: Any, space: Callable) -> None:
    flat = x.reshape(len(x), -1)
    least = flat.min(axis=1).astype(numpy.float32).reshape(-1, 1, 1, 1)
    extent = flat.max(axis=1).astype(numpy.float32).reshape(-1, 1, 1, 1) - least
    extent[extent == 0] = 1
    out[...] = x
    out -= least
    out /= extent


def _median(x: Any, out: Any, space: Callable, size: int, window: str) -> None:
    if window not in WINDOWS:
        raise ValueError(f'median window {window!r}: expected one of {", ".join(WINDOWS)}')
    if size == 2:
        out[...] = (_median_of_eight if window == 'channels' else _median_of_four)(x, space)
    else:
        ndimage = importlib.import_module(f'{_library(x)}scipy.ndimage')
        out[...] = ndimage.median_filter(x, (1, size if window == 'channels' else 1, size, size))


def _median_of_eight(x: Any, space: Callable) -> Any:
    """Return the fifth smallest of each value and its seven neighbours before it in row, column and channel.

    What is sorted once serves all windows that share it: pairs over rows, two pairs to four values over
    channels, two fours to the median over columns. An edge's missing neighbour is the value itself.
    """
    xp = _module(x)
    low, high = _sorted_rows(x, space)
    a, b, c, d, spare = (space(name, x.shape, x.dtype) for name in ('a', 'b', 'c', 'd', 'spare'))
    xp.minimum(low[:, 1:], low[:, :-1], out=a[:, 1:])
    xp.maximum(low[:, 1:], low[:, :-1], out=spare[:, 1:])
    xp.minimum(high[:, 1:], high[:, :-1], out=c[:, 1:])
    xp.maximum(high[:, 1:], high[:, :-1], out=d[:, 1:])
    xp.minimum(spare[:, 1:], c[:, 1:], out=b[:, 1:])
    xp.maximum(spare[:, 1:], c[:, 1:], out=c[:, 1:])
    a[:, 0] = b[:, 0] = low[:, 0]
    c[:, 0] = d[:, 0] = high[:, 0]
    # The fifth smallest of a <= b <= c <= d and A <= B <= C <= D is the least of max(a, D), max(b, C),
    # max(c, B) and max(d, A). Flat, so that a row's first value meets the end of
    # the row before: that column is put right afterwards.
    median, spare = low, spare.reshape(-1)[1:]
    flat = median.reshape(-1)[1:]
    for number, (mine, theirs) in enumerate(((a, d), (d, a), (b, c), (c, b))):
        this, before = mine.reshape(-1)[1:], theirs.reshape(-1)[:-1]
        xp.maximum(this, before, out=spare if number else flat)
        if number:
            xp.minimum(flat, spare, out=flat)
    median[..., 0] = c[..., 0]
    return median


def _median_of_four(x: Any, space: Callable) -> Any:
    """Return the third smallest of each value and its three neighbours before it in row and column."""
    xp = _module(x)
    low, high = _sorted_rows(x, space)
    median = space('a', x.shape, x.dtype)
    lows, highs, flat = low.reshape(-1), high.reshape(-1), median.reshape(-1)[1:]
    xp.maximum(lows[1:], lows[:-1], out=flat)
    xp.minimum(highs[1:], highs[:-1], out=lows[1:])
    xp.maximum(flat, lows[1:], out=flat)
    median[..., 0] = high[..., 0]
    return median


def _sorted_rows(x: Any, space: Callable) -> tuple[Any, Any]:
    """Return the smaller and the larger of each value and the one in the row before."""
    xp = _module(x)
    low, high = (space(name, x.shape, x.dtype) for name in ('low', 'high'))
    width = x.shape[3]
    flat = x.reshape(-1)
    xp.minimum(flat[width:], flat[:-width], out=low.reshape(-1)[width:])
    xp.maximum(flat[width:], flat[:-width], out=high.reshape(-1)[width:])
    low[:, :, 0] = high[:, :, 0] = x[:, :, 0]
    return low, high


def _rotate(x: Any, out: Any, space: Callable, angle: float) -> None:
    n, channels, height, width = x.shape
    # Pixels along the first axis, so that a tap gathers whole rows.
    taps = _taps(height, width, angle)
    pixels = x.reshape(-1, height * width).T.astype(numpy.float64)
    xp = _module(x)
    turned = xp.zeros((height * width, n * channels))
    inside = xp.asarray(taps[0])
    total = 0
    # SciPy's own order of multiplications and sums, in its double precision: the same bits.
    for rows, by_height, by_width in taps[1]:
        total = total + pixels[xp.asarray(rows)] * xp.asarray(by_height) * xp.asarray(by_width)
    turned[inside] = total
    out[...] = turned.T.reshape(x.shape)


@functools.lru_cache(maxsize=64)
def _taps(height: int, width: int, angle: float) -> tuple[numpy.ndarray, list]:
    """Return which pixels of a rotated image have a source, and for each of its four corners (rows, weights).

    The geometry is that of scipy.ndimage.rotate(axes=(3, 2), reshape=False).
    """
    from scipy.special import cosdg, sindg

    matrix = numpy.array([[cosdg(angle), sindg(angle)], [-sindg(angle), cosdg(angle)]])
    centre = (numpy.array([height, width]) - 1) / 2
    offset = centre - matrix @ centre
    i, j = numpy.divmod(numpy.arange(height * width), width)
    y = offset[0] + i * matrix[0, 0] + j * matrix[0, 1]
    x = offset[1] + i * matrix[1, 0] + j * matrix[1, 1]
    inside = numpy.flatnonzero((y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1))
    y, x = y[inside], x[inside]
    top, left = numpy.floor(y).astype(int), numpy.floor(x).astype(int)
    taps = []
    for down, right in itertools.product((0, 1), (0, 1)):
        # Beyond the last pixel the weight is 0, whichever value it is given to.
        rows = numpy.minimum(top + down, height - 1) * width + numpy.minimum(left + right, width - 1)
        by_height, by_width = (
            v[:, None] if k else 1 - v[:, None] for v, k in ((y - top, down), (x - left, right))
        )
        taps.append((rows, by_height, by_width))
    return inside, taps


def _module(x: Any) -> Any:
    return numpy if isinstance(x, numpy.ndarray) else importlib.import_module('cupy')


def _library(x: Any) -> str:
    return '' if isinstance(x, numpy.ndarray) else 'cupyx.'
