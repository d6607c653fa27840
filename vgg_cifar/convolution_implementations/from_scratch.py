"""Convolutions in NumPy, as reports R2 (section 2), R3 (section 2) and R4 (section 5) write them.

Three that give the same numbers in three ways. Nothing here is fast: the functions are compared with each
other by `vgg-cifar reproduce convolution_implementations`, and the tests take them as oracles.

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


def _padded(x: Array, pad: int) -> Array:
    return numpy.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))) if pad else x


def _unpadded(x: Array, pad: int) -> Array:
    return x[:, :, pad:-pad, pad:-pad] if pad else x


def _result_shape(padded: Array, w: Array, stride: int) -> tuple[int, ...]:
    sizes = ((length - k) // stride + 1 for length, k in zip(padded.shape[2:], w.shape[2:], strict=True))
    return (len(padded), len(w), *sizes)
