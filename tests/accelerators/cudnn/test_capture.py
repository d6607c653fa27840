"""Captured training steps, with graphs of CUDA replaced by what they would launch."""

import threading
import types

import chainer
import numpy
import pytest
from host_memory import Kernel, cupy, device, host
from test_layers_on_gpu import gpu  # noqa: F401

from vgg_cifar.accelerators.cudnn import capture, noise
from vgg_cifar.models import ResidualVGG
from vgg_cifar.models.vgg import DEPTHS, VGG
from vgg_cifar.training import optimizers
from vgg_cifar.training.captured_step import CapturedStep
from vgg_cifar.training.classifier import Classifier
from vgg_cifar.training.updater import step_of


class Replay:
    """What a Capture does, without a graph; results stay at their places."""

    made = 0

    def __init__(self, function, inputs):
        Replay.made += 1
        self.function, self.results = function, None

    def __call__(self, *inputs):
        return self.function(*inputs)


def losses(take_step, optimizer, batches):
    """Return the loss of each step, and what the next is scaled by."""
    classifier = optimizer.target
    reporter, seen, found = chainer.Reporter(), {}, []
    reporter.add_observer('main', classifier)
    for step, batch in enumerate(batches):
        noise.begin_step(0, step)
        with reporter.scope(seen):
            take_step(*batch)
        found.append((float(host(seen['main/loss'].array)), optimizer._loss_scale))
    return found


def on_device(network):
    """Return a network's classifier, with all of its arrays on the stand-in for a device."""
    classifier = Classifier(network)
    for param in classifier.params():
        param.array = device(param.array)
    for link in classifier.links():
        for persistent in link._persistent:
            value = getattr(link, persistent)
            if isinstance(value, numpy.ndarray):
                setattr(link, persistent, device(value))
    return classifier


def vgg():
    return VGG('A', image_shape=(1, 8, 8), n_classes=3)


def shortcuts():
    return ResidualVGG(1, batch_norm=True, residual=True, image_shape=(1, 8, 8), n_classes=3)


def eager(optimizer):
    return lambda x, labels: optimizer.update(optimizer.target, x, labels)


def trained(steps_of, monkeypatch, name='adam', compute='float32', network=vgg):
    """Return losses and parameters of a small network after some steps, one of them on a smaller batch."""
    monkeypatch.setattr(capture, 'Capture', Replay)
    Replay.made = 0
    numpy.random.seed(0)
    monkeypatch.setitem(DEPTHS, 'A', ((4,), (6, 5)))
    classifier = on_device(network())
    optimizer = optimizers.build(name, classifier, 1e-3, {}, 1e-4)
    if compute == 'float16':
        optimizers.scale_losses(optimizer)
        # Doubled three times, it is too much: in the second step that is captured.
        optimizer._loss_scale = 2.0**13
    random = numpy.random.RandomState(0)
    batches = [
        (device(random.uniform(size=(n, 1, 8, 8)).astype('f4')), device(random.randint(0, 3, n), 'i4'))
        for n in (4, 4, 4, 4, 3, 4)
    ]
    with chainer.using_config('compute', compute):
        found = losses(steps_of(optimizer), optimizer, batches)
    parameters = [host(param.array).copy() for _, param in sorted(classifier.namedparams())]
    return found, parameters


@pytest.mark.filterwarnings('error::UserWarning:vgg_cifar')
@pytest.mark.parametrize(
    ('name', 'compute', 'network'),
    [
        ('sgd', 'float32', vgg),
        ('adam', 'float32', vgg),
        ('sgd', 'float16', vgg),
        ('adam', 'bfloat16', vgg),
        ('sgd', 'float32', shortcuts),
        ('sgd', 'bfloat16', shortcuts),
    ],
)
def test_captured_steps_have_the_bits_of_chainers(name, compute, network, gpu, monkeypatch):  # noqa: F811
    wanted, parameters = trained(eager, monkeypatch, name, compute, network)
    Kernel.launched.clear()
    found, ours = trained(CapturedStep, monkeypatch, name, compute, network)
    # The smaller batch goes by itself.
    assert Replay.made == 1
    # Of six steps, three update all parameters at once; one of them is left out where gradients are infinite.
    assert Kernel.launched.count(name) == 3 * len(parameters) + (2 if compute == 'float16' else 3)
    assert found == wanted
    for one, other in zip(ours, parameters, strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_what_cannot_be_captured_is_computed_all_the_same(gpu, monkeypatch):  # noqa: F811
    class Refused(Replay):
        def __init__(self, function, inputs):
            function(*inputs)
            raise RuntimeError('no graph today')

    wanted, _ = trained(CapturedStep, monkeypatch, 'sgd')

    def refusing(optimizer):
        monkeypatch.setattr(capture, 'Capture', Refused)
        return CapturedStep(optimizer)

    with pytest.warns(UserWarning, match='the training step is not captured.*no graph today'):
        found, _ = trained(refusing, monkeypatch, 'sgd')
    assert found == wanted


def test_what_a_graph_writes_to_is_no_longer_replayed_once_it_is_another(gpu, monkeypatch):  # noqa: F811
    steps = []

    def freezing(step_of):
        def steps_of(optimizer):
            step = step_of(optimizer)

            def take(x, labels):
                if len(steps) == 3:
                    # A user freezes a layer: parameters are updated one by one from here on.
                    next(iter(optimizer.target.params())).update_rule.enabled = False
                steps.append(Replay.made)
                step(x, labels)

            return take

        return steps_of

    found, ours = trained(freezing(CapturedStep), monkeypatch, 'sgd')
    assert (steps, Replay.made) == ([0, 0, 0, 1, 2, 2], 2)
    steps.clear()
    wanted, parameters = trained(freezing(eager), monkeypatch, 'sgd')
    assert found == wanted
    for one, other in zip(ours, parameters, strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_a_gpus_steps_are_captured_ones():
    optimizer = optimizers.build('sgd', Classifier(chainer.links.Linear(2, 2)), 0.1, {}, 0.0)
    assert type(step_of(optimizer, types.SimpleNamespace(xp=cupy))) is CapturedStep


class Stream:
    """A CUDA stream, and its graph, that note what is asked of them."""

    def __init__(self, calls, name):
        self.calls, self.name = calls, name

    def __getattr__(self, call):
        def noted(*arguments):
            self.calls.append((self.name, call, *(a for a in arguments if isinstance(a, str))))
            return f'after {self.name}' if call == 'record' else self

        return noted

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def launch(self, stream):
        self.calls.append((stream.name, 'launch'))


@pytest.fixture
def calls(gpu, monkeypatch):  # noqa: F811
    """Return what streams are asked for."""
    found = []
    monkeypatch.setattr(cupy.cuda, 'Stream', lambda non_blocking: Stream(found, 'ours'))
    monkeypatch.setattr(cupy.cuda, 'get_current_stream', lambda: Stream(found, 'current'))
    monkeypatch.setattr(capture.cuda, 'memory_pool', Stream(found, 'memory'))
    monkeypatch.setattr(capture, '_of_thread', threading.local())
    return found


def test_a_graph_is_launched_between_what_is_queued_before_and_after(calls):
    made = capture.Capture(lambda x: calls.append('computed') or x, [device(numpy.zeros(3, 'f4'))])
    assert calls == [
        ('current', 'synchronize'),
        ('memory', 'free_all_blocks'),
        ('ours', 'begin_capture'),
        'computed',
        ('ours', 'end_capture'),
    ]
    calls.clear()
    numpy.testing.assert_array_equal(host(made(device(numpy.arange(3, dtype='f4')))), [0, 1, 2])
    assert calls == [
        ('current', 'record'),
        ('ours', 'wait_event', 'after current'),
        ('ours', 'launch'),
        ('ours', 'record'),
        ('current', 'wait_event', 'after ours'),
    ]


def test_what_breaks_a_capture_off_is_said(calls, monkeypatch):
    def invalidated(self):
        raise RuntimeError('cudaErrorStreamCaptureInvalidated')

    def function(x):
        raise ValueError('no plan for this')

    monkeypatch.setattr(Stream, 'end_capture', invalidated, raising=False)
    with pytest.raises(ValueError, match='no plan for this'):
        capture.Capture(function, [device(numpy.zeros(3, 'f4'))])


def test_all_graphs_of_a_thread_share_a_stream_and_memory(calls):
    one, other = (capture.Capture(lambda x: x, [device(numpy.zeros(3, 'f4'))]) for _ in range(2))
    assert one._stream is other._stream
    assert capture._place()[1] is capture._place()[1]
