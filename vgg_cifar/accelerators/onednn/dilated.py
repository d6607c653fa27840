"""The gradient of a dilated convolution's weights, where oneDNN has no kernel of its own for it.

On AVX2 its general way takes twice as long as a dense convolution. Here the pixels that each element of the
kernel sees are put side by side, for some images at a time, and one product of matrices does the rest.
"""

import math

import numpy

from vgg_cifar.accelerators.onednn import arrays, matrices
from vgg_cifar.accelerators.onednn.arrays import Shape, address
from vgg_cifar.accelerators.onednn.library import Type
from vgg_cifar.accelerators.onednn.primitives import Attributes, Layout, cached

# With fewer channels, copies are of too few bytes each.
FEWEST_CHANNELS = 16

# What is put side by side at a time: it should still be in the caches when it is multiplied.
PIECE_BYTES = 3 << 20

Pair = tuple[int, int]


def suits(weights: Shape, geometry: tuple, type: Type, implementation: str) -> bool:
    """Whether the gradient can be had this way, and oneDNN's `implementation` of it is its general one."""
    stride, _, pad_end, dilation, groups = geometry
    return (
        type is Type.FLOAT32
        and max(dilation) > 1
        and stride == (1, 1)
        and min(pad_end) >= 0
        and groups == 1
        and min(weights[:2]) >= FEWEST_CHANNELS
        and 'gemm' in implementation
    )


def backward_weights(
    x: numpy.ndarray, gy: numpy.ndarray, w_shape: Shape, pad: Pair, dilation: Pair
) -> numpy.ndarray:
    """Return the gradient of the weights, for x (N, C, H, W) and gy (N, out, H', W'); see convolution.py."""
    out, channels, *kernel = w_shape
    bytes_each = 4 * channels * math.prod(kernel) * math.prod(gy.shape[2:])
    count = math.ceil(len(x) * bytes_each / PIECE_BYTES)
    size = math.ceil(len(x) / count)
    products = arrays.empty_in_order((*kernel, channels, out))
    for start in range(0, len(x), size):
        part, gy_part = x[start : start + size], gy[start : start + size]
        columns = _columns(part.shape, (kernel[0], kernel[1]), gy.shape[2:], pad, dilation)
        columns(part)
        product = _product(len(columns.rows), products.size // out, out, start > 0)
        product(address(columns.rows), address(gy_part), address(products))
    return numpy.ascontiguousarray(products.transpose(3, 2, 0, 1))


class _Columns:
    """What each element of a kernel sees of images (n, C, H, W): `rows` (n H' W', kernel C)."""

    def __init__(self, shape: Shape, kernel: Pair, y_size: Shape, pad: Pair, dilation: Pair) -> None:
        n, channels, height, width = shape
        (rows, columns), (kh, kw) = y_size, kernel
        what = f'images {shape} for a gradient with dilation {dilation}'
        # The border stays zero: copies write the inner part only.
        reach = rows + (kh - 1) * dilation[0], columns + (kw - 1) * dilation[1]
        padded = arrays.empty_in_order((n, *reach, channels))
        padded[...] = 0
        self._inner = padded[:, pad[0] : pad[0] + height, pad[1] : pad[1] + width]
        self._pad = matrices.copy(what, arrays.empty(shape).transpose(0, 2, 3, 1), self._inner)
        seen = arrays.empty_in_order((n, rows, columns, kh, kw, channels))
        self.rows = seen.reshape(n * rows * columns, kh * kw * channels)
        self._parts = []
        for i, j in numpy.ndindex(kh, kw):
            down, right = i * dilation[0], j * dilation[1]
            source, target = padded[:, down : down + rows, right : right + columns], seen[:, :, :, i, j]
            self._parts.append((matrices.copy(what, source, target), source, target))

    def __call__(self, x: numpy.ndarray) -> None:
        self._pad(address(x), address(self._inner))
        for copy, source, target in self._parts:
            copy(address(source), address(target))


_columns = cached(_Columns)


@cached
def _product(pixels: int, columns: int, out: int, add: bool) -> matrices.Primitive:
    return matrices.product(
        f'products over {pixels} pixels, {columns} by {out}',
        Layout((columns, pixels), (1, columns)),
        arrays.layout((pixels, out)),
        arrays.layout((columns, out)),
        Attributes(add=add),
    )
