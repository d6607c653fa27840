"""A recorded step leaves the bits of the step that Chainer takes, and stands back where it can't."""

import chainer
import numpy
import pytest

from vgg_cifar import models
from vgg_cifar.accelerators import onednn
from vgg_cifar.models import vgg
from vgg_cifar.training import optimizers
from vgg_cifar.training.classifier import Classifier
from vgg_cifar.training.recorded_step import RecordedStep

NETWORKS = {
    'mlp': ('mlp', {'units': 9, 'batch_norm': 'every', 'dropout': 0.3}, (1, 5, 5)),
    'plain mlp': ('mlp', {'units': 9}, (1, 5, 5)),
    'conv_pool': ('conv_pool', {'channels': (3, 4)}, (1, 28, 28)),
    'dilation': ('reduction_cnn', {'reduction': 'dilation', 'kernels': 2}, (1, 28, 28)),
    'max_pooling': ('reduction_cnn', {'doubling': True, 'kernels': 2}, (1, 28, 28)),
    'shortcuts': ('residual_vgg', {'blocks': 1, 'batch_norm': True, 'residual': True}, (3, 8, 8)),
    'vgg': ('vgg', {}, (3, 8, 8)),
    'vgg, average': ('vgg', {'pooling': 'average', 'batch_norm': False}, (3, 8, 8)),
}

pytestmark = pytest.mark.skipif(not onednn.live(), reason='oneDNN is not to be had here')


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setitem(vgg.DEPTHS, 'listing', ((4, 4), (8,)))
    monkeypatch.setattr(vgg, 'HIDDEN_UNITS', 12)


class Trained:
    """A network in training, by recorded steps or by Chainer's; what comes of it is in `states`."""

    def __init__(self, network='plain mlp', optimizer='adam', recorded=True, weight_decay=1e-3, lr=None):
        family, options, self.shape = NETWORKS[network]
        numpy.random.seed(3)
        self.model = models.build(family, options, 10, self.shape)
        self.optimizer = optimizers.build(optimizer, Classifier(self.model), lr, {}, weight_decay)
        self.step = RecordedStep(self.optimizer) if recorded else self._eager
        self.reporter = chainer.Reporter()
        self.reporter.add_observer('main', self.optimizer.target)
        self.states = []

    def _eager(self, x, labels):
        self.optimizer.update(self.optimizer.target, x, labels)

    def take(self, steps, n=4, scale=1.0):
        for _ in range(steps):
            numbers = numpy.random.RandomState(len(self.states))
            x = (numbers.standard_normal((n, *self.shape)) * scale).astype('f')
            observed = {}
            with self.reporter.scope(observed), numpy.errstate(all='ignore'):
                self.step(x, numbers.randint(0, 10, n).astype('i'))
            self.states.append(self._state(observed))
        return self

    def _state(self, observed):
        arrays = {f'observed {name}': value.array for name, value in observed.items()}
        arrays |= {f'gradient {name}': value.grad for name, value in self.model.namedparams()}
        saved = chainer.serializers.DictionarySerializer()
        saved.save(self.model)
        saved['optimizer'].save(self.optimizer)
        return {name: numpy.array(value) for name, value in (arrays | saved.target).items()}

    @property
    def repeated(self):
        """Whether steps are taken by repeating recorded ones."""
        found = self.step._recordings.values()
        return self.step._recordable and any(each is not None for each in found)


def assert_same(one, other):
    assert len(one.states) == len(other.states)
    for number, (left, right) in enumerate(zip(one.states, other.states, strict=True)):
        assert left.keys() == right.keys()
        for name in left:
            numpy.testing.assert_array_equal(left[name], right[name], f'{name} in step {number}')


@pytest.mark.parametrize('network', NETWORKS)
def test_bits_are_those_of_chainers_step(network):
    recorded = Trained(network).take(5)
    assert recorded.repeated
    assert_same(recorded, Trained(network, recorded=False).take(5))


@pytest.mark.parametrize('optimizer', optimizers.OPTIMIZERS)
def test_every_optimizer_updates_alike(optimizer):
    lr = None if optimizers.rate_name(optimizer) is None else 0.01
    recorded = Trained(optimizer=optimizer, lr=lr).take(5)
    assert recorded.repeated
    one_by_one = {'msvag', 'smorms3', 'adabound', 'amsbound'}
    assert (recorded.step._whole is None) == (optimizer in one_by_one)
    if optimizer not in one_by_one:
        # Where cores read memory fastest.
        assert all(each.array.ctypes.data % 64 == 0 for each in recorded.model.params())
    assert_same(recorded, Trained(optimizer=optimizer, lr=lr, recorded=False).take(5))


def test_batches_of_other_shapes_come_between():
    def run(recorded):
        return Trained('conv_pool', recorded=recorded).take(3).take(1, n=3).take(2).take(3, n=3).take(1)

    assert_same(run(True), run(False))


@pytest.mark.parametrize('network', ['vgg', 'max_pooling', 'shortcuts'])
def test_a_diverging_network_does_not_look_healthy(network):
    def run(recorded):
        return Trained(network, recorded=recorded).take(4).take(1, scale=numpy.inf).take(2)

    recorded = run(True)
    assert not numpy.isfinite(recorded.states[4]['observed main/loss'])
    assert_same(recorded, run(False))


def test_learning_rate_and_state_may_change_between_steps():
    def run(recorded):
        trained = Trained('mlp', recorded=recorded).take(4)
        trained.optimizer.alpha = 0.1
        trained.take(2)
        for parameter in trained.model.params():
            parameter.array = parameter.array * numpy.float32(0.5)
            parameter.update_rule.state['m'] = parameter.update_rule.state['m'] + numpy.float32(1)
        return trained.take(2)

    assert_same(run(True), run(False))


def test_a_step_after_a_snapshot_is_the_same():
    whole = Trained('mlp').take(7)
    first = Trained('mlp').take(4)
    saved = chainer.serializers.DictionarySerializer()
    saved.save(first.optimizer.target)
    saved['optimizer'].save(first.optimizer)
    random = numpy.random.get_state()
    resumed = Trained('mlp')
    chainer.serializers.NpzDeserializer(saved.target).load(resumed.optimizer.target)
    chainer.serializers.NpzDeserializer(saved.target)['optimizer'].load(resumed.optimizer)
    numpy.random.set_state(random)
    resumed.states = first.states
    assert_same(resumed.take(3), whole)


class Count(chainer.FunctionHook):
    """Counts the functions that it sees."""

    seen = 0

    def forward_postprocess(self, function, in_data):
        self.seen += 1


def test_hooks_see_every_function():
    trained = Trained().take(4)
    with Count() as hook:
        trained.take(1)
    assert hook.seen == 6
    plain = Trained(recorded=False).take(5)
    assert_same(trained.take(1), plain.take(1))


def test_hooks_of_the_optimizer_are_called():
    def run(recorded):
        trained = Trained(recorded=recorded).take(4)
        trained.optimizer.add_hook(chainer.optimizer_hooks.GradientClipping(1e-3))
        return trained.take(2)

    assert_same(run(True), run(False))


@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
@pytest.mark.parametrize(
    'change',
    [
        lambda param: param.update_rule.hyperparam.__setattr__('alpha', 0.3),
        lambda param: param.update_rule.hyperparam.__setattr__('lr', 0.3),
        lambda param: param.update_rule.add_hook(chainer.optimizer_hooks.WeightDecay(0.5)),
        lambda param: param.update_rule.__setattr__('enabled', False),
    ],
)
def test_rules_of_single_parameters_may_change_between_steps(change, optimizer):
    def run(recorded):
        trained = Trained(optimizer=optimizer, recorded=recorded).take(4)
        change(next(trained.model.params()))
        return trained.take(2)

    assert_same(run(True), run(False))


@pytest.mark.filterwarnings('ignore:Non finite number')
@pytest.mark.parametrize('optimizer', ['sgd', 'adam', 'msvag'])
@pytest.mark.parametrize('scale', [None, 1000.0])
def test_scaled_losses_leave_the_same_bits(optimizer, scale):
    def run(recorded):
        trained = Trained('conv_pool', optimizer, recorded)
        trained.optimizer.loss_scaling(scale=scale)
        scales = []
        for size in (1.0, 1.0, 1.0, 1.0, numpy.inf, 1.0, 1.0):
            trained.take(1, scale=size)
            scales.append(trained.optimizer._loss_scale)
        return trained, scales

    (recorded, ours), (plain, chainers) = run(True), run(False)
    assert recorded.repeated
    assert ours == chainers
    if scale is None:
        assert ours[:5] == [2.0, 4.0, 8.0, 16.0, 8.0]
    assert_same(recorded, plain)


def test_parameters_and_rules_may_be_others_between_steps():
    def run(recorded):
        trained = Trained(recorded=recorded, optimizer='sgd', lr=0.1).take(4)
        link = trained.model.fc1
        state = numpy.full(link.W.shape, 0.01, 'f')
        with link.init_scope():
            link.W = chainer.Parameter(state)
        trained.optimizer.setup(trained.optimizer.target)
        return trained.take(3)

    recorded = run(True)
    assert (recorded.model.fc1.W.array != numpy.float32(0.01)).any()
    assert_same(recorded, run(False))


def test_an_array_of_two_parameters_stays_one():
    def run(recorded):
        trained = Trained(recorded=recorded, optimizer='sgd', lr=0.1)
        first, second = trained.model.fc2.b, trained.model.fc3.b
        second.array = first.array
        return trained.take(5)

    assert_same(run(True), run(False))


def test_foreign_networks_are_asked_each_time():
    class Own(models.MLP):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model = Own(units=9, image_shape=(1, 5, 5))
    step = RecordedStep(optimizers.build('sgd', Classifier(model), None, {}, 0.0))
    for _ in range(5):
        step(numpy.ones((2, 1, 5, 5), 'f'), numpy.zeros(2, 'i'))
    assert model.calls == 5


def test_our_networks_are_asked_twice(monkeypatch):
    calls = []
    forward = models.MLP.forward
    monkeypatch.setattr(models.MLP, 'forward', lambda *given: calls.append(1) or forward(*given))
    Trained().take(5)
    assert len(calls) == 2


def test_without_the_accelerator_steps_are_chainers():
    with chainer.using_config('use_ideep', 'never'):
        assert not onednn.live()
        recorded = Trained('conv_pool').take(4)
        assert not recorded.repeated
        assert_same(recorded, Trained('conv_pool', recorded=False).take(4))
