"""Winograd's method against Chainer's NumPy path in float64."""

import chainer
import chainer.functions as F
import numpy
import pytest
from both_paths import arranged, layouts, numbers, results, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators.onednn import convolution, winograd
from vgg_cifar.accelerators.onednn.library import Type

channels = st.sampled_from([(64, 128), (128, 64), (96, 96), (130, 66)])


def convolve(*inputs):
    return F.convolution_2d(*inputs, pad=1)


def is_used(monkeypatch):
    """Return a list that grows with each convolution that is done this way."""
    calls = []
    suits = winograd.suits

    def watch(*case):
        calls.append(suits(*case))
        return calls[-1]

    monkeypatch.setattr(winograd, 'suits', watch)
    return calls


@settings(max_examples=12)
@given(channels, st.integers(1, 3), st.integers(1, 3), st.booleans(), seeds, layouts, layouts)
def test_convolution_and_gradients(channels, rows, columns, bias, seed, layout, gy_layout):
    n_in, n_out = channels
    shape = (-(-winograd.FEWEST_TILES // (rows * columns)), n_in, 4 * rows, 4 * columns)
    x, w, b = numbers(shape, seed), numbers((n_out, n_in, 3, 3), seed + 1), numbers((n_out,), seed + 2)
    inputs = [arranged(x, layout), w / (3 * n_in**0.5), *([b] if bias else [])]
    with pytest.MonkeyPatch.context() as patch:
        calls = is_used(patch)
        found = results(convolve, inputs, seed, gy_layout, 'always')
    assert calls == [True] * 3
    exact = [array.astype(numpy.float64) for array in inputs]
    for want, have in zip(results(convolve, exact, seed, gy_layout, 'never'), found, strict=True):
        assert (have.shape, have.dtype) == (want.shape, numpy.float32)
        numpy.testing.assert_allclose(have / want.std(), want / want.std(), rtol=0, atol=2e-4)
        assert (have - want).std() < 1e-5 * want.std()


def test_pieces_of_a_batch_make_the_whole(monkeypatch):
    inputs = [numbers((70, 64, 4, 8), 0), numbers((128, 64, 3, 3), 1), numbers((128,), 2)]
    whole = results(convolve, inputs, 3, 'C', 'always')
    bytes_each = 36 * 2 * (64 + 128) * 4
    monkeypatch.setattr(winograd, 'PIECE_BYTES', 30 * bytes_each)
    for want, have in zip(whole, results(convolve, inputs, 3, 'C', 'always'), strict=True):
        numpy.testing.assert_allclose(have, want, rtol=0, atol=1e-4 * abs(want).max())


def test_same_bits_each_time():
    inputs = [numbers((64, 64, 4, 4), 0), numbers((128, 64, 3, 3), 1), numbers((128,), 2)]
    first, again = (results(convolve, inputs, 3, 'C', 'always') for _ in range(2))
    for a, b in zip(first, again, strict=True):
        numpy.testing.assert_array_equal(a, b)


def test_clips_at_zero():
    x, w, b = numbers((64, 64, 4, 4), 0), numbers((128, 64, 3, 3), 1), numbers((128,), 2)
    y_shape, geometry = convolution.moved(x.shape, w.shape, (1, 1), (1, 1), (1, 1), 1)
    clipped, plain = (convolution.forward(x, w, b, y_shape, geometry, slope) for slope in (0, 1))
    numpy.testing.assert_array_equal(clipped, numpy.maximum(plain, 0))


def test_nan_is_not_lost():
    x = numbers((64, 64, 4, 4), 0)
    x[3, 5, 1, 2] = numpy.nan
    with chainer.using_config('use_ideep', 'always'):
        y = F.convolution_2d(x, numbers((128, 64, 3, 3), 1), pad=1).array
    assert numpy.isnan(y[3, :, :3, 1:]).all()
    assert numpy.isfinite(numpy.delete(y, 3, 0)).all()


SUITS = {'x': (64, 64, 4, 4), 'weights': (128, 64, 3, 3), 'stride': (1, 1), 'pad': (1, 1), 'groups': 1}


@pytest.mark.parametrize(
    'changes',
    [
        {'x': (63, 64, 4, 4)},
        {'x': (64, 64, 4, 6)},
        {'x': (64, 63, 4, 4), 'weights': (256, 63, 3, 3)},
        {'weights': (64, 64, 3, 3)},
        {'weights': (128, 64, 5, 5), 'pad': (2, 2)},
        {'weights': (128, 64, 1, 3), 'pad': (0, 1)},
        {'stride': (2, 2)},
        {'pad': (0, 0)},
        {'weights': (128, 32, 3, 3), 'groups': 2},
    ],
)
def test_leaves_other_convolutions_alone(changes):
    def suits(x, weights, stride, pad, groups, type=Type.FLOAT32):
        geometry = convolution.moved(x, weights, stride, pad, (1, 1), groups)[1]
        return winograd.suits(x, weights, geometry, type)

    assert suits(**SUITS)
    assert not suits(**SUITS, type=Type.BFLOAT16)
    assert not suits(**{**SUITS, **changes})
