"""Two-dimensional max and average pooling with their gradients."""

from typing import Any, NamedTuple, cast

import numpy

from vgg_cifar.accelerators.onednn import arrays, elementwise, library
from vgg_cifar.accelerators.onednn.arrays import Shape, address, canonical, type_of
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg, Propagation, Type
from vgg_cifar.accelerators.onednn.primitives import Attributes, Primitive, cached, dimensions

Pair = tuple[int, int]


class Windows(NamedTuple):
    """How windows cover an image: pairs (rows, columns). Padding may be negative at the end: it crops."""

    size: Pair
    stride: Pair
    pad_begin: Pair
    pad_end: Pair

    def all_touch(self, x: Shape, y: Shape) -> bool:
        """Whether every window holds a pixel, where an image of shape `x` is pooled to shape `y`."""
        return all(
            pad < size and (n_out - 1) * stride - pad < n
            for size, stride, pad, n, n_out in zip(
                self.size, self.stride, self.pad_begin, x[2:], y[2:], strict=True
            )
        )

    def movement(self) -> tuple:
        gaps = (0, 0)
        return tuple(dimensions(p) for p in (self.stride, self.size, gaps, self.pad_begin, self.pad_end))


def moved(x: Shape, size: Pair, stride: Pair, pad: Pair) -> tuple[Shape, Windows]:
    """Return the shape of what pooling without cover_all makes of an image, and its windows."""
    out, ends = [], []
    for n, k, s, p in zip(x[2:], size, stride, pad, strict=True):
        out.append((n + 2 * p - k) // s + 1)
        ends.append(s * (out[-1] - 1) + k - n - p)
    return (*x[:2], *out), Windows(size, stride, pad, (ends[0], ends[1]))


@cached
def _forward(
    algorithm: Algorithm, x: Shape, y: Shape, windows: Windows, type: Type, slope: float = 1
) -> Primitive:
    return Primitive(
        f'{algorithm.name} of x {x} to y {y}, {windows}',
        (Arg.SRC, Arg.DST, Arg.WORKSPACE),
        'pooling_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        algorithm,
        arrays.layout(x, type),
        arrays.layout(y, type),
        *windows.movement(),
        attributes=Attributes(slope),
    )


@cached
def _backward(algorithm: Algorithm, x: Shape, y: Shape, windows: Windows, type: Type) -> Primitive:
    return Primitive(
        f'gradient of {algorithm.name} of x {x} to y {y}, {windows}',
        (Arg.DIFF_DST, Arg.DIFF_SRC, Arg.WORKSPACE),
        'pooling_backward_primitive_desc_create',
        library.load().engine,
        algorithm,
        arrays.layout(x, type),
        arrays.layout(y, type),
        *windows.movement(),
        _forward(algorithm, x, y, windows, type),
    )


def _is_finite(x: numpy.ndarray) -> bool:
    """Whether x holds neither infinities nor NaN; very large numbers may count as infinite."""
    flat = elementwise.flat(x)
    if x.dtype == numpy.float32:
        return bool(numpy.isfinite(numpy.dot(flat, flat)))
    # Of a bfloat16, the eight bits of the exponent: all set, it is no finite number.
    bits = flat.view(numpy.uint16)
    return not bool(((bits & 0x7F80) == 0x7F80).any())


def max_forward(
    x: numpy.ndarray, y_shape: Shape, windows: Windows, finite: bool = False, relu: bool = False
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the maxima of the windows, and which element of its window each one is, counted row by row.

    Positions are bytes or 32-bit integers. `finite` promises that x holds neither infinities nor NaN. With
    `relu`, negative maxima become 0.
    """
    x = canonical(x)
    if not windows.all_touch(x.shape, y_shape) or not (finite or _is_finite(x)):
        y, positions = _max_forward_by_numpy(x, y_shape, windows)
        return elementwise.relu(y) if relu else y, positions
    type, slope = type_of(x.dtype), 0 if relu else 1
    primitive = _forward(Algorithm.MAX_POOLING, x.shape, y_shape, windows, type, slope)
    y = arrays.empty(y_shape, x.dtype)
    # oneDNN keeps the positions in bytes where they fit.
    small = primitive.size(Arg.WORKSPACE) < 4 * y.size
    positions = arrays.empty(y_shape, numpy.uint8 if small else numpy.int32)
    primitive(address(x), address(y), address(positions))
    return y, positions


def max_backward(
    gy: numpy.ndarray, positions: numpy.ndarray, x_shape: Shape, windows: Windows
) -> numpy.ndarray:
    """Return the gradient of max pooling's input, given the positions from `max_forward`."""
    if not windows.all_touch(x_shape, gy.shape):
        return _backward_by_numpy(gy, positions, x_shape, windows)
    gy = canonical(gy)
    gx = arrays.empty(x_shape, gy.dtype)
    primitive = _backward(Algorithm.MAX_POOLING, x_shape, gy.shape, windows, type_of(gy.dtype))
    primitive(address(gy), address(gx), address(positions))
    return gx


def average_forward(x: numpy.ndarray, y_shape: Shape, windows: Windows) -> numpy.ndarray:
    """Return the means of the windows, the padding counted as zeros."""
    x = canonical(x)
    if not windows.all_touch(x.shape, y_shape):
        return _contents(x, y_shape, windows, 0).mean(4)
    y = arrays.empty(y_shape, x.dtype)
    primitive = _forward(Algorithm.AVERAGE_POOLING, x.shape, y_shape, windows, type_of(x.dtype))
    primitive(address(x), address(y), 0)
    return y


def average_backward(gy: numpy.ndarray, x_shape: Shape, windows: Windows) -> numpy.ndarray:
    """Return the gradient of average pooling's input."""
    if not windows.all_touch(x_shape, gy.shape):
        kh, kw = windows.size
        return _backward_by_numpy(gy / gy.dtype.type(kh * kw), None, x_shape, windows)
    gy = canonical(gy)
    gx = arrays.empty(x_shape, gy.dtype)
    primitive = _backward(Algorithm.AVERAGE_POOLING, x_shape, gy.shape, windows, type_of(gy.dtype))
    primitive(address(gy), address(gx), 0)
    return gx


# oneDNN knows no windows that lie in the padding alone, and drops NaN and infinities. There NumPy serves.


def _contents(x: numpy.ndarray, y_shape: Shape, windows: Windows, fill: float) -> numpy.ndarray:
    """Return what each window sees, (*y_shape, elements of a window), with `fill` outside the image."""
    pads = [(begin, max(end, 0)) for begin, end in zip(windows.pad_begin, windows.pad_end, strict=True)]
    padded = numpy.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    (sy, sx), (h, w) = windows.stride, y_shape[2:]
    # Some NumPys' annotations know one axis only.
    axes = cast(Any, (2, 3))
    seen: numpy.ndarray = numpy.lib.stride_tricks.sliding_window_view(padded, windows.size, axes)
    return seen[:, :, ::sy, ::sx][:, :, :h, :w].reshape(*y_shape, -1)


def _max_forward_by_numpy(
    x: numpy.ndarray, y_shape: Shape, windows: Windows
) -> tuple[numpy.ndarray, numpy.ndarray]:
    contents = _contents(x, y_shape, windows, -numpy.inf)
    small = contents.shape[4] < 256
    positions = arrays.empty(y_shape, numpy.uint8 if small else numpy.int32)
    positions[...] = contents.argmax(4)
    return contents.max(4), positions


def _backward_by_numpy(
    gy: numpy.ndarray, positions: numpy.ndarray | None, x_shape: Shape, windows: Windows
) -> numpy.ndarray:
    """Add each gradient to the pixel of its window at its position, or without positions to all pixels."""
    (sy, sx), (ph, pw), (kh, kw) = windows.stride, windows.pad_begin, windows.size
    n, c, h, w = x_shape
    rows, columns = sy * gy.shape[2], sx * gy.shape[3]
    gx = numpy.zeros((n, c, max(rows + kh, ph + h), max(columns + kw, pw + w)), gy.dtype)
    for i, j in numpy.ndindex(kh, kw):
        part = gy if positions is None else numpy.where(positions == i * kw + j, gy, 0)
        gx[:, :, i : i + rows : sy, j : j + columns : sx] += part
    return gx[:, :, ph : ph + h, pw : pw + w]
