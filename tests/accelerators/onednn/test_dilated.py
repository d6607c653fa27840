"""The gradient of a dilated convolution's weights against Chainer's own on NumPy."""

import chainer
import chainer.functions as F
import numpy
import pytest
from both_paths import numbers
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators.onednn import arrays, convolution, dilated

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def by_chainer(x, gy, w_shape, pad, dilation):
    weights = chainer.Parameter(numpy.zeros(w_shape, 'f'))
    with chainer.using_config('use_ideep', 'never'):
        y = F.convolution_2d(x, weights, pad=pad, dilate=dilation)
        y.grad = gy
        y.backward()
    return weights.grad


@settings(max_examples=40)
@given(
    st.integers(1, 5),
    pairs,
    pairs,
    pairs,
    pairs,
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.booleans(),
)
@example(4, (2, 3), (8, 6), (3, 3), (3, 2), (1, 1), True)
def test_gradient(n, channels, size, kernel, dilation, pad, in_pieces):
    (c_in, c_out), size = channels, tuple(side + 4 for side in size)
    x, w_shape = numbers((n, c_in, *size), 0), (c_out, c_in, *kernel)
    reach = [s + 2 * p - (k - 1) * d for s, p, k, d in zip(size, pad, kernel, dilation, strict=True)]
    assume(min(reach) >= 1)
    gy = numbers((n, c_out, *reach), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dilated, 'PIECE_BYTES', 1000 if in_pieces else 1 << 20)
        found = dilated.backward_weights(arrays.canonical(x), arrays.canonical(gy), w_shape, pad, dilation)
    wanted = by_chainer(x, gy, w_shape, pad, dilation)
    assert found.flags.c_contiguous
    numpy.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1, abs(wanted).max()))


def test_it_is_what_wide_dilated_convolutions_get_where_onednn_has_no_kernel():
    x, gy, w_shape = numbers((2, 16, 9, 9), 0), numbers((2, 16, 7, 7), 1), (16, 16, 3, 3)
    geometry = convolution.geometry_between(x.shape, w_shape, gy.shape, (1, 1), (1, 1), (2, 2), 1)
    found, bias = convolution.backward_weights(x, gy, w_shape, geometry)
    assert bias is None
    wanted = by_chainer(x, gy, w_shape, (1, 1), (2, 2))
    numpy.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * abs(wanted).max())
    with_bias, gb = convolution.backward_weights(x, gy, w_shape, geometry, bias=True)
    numpy.testing.assert_allclose(with_bias, wanted, rtol=0, atol=1e-5 * abs(wanted).max())
    numpy.testing.assert_allclose(gb, gy.sum((0, 2, 3)), rtol=0, atol=1e-4)
