"""What Chainer 7 calls when chainer.config.use_ideep is on: the interface of Intel's discontinued ideep4py.

Chainer asks `check_ndim` and `check_type` before it calls anything else; where they say no, it uses NumPy.
Names and arguments are Chainer's (chainer/backends/intel64.py, and the functions that use it).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy

from vgg_cifar.accelerators.onednn import (
    convolution,
    elementwise,
    library,
    noise,
    normalisation,
    pooling,
    process,
)
from vgg_cifar.accelerators.onednn import linear as fully_connected
from vgg_cifar.accelerators.onednn.convolution import Geometry
from vgg_cifar.accelerators.onednn.pooling import Windows

Array = numpy.ndarray
Shape = tuple[int, ...]

# Chainer takes a module without a version for ideep4py 1, which it does not support.
__version__ = '.'.join(map(str, library.load().version_numbers))

# The one value that Chainer gives for `itype`: the array is a parameter.
wgt_array = 'parameter'


class mdarray(numpy.ndarray):
    """Marks the positions that max pooling returns: Chainer looks for this type. All else is plain arrays."""


class mdarrayVector(list):
    """A list with C++'s name for append."""

    push_back = list.append


intVector = mdarrayVector


def check_ndim(inputs: Sequence[Any], supported_ndim: Sequence[int] = (2, 4)) -> bool:
    """Whether the first input has a supported number of axes. The others may be biases, with one."""
    return inputs[0].ndim in supported_ndim


def check_type(inputs: Sequence[Any]) -> bool:
    """Whether the inputs are float32 arrays with elements, in a process that may call oneDNN."""
    return process.usable() and all(
        isinstance(x, Array) and x.dtype == numpy.float32 and x.size > 0 for x in inputs
    )


def array(x: Array, itype: str | None = None) -> Array:
    """Return x itself: oneDNN works on plain arrays, whatever their strides."""
    return x


def get_array_module(*arrays: Array) -> Any:
    """Return NumPy."""
    return numpy


basic_copyto = numpy.copyto


class convolution2DParam(NamedTuple):
    """Geometry of a convolution; `out_dims` is the shape of what the call is to return."""

    out_dims: Shape
    dy: int
    dx: int
    sy: int
    sx: int
    ph: int
    pw: int
    pd: int
    pr: int

    def geometry(self) -> Geometry:
        """Return the geometry in oneDNN's terms."""
        return Geometry((self.sy, self.sx), (self.ph, self.pw), (self.pd, self.pr), (self.dy, self.dx))


class convolution2D:
    """Convolution and its gradients; the gradient of the input also serves as deconvolution."""

    @staticmethod
    def Forward(x: Array, weights: Array, bias: Array | None, p: convolution2DParam) -> Array:
        """Return y of shape p.out_dims."""
        return convolution.forward(x, weights, bias, p.out_dims, p.geometry())

    @staticmethod
    def BackwardWeights(x: Array, gy: Array, p: convolution2DParam) -> Array:
        """Return the gradient of the weights, of shape p.out_dims."""
        return convolution.backward_weights(x, gy, p.out_dims, p.geometry())[0]

    @staticmethod
    def BackwardData(weights: Array, gy: Array, p: convolution2DParam) -> Array:
        """Return the gradient of the input. In p.out_dims, Chainer counts its channels wrong."""
        n, _, h, w = p.out_dims
        return convolution.backward_data(weights, gy, (n, weights.shape[1], h, w), p.geometry())


class linear:
    """The fully connected layer and its gradients."""

    @staticmethod
    def Forward(x: Array, weights: Array, bias: Array | None) -> Array:
        """Return y (N, out)."""
        return fully_connected.forward(x, weights, bias)

    @staticmethod
    def BackwardData(weights: Array, gy: Array) -> Array:
        """Return the gradient of x (N, in)."""
        return fully_connected.backward_data(weights, gy)

    @staticmethod
    def BackwardWeights(x: Array, gy: Array) -> Array:
        """Return the gradient of the weights (out, in)."""
        return fully_connected.backward_weights(x, gy)[0]


class _PoolingParam(NamedTuple):
    """Kind and geometry of pooling; `out_dims` is the shape of what the call is to return."""

    out_dims: Shape
    kh: int
    kw: int
    sy: int
    sx: int
    ph: int
    pw: int
    pd: int
    pr: int
    algorithm: str

    def windows(self) -> Windows:
        """Return the geometry in oneDNN's terms."""
        return Windows((self.kh, self.kw), (self.sy, self.sx), (self.ph, self.pw), (self.pd, self.pr))


class pooling2DParam(_PoolingParam):
    """A _PoolingParam with the names of the kinds."""

    pooling_max = 'max'
    pooling_avg_include_padding = 'average'


class pooling2D:
    """Max and average pooling and their gradients."""

    @staticmethod
    def Forward(x: Array, p: pooling2DParam) -> tuple[Array, ...]:
        """Return y of shape p.out_dims, and for max pooling the positions of the maxima in their windows."""
        if p.algorithm == p.pooling_max:
            y, positions = pooling.max_forward(x, p.out_dims, p.windows())
            return y, positions.view(mdarray)
        return (pooling.average_forward(x, p.out_dims, p.windows()),)

    @staticmethod
    def Backward(x: Array, gy: Array, positions: Array | None, p: pooling2DParam) -> Array:
        """Return the gradient of x, of shape p.out_dims."""
        if positions is not None:
            return pooling.max_backward(gy, positions, p.out_dims, p.windows())
        return pooling.average_backward(gy, p.out_dims, p.windows())


class relu:
    """ReLU, and with a slope LeakyReLU."""

    @staticmethod
    def Forward(x: Array, slope: float = 0) -> Array:
        """Return x where it is positive, slope * x elsewhere."""
        return elementwise.relu(x, slope)

    @staticmethod
    def Backward(sign: Array, gy: Array, slope: float = 0) -> Array:
        """Return gy where `sign` is positive, slope * gy elsewhere."""
        return elementwise.relu_backward(sign, gy, slope)


class dropout:
    """Dropout; the mask holds 0 or 1 / (1 - ratio)."""

    @staticmethod
    def Forward(x: Array, ratio: float) -> tuple[Array, Array]:
        """Return the mask and x times the mask."""
        x = elementwise.dense(x)
        mask = elementwise.empty_like(x)
        kept = noise.keep(x.size, ratio)
        numpy.multiply(kept, numpy.float32(1 / (1 - ratio)), out=elementwise.flat(mask))
        return mask, elementwise.multiply(x, mask)

    @staticmethod
    def Backward(mask: Array, gy: Array) -> Array:
        """Return gy times the mask."""
        return elementwise.multiply(gy, mask)


class batchNormalization:
    """Batch normalisation over all axes but the second."""

    @staticmethod
    def Forward(
        x: Array, gamma: Array, beta: Array, mean: Array | None, var: Array | None, eps: float
    ) -> tuple[Array, ...]:
        """Return y; where no statistics are given also the mean, the biased variance, and 1 / deviation."""
        if mean is not None and var is not None:
            return (normalisation.batch_given(x, gamma, beta, mean, var, eps),)
        y, mean, var, _ = normalisation.batch_forward(x, gamma, beta, eps)
        return y, mean, var, numpy.reciprocal(numpy.sqrt(var + numpy.float32(eps)))

    @staticmethod
    def Backward(
        x: Array, gy: Array, mean: Array, var: Array, gamma: Array, eps: float
    ) -> tuple[Array, tuple[Array, Array]]:
        """Return the gradients: x's, and gamma's and beta's as a pair."""
        gx, ggamma, gbeta = normalisation.batch_backward(x, gy, mean, var, gamma, eps)
        return gx, (ggamma, gbeta)


class _ResponseParam(NamedTuple):
    n: int
    k: float
    n_alpha: float
    beta: float
    algorithm: str


class localResponseNormalizationParam(_ResponseParam):
    """A _ResponseParam with the name of the kind."""

    lrn_across_channels = 'across channels'


class localResponseNormalization:
    """x / (k + alpha * sum of squares over 2 * (n // 2) + 1 channels) ** beta, by NumPy.

    oneDNN 3.2 crashes on a window of one channel, is wrong where 16 does not divide the number of channels,
    and its plain implementation is slower than NumPy.
    """

    @staticmethod
    def Forward(x: Array, p: localResponseNormalizationParam) -> tuple[Array, Array]:
        """Return y and the sums in brackets, which Backward wants."""
        alpha = numpy.float32(p.n_alpha / p.n)
        scale = numpy.float32(p.k) + alpha * _window_sum(numpy.square(x), p.n)
        return x * scale**-p.beta, scale

    @staticmethod
    def Backward(x: Array, gy: Array, scale: Array, p: localResponseNormalizationParam) -> Array:
        """Return the gradient of x."""
        shrink = scale**-p.beta
        inner = _window_sum(x * shrink * gy / scale, p.n)
        return gy * shrink - numpy.float32(2 * p.n_alpha / p.n * p.beta) * x * inner


def _window_sum(x: Array, n: int) -> Array:
    """Return, for each channel, the sum of x over the channels up to n // 2 away."""
    total = x.copy()
    for distance in range(1, n // 2 + 1):
        total[:, distance:] += x[:, :-distance]
        total[:, :-distance] += x[:, distance:]
    return total


class concat:
    """Concatenation and, as its gradient, splitting."""

    @staticmethod
    def Forward(xs: Sequence[Array], axis: int) -> Array:
        """Return the arrays joined along the axis."""
        return numpy.concatenate(xs, axis)

    @staticmethod
    def Backward(x: Array, offsets: Sequence[int], axis: int) -> tuple[Array, ...]:
        """Return x cut at the offsets along the axis."""
        return tuple(numpy.split(x, offsets, axis))


def multi_add(xs: Sequence[Array]) -> Array:
    """Return the sum of arrays of one shape."""
    y = xs[0] + xs[1]
    for x in xs[2:]:
        y += x
    return y
