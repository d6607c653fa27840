"""Our Adam against Chainer's."""

import chainer
import chainer.links as L
import numpy
import pytest

from vgg_cifar.accelerators import onednn, optimizers


def trained(optimizer, dtype=numpy.float32, steps=4, layout='C'):
    numbers = numpy.random.RandomState(0)
    model = chainer.Sequential(L.Linear(600, 1000), L.Linear(1000, 3))
    for param in model.params():
        param.array = numpy.asarray(numbers.standard_normal(param.shape), dtype, order=layout)
    optimizer.setup(model)
    for _ in range(steps):
        for param in model.params():
            param.grad = numbers.standard_normal(param.shape).astype(dtype)
        optimizer.update()
    return model, optimizer


@pytest.mark.parametrize(
    'options',
    [{}, {'weight_decay_rate': 1e-2, 'eta': 0.5}, {'amsgrad': True}, {'adabound': True}, {'beta1': 0.5}],
)
@pytest.mark.parametrize('dtype', [numpy.float32, numpy.float64, numpy.float16])
def test_same_numbers(options, dtype):
    if dtype == numpy.float16:
        options = {**options, 'eps': 1e-3}
    wanted, _ = trained(chainer.optimizers.Adam(**options), dtype)
    found, _ = trained(optimizers.Adam(**options), dtype)
    for a, b in zip(wanted.params(), found.params(), strict=True):
        assert a.dtype == b.dtype == dtype
        numpy.testing.assert_allclose(a.array, b.array, rtol=1e-6, atol=1e-7)
        for name in a.update_rule.state:
            numpy.testing.assert_allclose(a.update_rule.state[name], b.update_rule.state[name], rtol=1e-6)


@pytest.mark.skipif(not onednn.live(), reason='oneDNN is not to be had here')
@pytest.mark.parametrize('size', [1, 15, 1000, 40_000, 300_001])
def test_onednns_passes_have_numpys_bits(size):
    from vgg_cifar.accelerators.onednn import adam

    numbers = numpy.random.RandomState(0)
    arrays = [numbers.standard_normal(size).astype('f') for _ in range(4)]
    # Gradients whose squares underflow, squares that nearly have, and what has diverged.
    arrays[1][::7], arrays[1][3::50], arrays[1][5::50] = 1e-22, numpy.inf, numpy.nan
    arrays[3] = numpy.abs(arrays[3])
    arrays[3][::5] = 1e-42
    copies = [array.copy() for array in arrays]
    settings = 0.001, 1 - 0.9, 1 - 0.999, 1e-8
    with numpy.errstate(all='ignore'):
        for _ in range(3):
            adam.update(arrays, *settings)
            optimizers._update(copies, range(0, size, optimizers.PIECE), (*settings, 1.0, 0.0))
    for found, wanted in zip(arrays, copies, strict=True):
        numpy.testing.assert_array_equal(found, wanted)


def test_what_nobody_may_write_to_is_not_written_to():
    bytes_of_somebody = numpy.ones(120_000, 'f').tobytes()
    link = L.Linear(400, 300)
    link.W.array = numpy.frombuffer(bytes_of_somebody, 'f').reshape(300, 400)
    optimizer = optimizers.Adam().setup(link)
    for param in link.params():
        param.grad = numpy.ones_like(param.array)
    with pytest.raises(ValueError, match='read-only'):
        optimizer.update()
    assert (link.W.array == 1).all()


@pytest.mark.parametrize('number', [numpy.float64, numpy.array])
def test_hyperparameters_may_be_numpys_numbers(number):
    wanted, _ = trained(optimizers.Adam(beta1=0.8, eps=1e-6))
    found, _ = trained(optimizers.Adam(beta1=number(0.8), eps=number(1e-6)))
    for a, b in zip(wanted.params(), found.params(), strict=True):
        numpy.testing.assert_array_equal(a.array, b.array)


@pytest.mark.parametrize('threads', ['', 'abc', '0', '4,2', '1', '3'])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, threads):
    wanted, _ = trained(optimizers.Adam())
    monkeypatch.setenv('OMP_NUM_THREADS', threads)
    monkeypatch.setattr(optimizers, '_n_threads', optimizers._n_threads.__wrapped__)
    monkeypatch.setattr(optimizers, '_threads', optimizers._threads.__wrapped__)
    found, _ = trained(optimizers.Adam())
    for a, b in zip(wanted.params(), found.params(), strict=True):
        numpy.testing.assert_array_equal(a.array, b.array)


def test_other_layouts():
    wanted, _ = trained(chainer.optimizers.Adam(), layout='F')
    found, _ = trained(optimizers.Adam(), layout='F')
    for a, b in zip(wanted.params(), found.params(), strict=True):
        numpy.testing.assert_allclose(a.array, b.array, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('first, second', [(0, 1), (1, 0)])
def test_snapshots_are_interchangeable(first, second, tmp_path):
    kinds = (chainer.optimizers.Adam, optimizers.Adam)
    _, optimizer = trained(kinds[first]())
    chainer.serializers.save_npz(tmp_path / 'optimizer.npz', optimizer)
    model, other = trained(kinds[second](), steps=1)
    chainer.serializers.load_npz(tmp_path / 'optimizer.npz', other)
    assert other.t == optimizer.t
    for param, copy in zip(optimizer.target.params(), model.params(), strict=True):
        for name, value in param.update_rule.state.items():
            numpy.testing.assert_array_equal(value, copy.update_rule.state[name])
