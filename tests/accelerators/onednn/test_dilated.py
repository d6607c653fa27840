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


def test_images_may_be_cropped_at_the_end():
    x, weights = numbers((2, 16, 9, 9), 0), (16, 16, 3, 3)
    gy = numbers((2, 16, 4, 5), 1)
    geometry = convolution.geometry_between(x.shape, weights, gy.shape, (1, 1), (0, 1), (2, 2), 1)
    found, _ = convolution.backward_weights(x, gy, weights, geometry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dilated, 'suits', lambda *given: False)
        wanted, _ = convolution.backward_weights(x, gy, weights, geometry)
    numpy.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    ours = dilated.backward_weights(arrays.canonical(x), arrays.canonical(gy), weights, (0, 1), (2, 2))
    numpy.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-4)
