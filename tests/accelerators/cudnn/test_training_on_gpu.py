"""A whole training on the stand-in for a GPU, from settings to weights, cut and resumed."""

import itertools
import json
import types

import numpy
import pytest
from host_memory import cupy
from test_capture import Replay
from test_layers_on_gpu import gpu  # noqa: F401

from vgg_cifar import npz
from vgg_cifar.accelerators import cudnn
from vgg_cifar.accelerators.cudnn import capture
from vgg_cifar.errors import Interrupted
from vgg_cifar.models import vgg
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import train


@pytest.fixture
def card(gpu, monkeypatch):  # noqa: F811
    """Let Chainer's device 0 be taken for a card."""
    monkeypatch.setattr(cudnn, 'obstacle', lambda: '')
    monkeypatch.setitem(vgg.DEPTHS, 'A', ((4,), (6, 5)))
    monkeypatch.setattr(vgg, 'HIDDEN_UNITS', 12)
    monkeypatch.setattr(capture, 'Capture', Replay)
    monkeypatch.setattr(cupy.cuda.runtime, 'getDeviceProperties', lambda number: {'name': b'none'})
    monkeypatch.setattr(cupy, 'random', types.SimpleNamespace(seed=lambda seed: None))


@pytest.mark.parametrize('compute', ['float32', 'float16'])
def test_a_cut_run_ends_as_one_in_one_go(card, tmp_path, compute):
    settings = Settings(
        train_size=40, test_size=20, validation_size=10, batch_size=10, epochs=3, model='vgg',
        model_options={'depth': 'A'}, compute=compute, chance_patience=0,
    )  # fmt: skip
    assert train(settings, tmp_path / 'whole', '0')['status'] == 'finished'
    asked = itertools.chain([False] * 6, itertools.repeat(True))
    with pytest.raises(Interrupted):
        train(settings, tmp_path / 'cut', '0', stop_asked=lambda: next(asked))
    train(settings, tmp_path / 'cut', '0')
    logs = [json.loads((tmp_path / name / 'log').read_text()) for name in ('whole', 'cut')]
    for one, other in zip(*logs, strict=True):
        assert {name: one[name] for name in one if 'main/' in name} == {
            name: other[name] for name in other if 'main/' in name
        }
    with (
        npz.opened(tmp_path / 'whole' / 'model.npz') as one,
        npz.opened(tmp_path / 'cut' / 'model.npz') as other,
    ):
        for name in one:
            numpy.testing.assert_array_equal(one[name], other[name])
