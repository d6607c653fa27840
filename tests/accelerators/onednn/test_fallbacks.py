"""What oneDNN cannot do right is done by NumPy: other types, empty arrays, NaN, mixed settings."""

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
import pytest
from both_paths import compare, numbers


@pytest.mark.parametrize('dtype', [numpy.float64, numpy.float16])
def test_other_types(dtype):
    x, weights = numbers((2, 3, 6, 6), 0).astype(dtype), numbers((4, 3, 3, 3), 1).astype(dtype)
    tolerance = 2e-2 if dtype == numpy.float16 else 1e-9
    compare(
        lambda x, w: F.max_pooling_2d(F.relu(F.convolution_2d(x, w)), 2), [x, weights], tolerance=tolerance
    )
    compare(F.linear, [x[:, :, 0, 0], weights[:, :, 0, 0]], tolerance=tolerance)


def test_types_may_differ_between_arguments():
    x = numbers((2, 3, 6, 6), 0)
    with chainer.using_config('use_ideep', 'always'):
        y = F.convolution_2d(x, numbers((4, 3, 3, 3), 1).astype(numpy.float64))
    assert y.dtype == numpy.float32


def test_empty_arrays():
    for use_ideep in ('never', 'always'):
        with chainer.using_config('use_ideep', use_ideep):
            assert F.relu(numpy.zeros((0, 3), numpy.float32)).shape == (0, 3)
            assert F.relu(numpy.zeros((0, 3, 2, 2), numpy.float32)).shape == (0, 3, 2, 2)
            y = F.convolution_2d(numpy.zeros((0, 3, 6, 6), numpy.float32), numbers((4, 3, 3, 3), 1))
            assert y.shape == (0, 4, 4, 4)


@pytest.mark.parametrize('value', [numpy.nan, numpy.inf, -numpy.inf])
@pytest.mark.parametrize(
    'function',
    [
        F.relu,
        F.leaky_relu,
        lambda x: F.max_pooling_2d(x, 2),
        lambda x: F.max_pooling_2d(x, 3, 2, 1),
        lambda x: F.average_pooling_2d(x, 2),
    ],
)
def test_a_number_gone_wrong_stays_visible(function, value):
    x = numbers((2, 20, 6, 6), 0)
    x[0, 3, 2, 2] = value
    x[1, :, 4:, 4:] = value
    with chainer.using_config('use_ideep', 'never'):
        wanted = function(x).array
    with chainer.using_config('use_ideep', 'always'):
        found = function(x).array
    numpy.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize('first, second', [('never', 'auto'), ('auto', 'never')])
@pytest.mark.parametrize(
    'function',
    [
        lambda x: F.max_pooling_2d(x, 2),
        lambda x: F.average_pooling_2d(x, 2),
        F.relu,
        F.leaky_relu,
        lambda x: F.local_response_normalization(x),
        lambda x: F.convolution_2d(x, numbers((4, 3, 3, 3), 1)),
        lambda x: F.batch_normalization(x, numpy.ones(3, 'f'), numpy.ones(3, 'f')),
    ],
)
def test_setting_may_change_between_forward_and_backward(function, first, second):
    gradients = []
    for forward, backward in (('never', 'never'), (first, second)):
        x = chainer.Variable(numbers((2, 3, 6, 6), 0))
        with chainer.using_config('use_ideep', forward):
            y = function(x)
        y.grad = numbers(y.shape, 2)
        with chainer.using_config('use_ideep', backward):
            y.backward()
        gradients.append(x.grad)
    numpy.testing.assert_allclose(*gradients, atol=1e-5)


def test_positions_of_maxima_are_chainers():
    x = numbers((2, 3, 7, 7), 0)
    indexes = {}
    for use_ideep in ('never', 'always'):
        with chainer.using_config('use_ideep', use_ideep):
            y, indexes[use_ideep] = F.max_pooling_2d(x, 3, 2, 1, return_indices=True)
            up = F.upsampling_2d(y, indexes[use_ideep], 3, 2, 1, outsize=(7, 7))
            indexes[use_ideep, 'up'] = up.array
    numpy.testing.assert_array_equal(indexes['never'], indexes['always'])
    numpy.testing.assert_array_equal(indexes['never', 'up'], indexes['always', 'up'])


def test_second_derivatives():
    def penalty(x, weights):
        y = F.sum(F.max_pooling_2d(F.relu(F.convolution_2d(x, weights, pad=1)), 2) ** 3)
        (gx,) = chainer.grad([y], [x], enable_double_backprop=True)
        return F.sum(gx**2)

    compare(penalty, [numbers((2, 3, 6, 6), 0), numbers((4, 3, 3, 3), 1) * 0.3], tolerance=1e-4)


def test_dropout_masks():
    x = numbers((20, 30, 10, 10), 0)
    numpy.random.seed(0)
    with chainer.using_config('train', True), chainer.using_config('use_ideep', 'always'):
        variable = chainer.Variable(x)
        y, mask = F.dropout(variable, 0.3, return_mask=True)
        y.grad = numpy.ones_like(x)
        y.backward()
        again = F.dropout(variable, 0.3, mask=mask)
        numpy.random.seed(0)
        repeated = F.dropout(x, 0.3)
        other = F.dropout(x, 0.3)
    assert set(numpy.unique(mask)) == {0, numpy.float32(1 / 0.7)}
    assert abs((mask == 0).mean() - 0.3) < 0.01
    numpy.testing.assert_allclose(y.array, x * mask, rtol=1e-6)
    numpy.testing.assert_allclose(variable.grad, mask, rtol=1e-6)
    numpy.testing.assert_array_equal(again.array, y.array)
    numpy.testing.assert_array_equal(repeated.array, y.array)
    assert (other.array != y.array).any()


def model() -> chainer.Chain:
    return chainer.Sequential(
        L.Convolution2D(3, 8, 3, nobias=True), L.BatchNormalization(8), F.relu, L.Linear(None, 4)
    )


@pytest.mark.parametrize(
    'optimizer',
    [
        lambda: chainer.optimizers.SGD(0.1),
        lambda: chainer.optimizers.MomentumSGD(0.1),
        lambda: chainer.optimizers.CorrectedMomentumSGD(0.1),
        lambda: chainer.optimizers.Adam(),
        lambda: chainer.optimizers.AMSGrad(),
        lambda: chainer.optimizers.RMSprop(),
    ],
)
def test_optimizers_and_serializers(optimizer, tmp_path):
    trained = {}
    for use_ideep in ('never', 'always'):
        with chainer.using_config('use_ideep', use_ideep):
            numpy.random.seed(0)
            network = model()
            x = numbers((4, 3, 6, 6), 0)
            network(x)
            if use_ideep == 'always':
                with pytest.deprecated_call():
                    network.to_intel64()
            update = optimizer().setup(network)
            for _ in range(3):
                update.update(lambda network=network, x=x: F.mean(network(x) ** 2))
            chainer.serializers.save_npz(tmp_path / 'model.npz', network)
            chainer.serializers.save_hdf5(tmp_path / 'model.h5', network)
            chainer.serializers.save_npz(tmp_path / 'optimizer.npz', update)
            for path, load in (('model.npz', 'load_npz'), ('model.h5', 'load_hdf5')):
                copy = model()
                copy(x)
                getattr(chainer.serializers, load)(tmp_path / path, copy)
                for a, b in zip(network.params(), copy.params(), strict=True):
                    numpy.testing.assert_array_equal(a.array, b.array)
            second = optimizer().setup(copy)
            chainer.serializers.load_npz(tmp_path / 'optimizer.npz', second)
            trained[use_ideep] = [p.array for p in network.params()]
    for a, b in zip(*trained.values(), strict=True):
        assert type(b) is numpy.ndarray
        numpy.testing.assert_allclose(a, b, atol=2e-3)


def test_lstm():
    x, h = numbers((3, 20), 0), numbers((3, 5), 1)
    compare(lambda c, x: F.lstm(c, x)[1], [h, x])


def test_same_inputs_same_bits():
    def run():
        with chainer.using_config('use_ideep', 'always'):
            numpy.random.seed(1)
            network = model()
            x = numbers((64, 3, 20, 20), 0)
            network(x)
            network.cleargrads()
            loss = F.sum(network(x) ** 2)
            loss.backward()
            return [loss.array, *(p.grad for p in network.params())]

    for a, b in zip(run(), run(), strict=True):
        numpy.testing.assert_array_equal(a, b)
