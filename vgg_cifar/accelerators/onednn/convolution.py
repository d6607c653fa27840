"""Two-dimensional convolution, its two gradients, and with them deconvolution."""

from typing import Any, NamedTuple

import numpy

from vgg_cifar.accelerators.onednn import arrays, dilated, elementwise, library, winograd
from vgg_cifar.accelerators.onednn.arrays import Shape, address, canonical, type_of
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg, Propagation, Type
from vgg_cifar.accelerators.onednn.primitives import Attributes, Layout, Primitive, cached, dimensions
from vgg_cifar.accelerators.onednn.weights import Weights

Pair = tuple[int, int]


def pair(value: Any) -> Pair:
    """Return (rows, columns) for one number or for a pair."""
    return tuple(value) if hasattr(value, '__getitem__') else (value, value)


class Geometry(NamedTuple):
    """How a kernel moves over an image: pairs (rows, columns). Negative padding at the end crops."""

    stride: Pair = (1, 1)
    pad_begin: Pair = (0, 0)
    pad_end: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1


def moved(
    x: Shape, weights: Shape, stride: Pair, pad: Pair, dilation: Pair, groups: int
) -> tuple[Shape, Geometry]:
    """Return the shape of what a convolution makes of an image, and its geometry, as Chainer counts them."""
    size = (
        (n + 2 * p - (k - 1) * d - 1) // s + 1
        for n, k, s, p, d in zip(x[2:], weights[2:], stride, pad, dilation, strict=True)
    )
    y = (x[0], weights[0], *size)
    return y, geometry_between(x, weights, y, stride, pad, dilation, groups)


def geometry_between(
    x: Shape, weights: Shape, y: Shape, stride: Pair, pad: Pair, dilation: Pair, groups: int
) -> Geometry:
    """Return the geometry that makes y of x: the shapes tell what is padded, or cropped, at the end."""
    rows, columns = (
        s * (out - 1) + (k - 1) * d + 1 - n - p
        for n, k, out, s, p, d in zip(x[2:], weights[2:], y[2:], stride, pad, dilation, strict=True)
    )
    return Geometry(stride, pad, (rows, columns), dilation, groups)


class _Case(NamedTuple):
    """What a primitive is made for; the weights' shape is Chainer's, (out, in / groups, rows, columns)."""

    x: Shape
    weights: Shape
    y: Shape
    geometry: Geometry
    type: Type

    def __str__(self) -> str:
        return f'x {self.x}, W {self.weights}, y {self.y}, {self.geometry}, {self.type.name}'

    def layouts(self) -> tuple[Layout, Layout, Layout]:
        return (
            arrays.layout(self.x, self.type),
            Layout(self.grouped_weights(), None, self.type),
            arrays.layout(self.y, self.type),
        )

    def grouped_weights(self) -> Shape:
        groups, (out, *rest) = self.geometry.groups, self.weights
        return self.weights if groups == 1 else (groups, out // groups, *rest)

    def bias(self, wanted: bool) -> Layout | None:
        return arrays.layout(self.weights[:1]) if wanted else None

    def movement(self) -> tuple:
        g = self.geometry
        # oneDNN counts the gaps between the elements of a kernel: 0 where Chainer says 1.
        gaps = (g.dilation[0] - 1, g.dilation[1] - 1)
        return tuple(dimensions(pair) for pair in (g.stride, gaps, g.pad_begin, g.pad_end))


# oneDNN takes its kernels made of matrix products (brgconv) first. In float32, those it compiles for one
# convolution (jit) are up to 2.7 times as fast where the channels of the result fill one register of AVX-512
# at most, and where a stride is undone. Measured on an AMD EPYC (Zen 5), also with AVX2 alone.
FEW_CHANNELS = 16
FEW_CHANNELS_STRIDED = 64


def _rather(case: _Case, result: Shape, strided: bool = False) -> str | None:
    """Return a part of the name of the implementation to take, where oneDNN's own choice is not the best."""
    few = FEW_CHANNELS if library.load().has_avx512 else 0
    few = FEW_CHANNELS_STRIDED if strided else few
    suits = result[1] <= few and case.type is Type.FLOAT32 and case.geometry.groups == 1
    return 'jit:avx' if suits else None


def _skips(weights: Shape, geometry: Geometry) -> bool:
    """Whether the kernel is one pixel, and there are pixels that it skips, but none outside the image.

    Such a convolution is done without a stride, on the pixels that count. For the gradient of its weights,
    oneDNN 3.2 (jit_1x1:avx2) writes past its scratch memory, which ends in crashes and endless loops.
    """
    return (
        tuple(weights[2:]) == (1, 1)
        and max(geometry.stride) > 1
        and geometry.pad_begin == (0, 0)
        and max(geometry.pad_end) <= 0
    )


def _counting(x: numpy.ndarray, y: Shape, geometry: Geometry) -> tuple[numpy.ndarray, Geometry]:
    """Return the pixels that count where `_skips` says so, as a view, and the geometry without a stride."""
    (sy, sx), (height, width) = geometry.stride, y[2:]
    return x[:, :, : sy * height : sy, : sx * width : sx], Geometry(groups=geometry.groups)


@cached
def _forward(case: _Case, bias: bool, slope: float) -> tuple[Primitive, Weights]:
    x, weights, y = case.layouts()
    primitive = Primitive(
        f'convolution of {case}',
        (Arg.SRC, Arg.WEIGHTS, Arg.BIAS, Arg.DST),
        'convolution_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        Algorithm.CONVOLUTION,
        x,
        weights,
        case.bias(bias),
        y,
        *case.movement(),
        attributes=Attributes(slope),
        rather=_rather(case, case.y),
    )
    return primitive, Weights(primitive, Arg.WEIGHTS, case.grouped_weights())


@cached
def _backward_data(case: _Case) -> tuple[Primitive, Weights]:
    hint, _ = _forward(case, False, 1)
    gx, weights, gy = case.layouts()
    primitive = Primitive(
        f'gradient of the input of a convolution of {case}',
        (Arg.DIFF_DST, Arg.WEIGHTS, Arg.DIFF_SRC),
        'convolution_backward_data_primitive_desc_create',
        library.load().engine,
        Algorithm.CONVOLUTION,
        gx,
        weights,
        gy,
        *case.movement(),
        hint,
        rather=_rather(case, case.x, max(case.geometry.stride) > 1),
    )
    return primitive, Weights(primitive, Arg.WEIGHTS, case.grouped_weights())


@cached
def _backward_weights(case: _Case, bias: bool) -> tuple[Primitive, Weights]:
    hint, _ = _forward(case, bias, 1)
    x, gw, gy = case.layouts()
    primitive = Primitive(
        f'gradient of the weights of a convolution of {case}',
        (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_WEIGHTS, Arg.DIFF_BIAS),
        'convolution_backward_weights_primitive_desc_create',
        library.load().engine,
        Algorithm.CONVOLUTION,
        x,
        gw,
        case.bias(bias),
        gy,
        *case.movement(),
        hint,
    )
    return primitive, Weights(primitive, Arg.DIFF_WEIGHTS, case.grouped_weights())


def forward(
    x: numpy.ndarray,
    weights: numpy.ndarray,
    bias: numpy.ndarray | None,
    y_shape: Shape,
    geometry: Geometry,
    slope: float = 1,
) -> numpy.ndarray:
    """Return x (N, C, H, W) convolved with weights (out, C / groups, rows, columns), plus bias (out,).

    x is float32 or bfloat16, and so is the result; weights and bias are float32. What is negative is
    multiplied by `slope`; a slope of 0 turns NaN into 0, too.
    """
    if _skips(weights.shape, geometry):
        x, geometry = _counting(x, y_shape, geometry)
    x, weights = canonical(x), numpy.ascontiguousarray(weights)
    bias = None if bias is None else numpy.ascontiguousarray(bias)
    case = _Case(x.shape, weights.shape, y_shape, geometry, type_of(x.dtype))
    if winograd.suits(case.x, case.weights, case.geometry, case.type):
        return winograd.forward(x, weights, bias, slope)
    primitive, order = _forward(case, bias is not None, slope)
    y, blocks = arrays.empty(y_shape, x.dtype), order.read(weights)
    primitive(address(x), address(blocks), address(bias), address(y))
    return y


def rectified(
    x: numpy.ndarray,
    pixel: float,
    weights: numpy.ndarray,
    bias: numpy.ndarray | None,
    y_shape: Shape,
    geometry: Geometry,
    slope: float,
) -> tuple[numpy.ndarray, float]:
    """Return what `forward` does, but NaN stays NaN, and what none of it exceeds in magnitude.

    None of x exceeds `pixel`.
    """
    most = numpy.abs(weights.reshape(len(weights), -1)).sum(1, dtype=numpy.float64).max()
    added = 0 if bias is None else elementwise.largest(bias)
    bound = float(max(1, slope) * (pixel * most + added))
    at_once = slope > 0 or (elementwise.harmless(pixel) and elementwise.harmless(bound))
    y = forward(x, weights, bias, y_shape, geometry, slope if at_once else 1)
    return (y if at_once else elementwise.relu(y)), bound


def backward_data(
    weights: numpy.ndarray, gy: numpy.ndarray, x_shape: Shape, geometry: Geometry
) -> numpy.ndarray:
    """Return the gradient of the input of a convolution, of shape `x_shape` and gy's type."""
    if _skips(weights.shape, geometry):
        gx = arrays.empty(x_shape, gy.dtype)
        gx[...] = 0
        counting, geometry = _counting(gx, gy.shape, geometry)
        counting[...] = backward_data(weights, gy, counting.shape, geometry)
        return gx
    weights, gy = numpy.ascontiguousarray(weights), canonical(gy)
    case = _Case(x_shape, weights.shape, gy.shape, geometry, type_of(gy.dtype))
    if winograd.suits(case.x, case.weights, case.geometry, case.type):
        return winograd.backward_data(weights, gy)
    primitive, order = _backward_data(case)
    gx, blocks = arrays.empty(x_shape, gy.dtype), order.read(weights)
    primitive(address(gy), address(blocks), address(gx))
    return gx


def backward_weights(
    x: numpy.ndarray, gy: numpy.ndarray, w_shape: Shape, geometry: Geometry, bias: bool = False
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return the gradients of the weights, of shape `w_shape`, and where asked for of the bias: float32."""
    if _skips(w_shape, geometry):
        x, geometry = _counting(x, gy.shape, geometry)
    # oneDNN 3.2 (jit_bf16) takes what lies beside an image that is narrower than the stride.
    narrow = x.shape[3] < geometry.stride[1]
    x, gy = (canonical(each, numpy.float32 if narrow else None) for each in (x, gy))
    case = _Case(x.shape, w_shape, gy.shape, geometry, type_of(x.dtype))
    if winograd.suits(case.x, case.weights, case.geometry, case.type):
        return winograd.backward_weights(x, gy, bias)
    primitive, order = _backward_weights(case, bias)
    if not bias and dilated.suits(case.weights, case.geometry, case.type, primitive.implementation):
        return dilated.backward_weights(x, gy, w_shape, geometry.pad_begin, geometry.dilation), None
    gw = arrays.empty_in_order(w_shape, numpy.float32)
    gb = numpy.empty(w_shape[:1], numpy.float32) if bias else None
    blocks = order.target(gw)
    primitive(address(x), address(gy), address(blocks), address(gb))
    order.written(blocks, gw)
    return gw, gb
