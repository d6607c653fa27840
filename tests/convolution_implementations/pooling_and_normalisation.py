"""Max pooling by saved indices and batch normalisation in NumPy, as report R2 writes them: oracles.

Arrays are float32 or float64, images x (N, C, H, W); a gradient has the shape of what it is the gradient of.
"""

import numpy

from vgg_cifar.convolution_implementations import from_scratch

Array = numpy.ndarray


def max_pooling(x: Array, size: int, stride: int) -> tuple[Array, Array]:
    """Return the maxima of square windows and their places in the windows, both (N, C, H', W').

    As report R2 has it: the columns of `im2col`, reshaped so that each window is one, then their maxima.
    """
    n, channels, height, width = x.shape
    rows, lines = ((length - size) // stride + 1 for length in (height, width))
    columns = from_scratch.im2col(x.reshape(n * channels, 1, height, width), (size, size), stride)
    places = columns.argmax(axis=0)
    maxima = columns[places, numpy.arange(columns.shape[1])]
    return maxima.reshape(n, channels, rows, lines), places.reshape(n, channels, rows, lines)


def max_pooling_backward(gy: Array, places: Array, shape: tuple[int, ...], size: int, stride: int) -> Array:
    """Return the gradient of x, of `shape`: each gradient goes to the place that had the maximum."""
    n, channels, height, width = shape
    columns = numpy.zeros((size * size, gy.size), gy.dtype)
    columns[places.reshape(-1), numpy.arange(gy.size)] = gy.reshape(-1)
    return from_scratch.col2im(columns, (n * channels, 1, height, width), (size, size), stride).reshape(shape)


def batch_normalisation(x: Array, gamma: Array, beta: Array, eps: float = 2e-5) -> Array:
    """Return x normalised by each channel's mean and variance, times gamma, plus beta, both (C,)."""
    normalised, _ = _normalised(x, eps)
    return gamma[:, None, None] * normalised + beta[:, None, None]


def batch_normalisation_backward(
    gy: Array, x: Array, gamma: Array, eps: float = 2e-5
) -> tuple[Array, Array, Array]:
    """Return the gradients (gx, ggamma, gbeta); the mean and the variance depend on x too."""
    normalised, deviation = _normalised(x, eps)
    over = (0, 2, 3)
    gbeta, ggamma = gy.sum(axis=over), (gy * normalised).sum(axis=over)
    count = gy.size / gy.shape[1]
    mean, slope = (total[:, None, None] / count for total in (gbeta, ggamma))
    return gamma[:, None, None] / deviation * (gy - mean - normalised * slope), ggamma, gbeta


def _normalised(x: Array, eps: float) -> tuple[Array, Array]:
    mean, variance = (moment(axis=(0, 2, 3), keepdims=True) for moment in (x.mean, x.var))
    deviation = numpy.sqrt(variance + numpy.asarray(eps, x.dtype))
    return (x - mean) / deviation, deviation
