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
    conv: Any, bn: Any, x: Array, dtype: Any, slope: float, shortcut: Array | None
) -> chainer.Variable:
    """Return relu(bn(conv(x)) + shortcut) in `dtype`, float32 or bfloat16; see layers.convolution."""
    weights, bias = folded(conv, bn)
    stride, pad, dilate = map(convolution.pair, (conv.stride, conv.pad, conv.dilate))
    y_shape, geometry = convolution.moved(x.shape, weights.shape, stride, pad, dilate, conv.groups)
    image = canonical(x, dtype)
    # oneDNN's ReLU turns NaN into 0. What is in its layout comes from another layer, which has looked.
    clean = _is_finite(weights) and (bias is None or _is_finite(bias)) and (image is x or _is_finite(x))
    at_once = shortcut is None and (slope > 0 or clean)
    y = convolution.forward(image, weights, bias, y_shape, geometry, slope if at_once else 1)
    return chainer.as_variable(y if at_once else elementwise.relu(y, slope, shortcut))


def _is_finite(array: Array) -> bool:
    return bool(numpy.isfinite(array).all())
