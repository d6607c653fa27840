"""3x3 convolutions of many channels by Winograd's method F(4x4, 3x3): a quarter of the multiplications.

An image is cut into 6x6 windows, four pixels apart, and each becomes a 4x4 tile of the result: windows and
kernels are transformed, multiplied as 36 matrix products over the channels, and transformed back. Gradients
are the same with the matrices transposed. Lavin and Gray (2016), "Fast algorithms for convolutional neural
networks", section 4.3; cuDNN does so too.

Rounding errors are about four times those of the plain sum (measured: 3e-6 of the result's spread against
8e-7), and an infinity or NaN spoils every tile that it touches.
"""

import math
from collections.abc import Iterator

import numpy

from vgg_cifar.accelerators.onednn import arrays, matrices
from vgg_cifar.accelerators.onednn.arrays import Shape, address
from vgg_cifar.accelerators.onednn.library import Type
from vgg_cifar.accelerators.onednn.primitives import Attributes, Layout, Primitive, cached

TILE = 4
WINDOW = TILE + 2

# With fewer channels (in, out, or pairs of them), the transformations of images cost more than is saved; with
# fewer tiles, the transformation of the kernels does.
FEWEST_CHANNELS = 64
FEWEST_PAIRS = 64 * 128
FEWEST_TILES = 64

# A piece of a batch: what is transformed should still be in the caches when it is multiplied.
PIECE_BYTES = 3 << 20

# The matrices of the paper, for the points 0, 1, -1, 2, -2 and infinity.
_INPUT = numpy.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = numpy.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / [[24.0]]
_OUTPUT = numpy.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def _both_axes(matrix: numpy.ndarray) -> numpy.ndarray:
    """Return the matrix that does to rows and columns, flattened, what `matrix` does to one axis."""
    result = arrays.empty_in_order((len(matrix) ** 2, matrix.shape[1] ** 2))
    result[...] = numpy.kron(matrix, matrix)
    return result


def suits(x: Shape, weights: Shape, geometry: tuple, type: Type) -> bool:
    """Whether a convolution can be done this way, and gains by it."""
    out, channels, *kernel = weights
    n, _, height, width = x
    return (
        type is Type.FLOAT32
        and kernel == [3, 3]
        and geometry == ((1, 1), (1, 1), (1, 1), (1, 1), 1)
        and height % TILE == width % TILE == 0
        and min(out, channels) >= FEWEST_CHANNELS
        and out * channels >= FEWEST_PAIRS
        and n * (height // TILE) * (width // TILE) >= FEWEST_TILES
    )


def forward(
    x: numpy.ndarray, weights: numpy.ndarray, bias: numpy.ndarray | None, slope: float
) -> numpy.ndarray:
    """Return what convolution.forward does, for x (N, C, H, W) and weights (out, C, 3, 3)."""
    kernel = _kernel(len(weights), weights.shape[1], False).transform(weights)
    return _convolve(x, kernel, bias, slope)


def backward_data(weights: numpy.ndarray, gy: numpy.ndarray) -> numpy.ndarray:
    """Return the gradient of the input: a convolution with the kernels turned round."""
    kernel = _kernel(len(weights), weights.shape[1], True).transform(weights)
    return _convolve(gy, kernel, None, 1)


def backward_weights(
    x: numpy.ndarray, gy: numpy.ndarray, bias: bool
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return the gradients of the weights, and where asked for of the bias."""
    channels, out = x.shape[1], gy.shape[1]
    products = arrays.empty_in_order((WINDOW**2, channels, out))
    gb = numpy.zeros(out, numpy.float32) if bias else None
    for start, stop in _pieces(x.shape, out):
        windows = _windows((stop - start, *x.shape[1:]))(x[start:stop])
        tiles = _tile_gradients((stop - start, *gy.shape[1:]))(gy[start:stop])
        product = _product_over_tiles(windows.shape[1], channels, out, start > 0)
        product(address(windows), address(tiles), address(products))
        if gb is not None:
            # At the point (1, 1) the transformation is the sum over the tile.
            gb += tiles[WINDOW + 1].sum(0)
    return _kernel(out, channels, False).transform_back(products), gb


def _convolve(
    x: numpy.ndarray, kernel: numpy.ndarray, bias: numpy.ndarray | None, slope: float
) -> numpy.ndarray:
    out = kernel.shape[2]
    y = arrays.empty((len(x), out, *x.shape[2:]))
    for start, stop in _pieces(x.shape, out):
        windows = _windows((stop - start, *x.shape[1:]))(x[start:stop])
        products = arrays.empty_in_order((WINDOW**2 + 1, windows.shape[1], out))
        product = _product_over_channels(windows.shape[1], x.shape[1], out)
        product(address(windows), address(kernel), address(products))
        products[-1] = 0 if bias is None else bias
        _tiles((stop - start, *y.shape[1:]), slope)(products, y[start:stop])
    return y


def _pieces(x: Shape, out: int) -> Iterator[tuple[int, int]]:
    """Cut a batch into parts of nearly the same size; the sums over them do not depend on the machine."""
    n, channels, height, width = x
    bytes_each = WINDOW**2 * (height // TILE) * (width // TILE) * (channels + out) * 4
    count = math.ceil(n * bytes_each / PIECE_BYTES)
    size = math.ceil(n / count)
    return ((start, min(start + size, n)) for start in range(0, n, size))


def _transformation(what: str, matrix: numpy.ndarray, columns: int, slope: float = 1) -> Primitive:
    """Return the product of `matrix`, as it lies in memory, with (rows, columns)."""
    to, from_ = matrix.shape
    return matrices.product(
        f'transformation of {what}',
        Layout(matrix.shape, [stride // 4 for stride in matrix.strides]),
        arrays.layout((from_, columns)),
        arrays.layout((to, columns)),
        Attributes(slope),
    )


def _cut(images: numpy.ndarray, rows: int, columns: int) -> numpy.ndarray:
    """Return of each tile of images (n, H, W, C) the first rows and columns: (rows, columns, n, H/4, W/4, C).

    It is a view; H and W may be up to `TILE` - 1 short of a multiple of it, where no wanted pixel is missing.
    """
    n, height, width, channels = images.shape
    down, across = math.ceil(height / TILE), math.ceil(width / TILE)
    s = images.strides
    return numpy.lib.stride_tricks.as_strided(
        images, (rows, columns, n, down, across, channels), (s[1], s[2], s[0], TILE * s[1], TILE * s[2], s[3])
    )


class _Windows:
    """Images (n, C, H, W) to their transformed windows (36, n H/4 W/4, C)."""

    def __init__(self, shape: Shape) -> None:
        n, channels, height, width = shape
        what = f'images {shape}'
        # The border stays zero, and there is one for each shape, because copies write the inner part only.
        self._padded = arrays.empty_in_order((n, height + 2, width + 2, channels))
        self._padded[...] = 0
        self._inner = self._padded[:, 1:-1, 1:-1]
        self._pad = matrices.copy(what, arrays.empty(shape).transpose(0, 2, 3, 1), self._inner)
        self._shape = (WINDOW, WINDOW, n, height // TILE, width // TILE, channels)
        # Windows overlap, which a layout of oneDNN's cannot: each is put together from four parts that don't.
        model = arrays.empty_in_order(self._shape)
        self._parts = [
            (rows, columns, view, matrices.copy(what, view, model[rows, columns]))
            for rows in (slice(0, TILE), slice(TILE, WINDOW))
            for columns in (slice(0, TILE), slice(TILE, WINDOW))
            for view in [self._part(rows, columns)]
        ]
        self._matrix = _both_axes(_INPUT)
        self._transform = _transformation(what, self._matrix, math.prod(self._shape[2:]))

    def _part(self, rows: slice, columns: slice) -> numpy.ndarray:
        height, width = self._inner.shape[1:3]
        within = self._padded[:, rows.start : rows.start + height, columns.start : columns.start + width]
        return _cut(within, rows.stop - rows.start, columns.stop - columns.start)

    def __call__(self, x: numpy.ndarray) -> numpy.ndarray:
        self._pad(address(x), address(self._inner))
        windows = arrays.empty_in_order(self._shape)
        for rows, columns, view, copy in self._parts:
            copy(address(view), address(windows[rows, columns]))
        result = arrays.empty_in_order((WINDOW**2, math.prod(self._shape[2:5]), self._shape[5]))
        self._transform(address(self._matrix), address(windows), address(result))
        return result


class _Tiles:
    """Products (37, n H/4 W/4, C), the last row being the bias, to images (n, C, H, W)."""

    def __init__(self, shape: Shape, slope: float) -> None:
        n, channels, height, width = shape
        what = f'tiles of {shape}'
        self._shape = (TILE, TILE, n, height // TILE, width // TILE, channels)
        plain = _both_axes(_OUTPUT)
        self._matrix = arrays.empty_in_order((TILE**2, WINDOW**2 + 1))
        self._matrix[:, :-1], self._matrix[:, -1] = plain, 1
        self._transform = _transformation(what, self._matrix, math.prod(self._shape[2:]), slope)
        image = _cut(arrays.empty(shape).transpose(0, 2, 3, 1), TILE, TILE)
        self._place = matrices.copy(what, arrays.empty_in_order(self._shape), image)

    def __call__(self, products: numpy.ndarray, y: numpy.ndarray) -> None:
        tiles = arrays.empty_in_order(self._shape)
        self._transform(address(self._matrix), address(products), address(tiles))
        self._place(address(tiles), address(y))


class _TileGradients:
    """Gradients of images (n, C, H, W) to those of the products (36, n H/4 W/4, C)."""

    def __init__(self, shape: Shape) -> None:
        n, channels, height, width = shape
        what = f'gradients of tiles of {shape}'
        self._shape = (TILE, TILE, n, height // TILE, width // TILE, channels)
        image = _cut(arrays.empty(shape).transpose(0, 2, 3, 1), TILE, TILE)
        self._take = matrices.copy(what, image, arrays.empty_in_order(self._shape))
        self._matrix = _both_axes(_OUTPUT.T)
        self._transform = _transformation(what, self._matrix, math.prod(self._shape[2:]))

    def __call__(self, gy: numpy.ndarray) -> numpy.ndarray:
        tiles = arrays.empty_in_order(self._shape)
        self._take(address(gy), address(tiles))
        result = arrays.empty_in_order((WINDOW**2, math.prod(self._shape[2:5]), self._shape[5]))
        self._transform(address(self._matrix), address(tiles), address(result))
        return result


class _Kernel:
    """Weights (out, C, 3, 3) to (36, C, out), or turned round to (36, out, C); and gradients back."""

    def __init__(self, out: int, channels: int, turned: bool) -> None:
        what = f'weights ({out}, {channels}, 3, 3)'
        weights = arrays.empty_in_order((out, channels, 9))
        plain = weights.transpose((2, 0, 1) if turned else (2, 1, 0))
        self._shape = plain.shape
        self._weights_shape = (out, channels, 3, 3)
        self._matrix = _both_axes(_KERNEL[:, ::-1] if turned else _KERNEL)
        self._take = matrices.copy(what, plain, arrays.empty_in_order(plain.shape))
        self._transform = _transformation(what, self._matrix, out * channels)
        self._put = matrices.copy(what, arrays.empty_in_order(plain.shape), plain)
        self._transform_back = _transformation(f'gradients of {what}', self._matrix.T, out * channels)

    def transform(self, weights: numpy.ndarray) -> numpy.ndarray:
        taps = arrays.empty_in_order(self._shape)
        self._take(address(weights), address(taps))
        result = arrays.empty_in_order((WINDOW**2, *self._shape[1:]))
        self._transform(address(self._matrix), address(taps), address(result))
        return result

    def transform_back(self, products: numpy.ndarray) -> numpy.ndarray:
        taps = arrays.empty_in_order(self._shape)
        self._transform_back(address(self._matrix), address(products), address(taps))
        gw = arrays.empty_in_order(self._weights_shape)
        self._put(address(taps), address(gw))
        return gw


_windows = cached(_Windows)
_tiles = cached(_Tiles)
_tile_gradients = cached(_TileGradients)
_kernel = cached(_Kernel)


@cached
def _product_over_channels(tiles: int, channels: int, out: int) -> Primitive:
    return matrices.product(
        f'products of {tiles} windows, {channels} by {out} channels',
        arrays.layout((WINDOW**2, tiles, channels)),
        arrays.layout((WINDOW**2, channels, out)),
        arrays.layout((WINDOW**2, tiles, out)),
    )


@cached
def _product_over_tiles(tiles: int, channels: int, out: int, add: bool) -> Primitive:
    return matrices.product(
        f'products over {tiles} tiles, {channels} by {out} channels',
        Layout((WINDOW**2, channels, tiles), (tiles * channels, 1, channels)),
        arrays.layout((WINDOW**2, tiles, out)),
        arrays.layout((WINDOW**2, channels, out)),
        Attributes(add=True) if add else None,
    )
