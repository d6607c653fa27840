"""Two-dimensional convolution, its two gradients, and with them deconvolution."""

from typing import NamedTuple

import numpy

from vgg_cifar.accelerators.onednn import arrays, library
from vgg_cifar.accelerators.onednn.arrays import Shape, address, canonical
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg, Propagation, Type
from vgg_cifar.accelerators.onednn.primitives import Layout, Primitive, Reorder, cached, dimensions


class Geometry(NamedTuple):
    """How a kernel moves over an image: pairs (rows, columns). Negative padding at the end crops."""

    stride: tuple[int, int] = (1, 1)
    pad_begin: tuple[int, int] = (0, 0)
    pad_end: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


class _Weights:
    """Weights on their way between Chainer's order and the blocks that one primitive reads or writes."""

    def __init__(self, primitive: Primitive, which: Arg, shape: Shape, groups: int) -> None:
        out, within, kh, kw = shape
        if groups > 1:
            shape = (groups, out // groups, within, kh, kw)
        plain = Layout(shape, numpy.cumprod((1, *shape[:0:-1]))[::-1].tolist())
        blocks = primitive.layout(which)
        source, target = (blocks, plain) if which is Arg.DIFF_WEIGHTS else (plain, blocks)
        self._reorder = Reorder(primitive.what, source, target)
        self._blocks = arrays.buffer(primitive.size(which)) if self._reorder.needed else None

    def read(self, weights: numpy.ndarray) -> int:
        """Return the address of the blocks that hold `weights`, which must be C-contiguous."""
        if self._blocks is None:
            return address(weights)
        self._reorder(address(weights), address(self._blocks))
        return address(self._blocks)

    def target(self, weights: numpy.ndarray) -> int:
        """Return where the primitive is to write the gradient that `written` then puts into `weights`."""
        return address(weights if self._blocks is None else self._blocks)

    def written(self, weights: numpy.ndarray) -> None:
        if self._blocks is not None:
            self._reorder(address(self._blocks), address(weights))


class _Shapes(NamedTuple):
    x: Shape
    weights: Shape
    y: Shape
    geometry: Geometry

    def __str__(self) -> str:
        return f'x {self.x}, W {self.weights}, y {self.y}, {self.geometry}'

    def layouts(self, type: Type) -> tuple[Layout, Layout, Layout]:
        weights, groups = self.weights, self.geometry.groups
        if groups > 1:
            weights = (groups, weights[0] // groups, *weights[1:])
        return arrays.layout(self.x, type), Layout(weights, None, type), arrays.layout(self.y, type)

    def movement(self) -> tuple:
        g = self.geometry
        # oneDNN counts the gaps between the elements of a kernel: 0 where Chainer says 1.
        gaps = (g.dilation[0] - 1, g.dilation[1] - 1)
        return tuple(dimensions(pair) for pair in (g.stride, gaps, g.pad_begin, g.pad_end))


@cached
def _forward(shapes: _Shapes, bias: bool, type: Type) -> tuple[Primitive, _Weights]:
    x, weights, y = shapes.layouts(type)
    primitive = Primitive(
        f'convolution of {shapes}',
        (Arg.SRC, Arg.WEIGHTS, Arg.BIAS, Arg.DST),
        'convolution_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        Algorithm.CONVOLUTION,
        x,
        weights,
        arrays.layout(shapes.weights[:1]) if bias else None,
        y,
        *shapes.movement(),
    )
    return primitive, _Weights(primitive, Arg.WEIGHTS, shapes.weights, shapes.geometry.groups)


@cached
def _backward_data(shapes: _Shapes, type: Type) -> tuple[Primitive, _Weights]:
    hint, _ = _forward(shapes, False, type)
    gx, weights, gy = shapes.layouts(type)
    primitive = Primitive(
        f'gradient of the input of a convolution of {shapes}',
        (Arg.DIFF_DST, Arg.WEIGHTS, Arg.DIFF_SRC),
        'convolution_backward_data_primitive_desc_create',
        library.load().engine,
        Algorithm.CONVOLUTION,
        gx,
        weights,
        gy,
        *shapes.movement(),
        hint,
    )
    return primitive, _Weights(primitive, Arg.WEIGHTS, shapes.weights, shapes.geometry.groups)


@cached
def _backward_weights(shapes: _Shapes, bias: bool, type: Type) -> tuple[Primitive, _Weights]:
    hint, _ = _forward(shapes, bias, type)
    x, gw, gy = shapes.layouts(type)
    primitive = Primitive(
        f'gradient of the weights of a convolution of {shapes}',
        (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_WEIGHTS, Arg.DIFF_BIAS),
        'convolution_backward_weights_primitive_desc_create',
        library.load().engine,
        Algorithm.CONVOLUTION,
        x,
        gw,
        arrays.layout(shapes.weights[:1]) if bias else None,
        gy,
        *shapes.movement(),
        hint,
    )
    return primitive, _Weights(primitive, Arg.DIFF_WEIGHTS, shapes.weights, shapes.geometry.groups)


def forward(
    x: numpy.ndarray, weights: numpy.ndarray, bias: numpy.ndarray | None, y_shape: Shape, geometry: Geometry
) -> numpy.ndarray:
    """Return x (N, C, H, W) convolved with weights (out, C / groups, rows, columns), plus bias (out,)."""
    x, weights = canonical(x), numpy.ascontiguousarray(weights)
    bias = None if bias is None else numpy.ascontiguousarray(bias)
    shapes = _Shapes(x.shape, weights.shape, y_shape, geometry)
    primitive, blocks = _forward(shapes, bias is not None, Type.FLOAT32)
    y = arrays.empty(y_shape)
    primitive(address(x), blocks.read(weights), address(bias), address(y))
    return y


def backward_data(
    weights: numpy.ndarray, gy: numpy.ndarray, x_shape: Shape, geometry: Geometry
) -> numpy.ndarray:
    """Return the gradient of the input of a convolution, of shape `x_shape`."""
    weights, gy = numpy.ascontiguousarray(weights), canonical(gy)
    primitive, blocks = _backward_data(_Shapes(x_shape, weights.shape, gy.shape, geometry), Type.FLOAT32)
    gx = arrays.empty(x_shape)
    primitive(address(gy), blocks.read(weights), address(gx))
    return gx


def backward_weights(
    x: numpy.ndarray, gy: numpy.ndarray, w_shape: Shape, geometry: Geometry, bias: bool = False
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return the gradients of the weights, of shape `w_shape`, and where asked for of the bias."""
    x, gy = canonical(x), canonical(gy)
    shapes = _Shapes(x.shape, w_shape, gy.shape, geometry)
    primitive, blocks = _backward_weights(shapes, bias, Type.FLOAT32)
    gw = numpy.empty(w_shape, numpy.float32)
    gb = numpy.empty(w_shape[:1], numpy.float32) if bias else None
    primitive(address(x), address(gy), blocks.target(gw), address(gb))
    blocks.written(gw)
    return gw, gb
