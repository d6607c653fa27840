"""Layers in NumPy, as reports R2 (section 2), R3 (section 2) and R4 (section 5) write them.

Three convolutions that give the same numbers in three ways, max pooling by saved indices, and batch
normalisation. Nothing here is fast: the functions are compared with each other by
`vgg-cifar reproduce convolution_implementations`, and the tests take them as oracles for the fast layers.

Arrays are float32 or float64: images x (N, C, H, W), kernels w (O, C, kh, kw), biases b (O,), results
(N, O, H', W'). A gradient has the shape of what it is the gradient of. As in networks, no kernel is flipped.
"""

import numpy
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal

Array = numpy.ndarray


def convolution_by_loops(x: Array, w: Array, b: Array, stride: int = 1, pad: int = 0) -> Array:
    """Return the convolution, window by window: a loop each over images, kernels, rows and columns."""
    x = _padded(x, pad)
    out = numpy.empty(_result_shape(x, w, stride), x.dtype)
    kh, kw = w.shape[2:]
    for n, o, i, j in numpy.ndindex(*out.shape):
        window = x[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
        out[n, o, i, j] = (window * w[o]).sum() + b[o]
    return out


def convolution_by_loops_backward(
    gy: Array, x: Array, w: Array, stride: int = 1, pad: int = 0
) -> tuple[Array, Array, Array]:
    """Return the gradients (gx, gw, gb), window by window."""
    padded = _padded(x, pad)
    gx, gw, gb = numpy.zeros_like(padded), numpy.zeros_like(w), numpy.zeros(len(w), w.dtype)
    kh, kw = w.shape[2:]
    for n, o, i, j in numpy.ndindex(*gy.shape):
        rows, columns = slice(i * stride, i * stride + kh), slice(j * stride, j * stride + kw)
        gx[n, :, rows, columns] += gy[n, o, i, j] * w[o]
        gw[o] += gy[n, o, i, j] * padded[n, :, rows, columns]
        gb[o] += gy[n, o, i, j]
    return _unpadded(gx, pad), gw, gb


def convolution_by_scipy(x: Array, w: Array, b: Array, pad: int = 0) -> Array:
    """Return the convolution with stride 1 by a routine for planes, looping over the rest."""
    x = _padded(x, pad)
    out = numpy.empty(_result_shape(x, w, 1), x.dtype)
    for n, o in numpy.ndindex(*out.shape[:2]):
        out[n, o] = b[o]
        for c in range(x.shape[1]):
            out[n, o] += signal.correlate2d(x[n, c], w[o, c], mode='valid')
    return out


def convolution_by_scipy_backward(gy: Array, x: Array, w: Array, pad: int = 0) -> tuple[Array, Array, Array]:
    """Return the gradients (gx, gw, gb) for stride 1 by a routine for planes."""
    padded = _padded(x, pad)
    gx, gw = numpy.zeros_like(padded), numpy.zeros_like(w)
    for n, o, c in numpy.ndindex(*gy.shape[:2], x.shape[1]):
        gx[n, c] += signal.convolve2d(gy[n, o], w[o, c], mode='full')
        gw[o, c] += signal.correlate2d(padded[n, c], gy[n, o], mode='valid')
    return _unpadded(gx, pad), gw, gy.sum(axis=(0, 2, 3))


def im2col(x: Array, size: tuple[int, int], stride: int = 1, pad: int = 0) -> Array:
    """Return every window of the images as a column: (C kh kw, N H' W'); pixels are repeated."""
    windows = sliding_window_view(_padded(x, pad), size, axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * size[0] * size[1], -1)


def col2im(
    columns: Array, shape: tuple[int, ...], size: tuple[int, int], stride: int = 1, pad: int = 0
) -> Array:
    """Return images of `shape` in which the columns' windows are added up: the transpose of `im2col`."""
    n, channels, height, width = shape
    x = numpy.zeros((n, channels, height + 2 * pad, width + 2 * pad), columns.dtype)
    rows, lines = ((length - k) // stride + 1 for length, k in zip(x.shape[2:], size, strict=True))
    windows = columns.reshape(channels, *size, n, rows, lines)
    for i, j in numpy.ndindex(*size):
        into = x[:, :, i : i + stride * rows : stride, j : j + stride * lines : stride]
        into += windows[:, i, j].swapaxes(0, 1)
    return _unpadded(x, pad)


def convolution_by_im2col(x: Array, w: Array, b: Array, stride: int = 1, pad: int = 0) -> Array:
    """Return the convolution as one product of two matrices."""
    columns = im2col(x, w.shape[2:], stride, pad)
    n, o, height, width = _result_shape(_padded(x, pad), w, stride)
    y = w.reshape(o, -1) @ columns + b[:, None]
    return y.reshape(o, n, height, width).swapaxes(0, 1)


def convolution_by_im2col_backward(
    gy: Array, x: Array, w: Array, stride: int = 1, pad: int = 0
) -> tuple[Array, Array, Array]:
    """Return the gradients (gx, gw, gb), a product of two matrices each."""
    columns = im2col(x, w.shape[2:], stride, pad)
    rows = gy.swapaxes(0, 1).reshape(len(w), -1)
    gw = (rows @ columns.T).reshape(w.shape)
    gx = col2im(w.reshape(len(w), -1).T @ rows, x.shape, w.shape[2:], stride, pad)
    return gx, gw, rows.sum(axis=1)


def max_pooling(x: Array, size: int, stride: int) -> tuple[Array, Array]:
    """Return the maxima of square windows and their places in the windows, both (N, C, H', W').

    As report R2 has it: the columns of `im2col`, reshaped so that each window is one, then their maxima.
    """
    n, channels, height, width = x.shape
    rows, lines = ((length - size) // stride + 1 for length in (height, width))
    columns = im2col(x.reshape(n * channels, 1, height, width), (size, size), stride)
    places = columns.argmax(axis=0)
    maxima = columns[places, numpy.arange(columns.shape[1])]
    return maxima.reshape(n, channels, rows, lines), places.reshape(n, channels, rows, lines)


def max_pooling_backward(gy: Array, places: Array, shape: tuple[int, ...], size: int, stride: int) -> Array:
    """Return the gradient of x, of `shape`: each gradient goes to the place that had the maximum."""
    n, channels, height, width = shape
    columns = numpy.zeros((size * size, gy.size), gy.dtype)
    columns[places.reshape(-1), numpy.arange(gy.size)] = gy.reshape(-1)
    return col2im(columns, (n * channels, 1, height, width), (size, size), stride).reshape(shape)


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


def _padded(x: Array, pad: int) -> Array:
    return numpy.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))) if pad else x


def _unpadded(x: Array, pad: int) -> Array:
    return x[:, :, pad:-pad, pad:-pad] if pad else x


def _result_shape(padded: Array, w: Array, stride: int) -> tuple[int, ...]:
    sizes = ((length - k) // stride + 1 for length, k in zip(padded.shape[2:], w.shape[2:], strict=True))
    return (len(padded), len(w), *sizes)
