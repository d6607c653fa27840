"""Inference: convolution, batch normalisation and ReLU as one convolution."""

from typing import Any

import chainer
import numpy

from vgg_cifar.accelerators.onednn import convolution, elementwise
from vgg_cifar.accelerators.onednn.arrays import canonical

Array = numpy.ndarray


def folded(conv: Any, bn: Any) -> tuple[Array, Array | None]:
    """Return weights and bias of the convolution that does what conv and then bn, by its averages, do."""
    weights, bias = conv.W.array, None if conv.b is None else conv.b.array
    if bn is None:
        return weights, bias
    scale = bn.gamma.array / numpy.sqrt(bn.avg_var + numpy.float32(bn.eps))
    shift = bn.avg_mean if bias is None else bn.avg_mean - bias
    return weights * scale[:, None, None, None], bn.beta.array - shift * scale


def rectified_convolution(
    conv: Any, bn: Any, x: Any, dtype: Any, slope: float, shortcut: Array | None
) -> chainer.Variable:
    """Return relu(bn(conv(x)) + shortcut) in `dtype`, float32 or bfloat16; see layers.convolution."""
    weights, bias = folded(conv, bn)
    stride, pad, dilate = map(convolution.pair, (conv.stride, conv.pad, conv.dilate))
    y_shape, geometry = convolution.moved(x.shape, weights.shape, stride, pad, dilate, conv.groups)
    image = canonical(x.array, dtype)
    if slope > 0 or shortcut is not None:
        y = convolution.forward(image, weights, bias, y_shape, geometry, 1 if shortcut is not None else slope)
        return chainer.as_variable(y if shortcut is None else elementwise.relu(y, slope, shortcut))
    pixel = getattr(x, 'bound', None)
    pixel = elementwise.largest(x.array) if pixel is None else pixel
    y, bound = convolution.rectified(image, pixel, weights, bias, y_shape, geometry, slope)
    made: Any = chainer.as_variable(y)
    # As nodes give it to what they make.
    made.bound = bound
    return made
