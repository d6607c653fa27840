"""Convolutions in several groups, for the function nodes of Chainer that ask their accelerator for one only.

Each takes the node, for its geometry, and the arrays that the node's own NumPy code takes.
"""

from typing import Any

import numpy

from vgg_cifar.accelerators.onednn import convolution
from vgg_cifar.accelerators.onednn.arrays import Shape
from vgg_cifar.accelerators.onednn.convolution import Geometry

Array = numpy.ndarray


def forward(node: Any, x: Array, weights: Array, bias: Array | None) -> tuple[Array]:
    """Compute chainer.functions.connection.convolution_2d.Convolution2DFunction."""
    size = node._get_out_size(x.shape, weights.shape)
    y_shape = (len(x), len(weights), *size)
    return (convolution.forward(x, weights, bias, y_shape, _geometry(node, x.shape, weights.shape, y_shape)),)


def backward_weights(node: Any, x: Array, gy: Array) -> tuple[Array]:
    """Compute chainer.functions.connection.convolution_2d.Convolution2DGradW."""
    geometry = _geometry(node, x.shape, node.W_shape, gy.shape)
    return (convolution.backward_weights(x, gy, node.W_shape, geometry)[0],)


def transposed(node: Any, x: Array, weights: Array, bias: Array | None) -> tuple[Array]:
    """Compute chainer.functions.connection.deconvolution_2d.Deconvolution2DFunction."""
    y_shape = (len(x), weights.shape[1] * node.groups, node.outh, node.outw)
    geometry = _geometry(node, y_shape, weights.shape, x.shape)
    y = convolution.backward_data(weights, x, y_shape, geometry)
    if bias is not None:
        y += bias.reshape(1, -1, 1, 1)
    return (y,)


def _geometry(node: Any, x: Shape, weights: Shape, y: Shape) -> Geometry:
    """Return how the kernel moves over x where the result is y: padded, or cropped, at the end to fit."""
    stride, pad, dilation = (node.sy, node.sx), (node.ph, node.pw), (node.dy, node.dx)
    return convolution.geometry_between(x, weights, y, stride, pad, dilation, node.groups)
