"""Inference: convolution, batch normalisation and ReLU as one convolution."""

from typing import Any

import chainer
import numpy

from vgg_cifar.accelerators.cudnn import nodes, plans
from vgg_cifar.accelerators.onednn.convolution import moved, pair
from vgg_cifar.accelerators.onednn.folding import folded


def rectified_convolution(
    conv: Any, bn: Any, x: Any, dtype: Any, slope: float, shortcut: Any
) -> chainer.Variable:
    """Return relu(bn(conv(x)) + shortcut) in `dtype`; see layers.convolution."""
    weights, bias = folded(conv, bn)
    moves = pair(conv.stride), pair(conv.pad), pair(conv.dilate)
    y = nodes.empty(moved(x.shape, weights.shape, *moves, conv.groups)[0], dtype)
    added = [] if bias is None else [nodes.vector(bias, dtype)]
    at_once = slope == 0 and shortcut is None and bias is not None
    pattern = plans.convolution_with_bias if added else plans.convolution
    weights = weights.astype(numpy.float32, copy=False)
    given = [nodes.widened(each, conv.groups, dtype) for each in (x.array, weights)]
    plans.run(plans.rectified_convolution if at_once else pattern, [*given, *added], y, *moves)
    return chainer.as_variable(y if at_once else nodes.rectified(slope, y, shortcut))
