"""The layers' functions on a GPU: cuDNN's plans and our own kernels, with the channels last in memory.

Names and arguments are those of the CPU's (accelerators/onednn/nodes.py). Parameters and their gradients are
float32 in Chainer's own order; what lies between convolutions has the type that is computed in.
"""

from collections.abc import Sequence
from typing import Any

import cupy
import numpy

from vgg_cifar.accelerators.cudnn import kernels, noise, plans
from vgg_cifar.accelerators.onednn import nodes
from vgg_cifar.accelerators.onednn.convolution import moved
from vgg_cifar.accelerators.onednn.pooling import moved as pooled

Array = Any


def empty(shape: Sequence[int], dtype: Any) -> Array:
    """Return an array (N, C, H, W) with the channels last in memory, or one of another dimension."""
    if len(shape) != 4:
        return cupy.ndarray(shape, dtype)
    n, channels, height, width = shape
    return cupy.ndarray((n, height, width, channels), dtype).transpose(0, 3, 1, 2)


def in_memory(x: Array) -> Array:
    """Return an array of `empty` as it is in memory, C-contiguous."""
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def arranged(x: Array, dtype: Any) -> Array:
    """Return x as `empty` makes arrays, in this type; x itself where it is one."""
    if x.dtype == dtype and in_memory(x).flags.c_contiguous:
        return x
    y = empty(x.shape, dtype)
    y[...] = x
    return y


def widened(x: Array, groups: int, dtype: Any) -> Array:
    """Return x, images or weights of a convolution, as `arranged` does, perhaps with more channels, of zeros.

    cuDNN's fast plans want 16 bytes of channels at least.
    """
    channels = kernels.width(dtype)
    if groups > 1 or x.shape[1] >= channels:
        return arranged(x, dtype)
    y = empty((len(x), channels, *x.shape[2:]), dtype)
    kernels.widened(cupy.ascontiguousarray(x, numpy.float32), in_memory(y))
    return y


def vector(x: Array, dtype: Any = numpy.float32) -> Array:
    """Return a parameter of each channel as cuDNN takes it."""
    return x.astype(dtype, copy=False).reshape(1, -1, 1, 1)


class Convolution(nodes.Convolution):
    """Convolution; see onednn.nodes.Convolution."""

    def output(self, x: Array, weights: Array, bias: Array | None = None) -> Array:
        """Return y for x (N, C, H, W), W (out, C / groups, rows, columns) and perhaps b (out,)."""
        moves = self.stride, self.pad, self.dilate
        y = empty(moved(x.shape, weights.shape, *moves, self.groups)[0], self.dtype)
        images, filters = (widened(each, self.groups, self.dtype) for each in (x, weights))
        pattern = plans.convolution if bias is None else plans.convolution_with_bias
        added = [] if bias is None else [vector(bias, self.dtype)]
        plans.run(pattern, [images, filters, *added], y, *moves)
        y = y if self.slope == 1 else rectified(self.slope, y)
        self.kept = x.dtype, weights.shape[1], images, filters, moves, y if self.slope != 1 else None
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        dtype, channels, x, weights, moves, y = self.kept
        gy = arranged(gy, self.dtype) if y is None else _rectified_gradient(self.slope, y, gy)
        found = {}
        if 0 in wanted:
            gx = empty(x.shape, self.dtype)
            plans.run(plans.data_gradient, [gy, weights], gx, *moves)
            found[0] = arranged(gx[:, : channels * self.groups], dtype)
        if 1 in wanted:
            gw = empty(weights.shape, self.dtype)
            plans.run(plans.weight_gradient, [x, gy], gw, *moves)
            found[1] = gw[:, :channels].astype(numpy.float32, order='C')
        if 2 in wanted:
            found[2] = kernels.sums(in_memory(gy))
        return [found[i] for i in wanted]


class BatchNormalization(nodes.BatchNormalization):
    """Batch normalisation; see onednn.nodes.BatchNormalization.

    A fourth input is what a convolution has left out, its bias (C,): normalisation takes it away again, and
    only the running mean knows of it. Its gradient is 0.
    """

    def output(self, x: Array, gamma: Array, beta: Array, bias: Array | None = None) -> Array:
        """Return y for x (N, C, H, W) or (N, C), gamma (C,), beta (C,) and perhaps a bias (C,)."""
        x = arranged(x, x.dtype)
        y = empty(x.shape, x.dtype)
        left_out = _zeros(gamma.size) if bias is None else cupy.ascontiguousarray(bias)
        running = self.running_mean, self.running_var
        found = kernels.statistics(in_memory(x), left_out, self.eps, self.decay, *running)
        scale = *found, gamma, beta
        kernels.normalised(in_memory(x), scale, self.relu, in_memory(y))
        self.kept = x, scale
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        x, scale = self.kept
        gx, gy = empty(x.shape, x.dtype), in_memory(arranged(gy, x.dtype))
        sums = kernels.gradient_sums(in_memory(x), gy, scale, self.relu)
        kernels.normalised_gradient(in_memory(x), gy, scale, sums, self.relu, in_memory(gx))
        found = [gx, *sums]
        return [found[i] if i < 3 else _zeros(x.shape[1]) for i in wanted]


def _zeros(size: int) -> Array:
    return cupy.zeros(size, numpy.float32)


class ReLU(nodes.ReLU):
    """ReLU of x, or of x + shortcut; see onednn.nodes.ReLU."""

    def output(self, x: Array, *shortcut: Array) -> Array:
        """Return y for x of any shape, and perhaps a shortcut of the same."""
        y = rectified(self.slope, x, *shortcut)
        self.kept = y, [each.dtype for each in (x, *shortcut)]
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        y, dtypes = self.kept
        gx = _rectified_gradient(self.slope, y, gy)
        return [arranged(gx, dtypes[i]) for i in wanted]


def rectified(slope: float, x: Array, shortcut: Array | None = None) -> Array:
    """Return the leaky ReLU of x, or of x + shortcut."""
    x = arranged(x, x.dtype)
    y = empty(x.shape, x.dtype)
    if shortcut is None:
        kernels.rectified(in_memory(x), slope, in_memory(y))
    else:
        added = in_memory(arranged(shortcut, x.dtype))
        kernels.rectified_sum(in_memory(x), added, slope, in_memory(y))
    return y


def total(x: Array, y: Array) -> Array:
    """Return x + y, as `empty` makes arrays."""
    return rectified(1.0, x, y) if x.dtype == y.dtype else x + y


def _rectified_gradient(slope: float, y: Array, gy: Array) -> Array:
    gx = empty(y.shape, y.dtype)
    kernels.rectified_gradient(in_memory(y), in_memory(arranged(gy, y.dtype)), slope, in_memory(gx))
    return gx


class Dropout(nodes.Dropout):
    """Dropout by numbers that are a function of seed, step, layer and element: no mask is kept."""

    def output(self, x: Array) -> Array:
        """Return y for x of any shape."""
        self.kept = noise.next_layer()
        return self._thinned(x)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        return (self._thinned(gy),)

    def _thinned(self, x: Array) -> Array:
        x = arranged(x, x.dtype)
        y = empty(x.shape, x.dtype)
        key, layer = self.kept
        kernels.dropout(in_memory(x), key, layer, self.ratio, in_memory(y))
        return y

    def reference(self, *inputs: Any) -> Any:
        """Return the output by Chainer's own functions."""
        ones = empty(inputs[0].shape, numpy.float32)
        ones.fill(1)
        return inputs[0] * self._thinned(ones)


class Pooling(nodes.Pooling):
    """Max or average pooling without `cover_all`; see onednn.nodes.Pooling."""

    def output(self, x: Array) -> Array:
        """Return y for x (N, C, H, W)."""
        x = arranged(x, x.dtype)
        y = empty(pooled(x.shape, self.size, self.stride, self.pad)[0], x.dtype)
        moves = (*x.shape[1:], *y.shape[2:], *self.size, *self.stride, *self.pad)
        if self.kind == 'max':
            places = kernels.max_pooling(in_memory(x), moves, self.relu, in_memory(y))
        else:
            places = None
            kernels.average_pooling(in_memory(x), moves, in_memory(y))
        self.kept = x.shape, x.dtype, moves, places
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        shape, dtype, moves, places = self.kept
        gx, gy = empty(shape, dtype), in_memory(arranged(gy, dtype))
        if self.kind == 'max':
            kernels.max_pooling_gradient(gy, places, moves, in_memory(gx))
        else:
            kernels.average_pooling_gradient(gy, moves, in_memory(gx))
        return (gx,)


# What a linear layer is as a convolution: of images of one pixel.
_PIXELS = (1, 1), (0, 0), (1, 1)


class Linear(nodes.Linear):
    """Fully connected layer over all axes but the first; returns float32. See onednn.nodes.Linear.

    It is computed as a convolution of images of one pixel, for which cuDNN has plans that need no compiler.
    """

    def output(self, x: Array, weights: Array, bias: Array | None = None) -> Array:
        """Return y (N, out) for x (N, ...), W (out, in) and perhaps b (out,)."""
        rows = _pixels(cupy.ascontiguousarray(x, self.dtype).reshape(len(x), -1))
        matrix = _pixels(weights.astype(self.dtype, copy=False))
        made = empty((len(x), len(weights), 1, 1), self.dtype)
        pattern = plans.convolution if bias is None else plans.convolution_with_bias
        added = [] if bias is None else [vector(bias, self.dtype)]
        plans.run(pattern, [rows, matrix, *added], made, *_PIXELS)
        y = _rows(made)
        y = rectified(0.0, y) if self.relu else y
        self.kept = x.shape, x.dtype, rows, matrix, y
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        shape, dtype, rows, matrix, y = self.kept
        if self.relu:
            gy = _rectified_gradient(0.0, y, gy)
        narrow, found = _pixels(cupy.ascontiguousarray(gy, self.dtype)), {}
        if 0 in wanted:
            gx = empty(rows.shape, self.dtype)
            plans.run(plans.data_gradient, [narrow, matrix], gx, *_PIXELS)
            found[0] = arranged(in_memory(gx).reshape(shape), dtype)
        if 1 in wanted:
            gw = empty(matrix.shape, self.dtype)
            plans.run(plans.weight_gradient, [rows, narrow], gw, *_PIXELS)
            found[1] = _rows(gw)
        if 2 in wanted:
            found[2] = kernels.sums(arranged(gy, gy.dtype))
        return [found[i] for i in wanted]


def _pixels(x: Array) -> Array:
    """Return the rows of a matrix (N, C), C-contiguous, as images (N, C, 1, 1)."""
    return x.reshape(len(x), 1, 1, -1).transpose(0, 3, 1, 2)


def _rows(images: Array) -> Array:
    """Return images of one pixel as a matrix, float32."""
    return in_memory(images).reshape(len(images), -1).astype(numpy.float32, copy=False)


class CrossEntropy(nodes.CrossEntropy):
    """The mean over a batch of the negative logarithm of each label's softmax."""

    def output(self, scores: Array, labels: Array) -> Array:
        """Return the loss () of float32 scores (N, classes) and labels (N,), integers from 0."""
        self.kept = cupy.ascontiguousarray(scores), cupy.ascontiguousarray(labels, numpy.int32)
        loss, self.accuracy = kernels.cross_entropy(*self.kept)
        return loss

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        scores, labels = self.kept
        gx = cupy.ndarray(scores.shape, numpy.float32)
        kernels.cross_entropy_gradient(scores, labels, gy, gx)
        return (gx,)


class Cast(nodes.Cast):
    """The input as float32, its gradient in the input's type."""

    def output(self, x: Array) -> Array:
        """Return x as float32."""
        self.kept = x.dtype
        return arranged(x, numpy.float32)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see onednn.nodes.Node."""
        return (arranged(gy, self.kept),)
