"""The layers from scratch against Chainer's own NumPy path and numbers; the fast layers against them."""

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
import pytest
from convolution_implementations import pooling_and_normalisation as oracles
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators import layers
from vgg_cifar.convolution_implementations import from_scratch as scratch

few = settings(max_examples=40)
shapes = st.fixed_dictionaries(
    {
        'n': st.integers(1, 3),
        'channels': st.integers(1, 4),
        'kernels': st.integers(1, 4),
        'height': st.integers(5, 9),
        'width': st.integers(5, 9),
        'size': st.integers(1, 4),
        'seed': st.integers(0, 1000),
    }
)


def arrays(n, channels, kernels, height, width, size, seed, dtype='f8'):
    random = numpy.random.RandomState(seed)
    x = random.randn(n, channels, height, width).astype(dtype)
    w = random.randn(kernels, channels, size, size).astype(dtype)
    return x, w, random.randn(kernels).astype(dtype)


def close(found, expected, tolerance=1e-9):
    numpy.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def chainer_convolution(x, w, b, stride, pad):
    """Return y, and (gx, gw, gb) for a gradient of y's own values, by Chainer on NumPy."""
    with chainer.using_config('use_ideep', 'never'):
        variables = [chainer.Variable(array) for array in (x, w, b)]
        y = F.convolution_2d(*variables, stride=stride, pad=pad)
        y.grad = y.array.copy()
        y.backward()
    return y.array, [variable.grad for variable in variables]


@few
@given(shape=shapes, stride=st.integers(1, 3), pad=st.integers(0, 2))
def test_three_convolutions_are_chainers(shape, stride, pad):
    x, w, b = arrays(**shape)
    y, gradients = chainer_convolution(x, w, b, stride, pad)
    close(scratch.convolution_by_loops(x, w, b, stride, pad), y)
    close(scratch.convolution_by_im2col(x, w, b, stride, pad), y)
    for backward in (scratch.convolution_by_loops_backward, scratch.convolution_by_im2col_backward):
        for found, expected in zip(backward(y, x, w, stride, pad), gradients, strict=True):
            close(found, expected)
    if stride == 1:
        close(scratch.convolution_by_scipy(x, w, b, pad), y)
        for found, expected in zip(
            scratch.convolution_by_scipy_backward(y, x, w, pad), gradients, strict=True
        ):
            close(found, expected)


def test_a_convolution_by_hand():
    """Report R5, section 2: a 4x4 image of 1 to 16 and the kernel [-1 1; 0 1], which is not flipped."""
    x = numpy.arange(1.0, 17).reshape(1, 1, 4, 4)
    w = numpy.array([[[[-1.0, 1], [0, 1]]]])
    for convolve in (
        scratch.convolution_by_loops,
        scratch.convolution_by_scipy,
        scratch.convolution_by_im2col,
    ):
        assert convolve(x, w, numpy.zeros(1))[0, 0].tolist() == [[7, 8, 9], [11, 12, 13], [15, 16, 17]]


def test_im2col_by_hand():
    """Report R2, figure 3: one image of three channels with the numbers 1 to 27, windows of 2x2."""
    x = numpy.arange(1, 28.0).reshape(1, 3, 3, 3)
    columns = scratch.im2col(x, (2, 2))
    assert columns[:, 0].tolist() == [1, 2, 4, 5, 10, 11, 13, 14, 19, 20, 22, 23]
    assert columns[0].tolist() == [1, 2, 4, 5]


@few
@given(shape=shapes, stride=st.integers(1, 3), pad=st.integers(0, 2))
def test_col2im_is_the_transpose_of_im2col(shape, stride, pad):
    x, w, _ = arrays(**shape)
    size = w.shape[2:]
    columns = scratch.im2col(x, size, stride, pad)
    other = numpy.random.RandomState(1).randn(*columns.shape)
    back = scratch.col2im(other, x.shape, size, stride, pad)
    assert (columns * other).sum() == pytest.approx((x * back).sum())


@few
@given(shape=shapes, stride=st.integers(1, 3))
def test_max_pooling_is_chainers(shape, stride):
    x, size = arrays(**shape)[0], shape['size']
    y, places = oracles.max_pooling(x, size, stride)
    with chainer.using_config('use_ideep', 'never'):
        variable = chainer.Variable(x)
        expected = F.max_pooling_2d(variable, size, stride, cover_all=False)
        expected.grad = expected.array.copy()
        expected.backward()
    close(y, expected.array)
    close(oracles.max_pooling_backward(y, places, x.shape, size, stride), variable.grad)


@few
@given(shape=shapes)
def test_batch_normalisation_is_chainers(shape):
    x, _, _ = arrays(**shape)
    random = numpy.random.RandomState(2)
    gamma, beta, gy = random.randn(x.shape[1]), random.randn(x.shape[1]), random.randn(*x.shape)
    with chainer.using_config('use_ideep', 'never'):
        variables = [chainer.Variable(array) for array in (x, gamma, beta)]
        expected = F.batch_normalization(*variables)
        expected.grad = gy
        expected.backward()
    close(oracles.batch_normalisation(x, gamma, beta), expected.array, 1e-7)
    found = oracles.batch_normalisation_backward(gy, x, gamma)
    for gradient, variable in zip(found, variables, strict=True):
        close(gradient, variable.grad, 1e-7)


@few
@given(shape=shapes, pad=st.integers(0, 2), normalised=st.booleans())
def test_the_fast_convolution_agrees_with_the_one_from_scratch(shape, pad, normalised):
    """relu(bn(conv(x))) and its gradients, by whatever accelerator there is, against float64 from scratch."""
    x, w, b = arrays(**shape, dtype='f4')
    conv = L.Convolution2D(None, len(w), w.shape[2:], pad=pad, initialW=w, initial_bias=b)
    conv(x)
    bn = L.BatchNormalization(len(w)) if normalised else None
    variable = chainer.Variable(x)
    y = layers.convolution(conv, bn, variable)
    gy = numpy.random.RandomState(3).randn(*y.shape)
    y.grad = gy.astype('f4')
    conv.cleargrads()
    y.backward()

    x, w, b = x.astype('f8'), w.astype('f8'), b.astype('f8')
    h = scratch.convolution_by_loops(x, w, b, pad=pad)
    ones = numpy.ones(len(w))
    before = oracles.batch_normalisation(h, ones, 0 * ones) if normalised else h
    close(y.array, numpy.maximum(before, 0), 2e-3)
    gh = numpy.where(before > 0, gy, 0)
    # Where the sign of a value is in doubt, so is its gradient.
    if abs(before).min() < 1e-4 or (normalised and h.var(axis=(0, 2, 3)).min() < 1e-2):
        return
    if normalised:
        gh = oracles.batch_normalisation_backward(gh, h, ones)[0]
    gx, gw, _ = scratch.convolution_by_loops_backward(gh, x, w, pad=pad)
    close(variable.grad, gx, 5e-3)
    close(conv.W.grad, gw, 5e-3)


@few
@given(shape=shapes, stride=st.integers(1, 3))
def test_the_fast_pooling_agrees_with_the_one_from_scratch(shape, stride):
    x, size = arrays(**shape, dtype='f4')[0], shape['size']
    variable = chainer.Variable(x)
    y = layers.max_pooling(variable, size, stride)
    y.grad = y.array.copy()
    y.backward()
    expected, places = oracles.max_pooling(x, size, stride)
    close(y.array, expected, 1e-6)
    close(variable.grad, oracles.max_pooling_backward(expected, places, x.shape, size, stride), 1e-5)
