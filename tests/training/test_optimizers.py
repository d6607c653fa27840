"""Optimizers by Chainer's names."""

import inspect
import math

import chainer
import numpy
import pytest
from chainer import optimizers as chainer_optimizers

from vgg_cifar.errors import InputError
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


@pytest.mark.parametrize('name', optimizers.OPTIMIZERS)
def test_every_argument_says_what_it_may_be_and_may_be_its_default(name):
    for argument in inspect.signature(optimizers.OPTIMIZERS[name]).parameters.values():
        if argument.name != optimizers.rate_name(name):
            optimizers.check_options(name, None, {argument.name: argument.default})
            with pytest.raises(InputError, match=f'--optimizer-options: {argument.name} is -1; expected'):
                optimizers.check_options(name, None, {argument.name: -1})


@pytest.mark.parametrize(
    'name, lr, options, message',
    [
        ('adam', None, {'beta2': 2.0}, r'adam takes no beta2=2.0 \('),
        ('adam', 1e40, {}, r'adam with alpha=1e\+40: a step makes a weight'),
        ('adam', None, {'eps': math.nan}, 'adam with eps=nan: a step makes a weight nan'),
        ('rmsprop', None, {'alpha': 2.0}, 'rmsprop with alpha=2.0: a step makes a weight nan'),
    ],
)
def test_what_no_step_can_be_taken_with_is_refused_before_the_first(name, lr, options, message):
    with pytest.raises(InputError, match=message):
        optimizers.build(name, chainer.links.Linear(1, 1), lr, options, 0)


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


# Report R4's own equations, for one parameter and the gradients g of each step. It gives no epsilon.
EPS = 1e-8


def adagrad_of_the_report(gradients, lr):
    """Equation 2: epsilon inside the root."""
    w, s = 0.0, 0.0
    for g in gradients:
        s += g * g
        w -= lr / math.sqrt(s + EPS) * g
        yield w


def rmsprop_of_the_report(gradients, lr, beta=0.9):
    """Equation 3: epsilon inside the root."""
    w, s = 0.0, 0.0
    for g in gradients:
        s = beta * s + (1 - beta) * g * g
        w -= lr / math.sqrt(s + EPS) * g
        yield w


def adam_of_the_report(gradients, lr, alpha=0.9, beta=0.999, corrected=False, outside=False):
    """Equation 4: no bias correction, epsilon inside the root; or as Chainer (and Kingma and Ba) do."""
    w, m, s = 0.0, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        m = alpha * m + (1 - alpha) * g
        s = beta * s + (1 - beta) * g * g
        rate = lr * (math.sqrt(1 - beta**t) / (1 - alpha**t) if corrected else 1)
        w -= rate * m / (math.sqrt(s) + EPS if outside else math.sqrt(s + EPS))
        yield w


def chainers(name, gradients, lr, options):
    """The parameter after each step of Chainer's rule, in float64."""
    link = chainer.Link()
    with link.init_scope():
        link.w = chainer.Parameter(numpy.zeros(1))
    optimizer = optimizers.build(name, link, lr, options, 0)
    for g in gradients:
        link.w.grad = numpy.array([g])
        optimizer.update()
        yield float(link.w.array[0])


LARGE = [0.5, -0.2, 0.3, 0.8, -0.4] * 4
# Far below the root of epsilon, where its place decides.
TINY = [1e-6 * g for g in LARGE]
INSIDE = {'alpha': 0.9, 'eps_inside_sqrt': True}


@pytest.mark.parametrize('gradients', [LARGE, TINY])
def test_rmsprop_as_the_study_runs_it_is_the_reports_equation(gradients):
    found = list(chainers('rmsprop', gradients, 0.001, INSIDE))
    numpy.testing.assert_allclose(found, list(rmsprop_of_the_report(gradients, 0.001)), rtol=1e-9)


def test_rmsprop_by_default_differs_by_where_epsilon_is():
    """Outside the root it is nothing beside usual gradients, and inside it holds back tiny ones."""
    options = {'alpha': 0.9}
    large, tiny = (list(chainers('rmsprop', each, 0.001, options)) for each in (LARGE, TINY))
    numpy.testing.assert_allclose(large, list(rmsprop_of_the_report(LARGE, 0.001)), rtol=1e-6)
    assert abs(tiny[0]) > 50 * abs(next(rmsprop_of_the_report(TINY, 0.001)))


def test_adagrad_differs_by_where_epsilon_is():
    numpy.testing.assert_allclose(
        list(chainers('adagrad', LARGE, 0.01, {'eps': EPS})),
        list(adagrad_of_the_report(LARGE, 0.01)),
        rtol=1e-6,
    )
    tiny = next(chainers('adagrad', TINY, 0.01, {'eps': EPS}))
    assert abs(tiny) > 50 * abs(next(adagrad_of_the_report(TINY, 0.01)))


@pytest.mark.parametrize('gradients', [LARGE, TINY])
def test_adam_is_the_reports_with_bias_correction_and_epsilon_outside(gradients):
    found = list(chainers('adam', gradients, 0.001, {}))
    expected = list(adam_of_the_report(gradients, 0.001, corrected=True, outside=True))
    numpy.testing.assert_allclose(found, expected, rtol=1e-9)


def test_without_bias_correction_adams_first_step_is_three_times_as_long_and_its_later_ones_the_same():
    """(1 - 0.9) / sqrt(1 - 0.999) = 3.16 times the learning rate, where the correction makes it 1."""
    written = next(adam_of_the_report(LARGE, 0.001))
    found = next(chainers('adam', LARGE, 0.001, {}))
    assert found == pytest.approx(-0.001, rel=1e-6)
    assert written / found == pytest.approx(0.1 / math.sqrt(0.001), rel=1e-4)
    long = LARGE * 500
    steps = [
        numpy.diff(list(rule))[-1]
        for rule in (adam_of_the_report(long, 0.001), chainers('adam', long, 0.001, {}))
    ]
    assert steps[0] == pytest.approx(steps[1], rel=1e-3)
