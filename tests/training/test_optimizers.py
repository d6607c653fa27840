"""Optimizers by Chainer's names."""

import chainer
import numpy
import pytest
from chainer import optimizers as chainer_optimizers

from vgg_cifar.training import optimizers


def test_adam_is_the_listings():
    """Report R1, section 8: alpha=0.001, beta1=0.9, beta2=0.999, eps=1e-08."""
    adam = optimizers.build('adam', chainer.links.Linear(1, 1), None, {}, 0)
    assert (adam.alpha, adam.beta1, adam.beta2, adam.eps) == (0.001, 0.9, 0.999, 1e-8)


@pytest.mark.parametrize('name', optimizers.OPTIMIZERS)
def test_each_trains(name):
    numpy.random.seed(0)
    model = chainer.links.Linear(4, 3)
    rate = None if optimizers.rate_name(name) is None else 0.01
    optimizer = optimizers.build(name, model, rate, {}, 0)
    x, t = numpy.random.rand(12, 4).astype('f'), numpy.arange(12, dtype='i') % 3
    losses = []
    for _ in range(30):
        loss = chainer.functions.softmax_cross_entropy(model(x), t)
        losses.append(float(loss.array))
        model.cleargrads()
        loss.backward()
        optimizer.update()
    assert losses[-1] < losses[0]


def test_every_rule_of_chainer_is_offered():
    rules = {
        value
        for value in vars(chainer_optimizers).values()
        if isinstance(value, type) and issubclass(value, chainer.GradientMethod)
    }
    # Our Adam is a faster one of Chainer's.
    offered = {
        chainer_optimizers.Adam if name == 'adam' else rule for name, rule in optimizers.OPTIMIZERS.items()
    }
    assert rules == offered
    assert issubclass(optimizers.OPTIMIZERS['adam'], chainer_optimizers.Adam)


@pytest.mark.parametrize(
    'name, lr, options, attribute, value',
    [
        ('momentum_sgd', 0.5, {'momentum': 0.7}, 'momentum', 0.7),
        ('momentum_sgd', 0.5, {}, 'lr', 0.5),
        ('adam', 0.5, {'beta1': 0.1}, 'alpha', 0.5),
        ('rmsprop', None, {'alpha': 0.9}, 'alpha', 0.9),
        ('rmsprop', 0.02, {}, 'lr', 0.02),
    ],
)
def test_parameters_have_chainers_names(name, lr, options, attribute, value):
    assert getattr(optimizers.build(name, chainer.links.Linear(1, 1), lr, options, 0), attribute) == value


def test_weight_decay_is_chainers_hook():
    model = chainer.links.Linear(2, 2)
    optimizer = optimizers.build('sgd', model, 0.1, {}, 0.5)
    before = model.W.array.copy()
    model.cleargrads()
    model.W.grad = numpy.zeros_like(before)
    model.b.grad = numpy.zeros_like(model.b.array)
    optimizer.update()
    numpy.testing.assert_allclose(model.W.array, before * (1 - 0.1 * 0.5), rtol=1e-6)
