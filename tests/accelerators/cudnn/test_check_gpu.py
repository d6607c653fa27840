"""What scripts/check_gpu.py compares on a GPU, compared on the stand-in for one."""

import types

import pytest
from processes import script
from test_capture import Replay
from test_layers_on_gpu import gpu  # noqa: F401

from vgg_cifar.accelerators import cudnn
from vgg_cifar.accelerators.cudnn import capture
from vgg_cifar.models import vgg

check_gpu = script('check_gpu')


@pytest.fixture(autouse=True)
def a_card(gpu, monkeypatch):  # noqa: F811
    monkeypatch.setattr(cudnn, 'obstacle', lambda: '')


@pytest.mark.parametrize('dtype', ['f4', 'f8'])
def test_chainers_functions(dtype):
    for name, function, shapes in check_gpu.functions():
        if name == 'group normalisation':
            # Its gradient is a kernel of Chainer's, which the stand-in does not know.
            continue
        error = check_gpu.worst_error(function, shapes, dtype, '0')
        assert error < check_gpu.LARGEST_ERROR[dtype], name


@pytest.mark.parametrize('compute', ['float32', 'tf32', 'float16', 'bfloat16'])
@pytest.mark.parametrize('name', check_gpu.our_layers())
def test_our_layers(name, compute):
    assert check_gpu.worst_layer_error(name, compute, '0') < check_gpu.LARGEST_ERROR[compute]


def test_steps(monkeypatch):
    monkeypatch.setitem(vgg.DEPTHS, 'listing', ((4,), (6, 5)))
    monkeypatch.setattr(vgg, 'HIDDEN_UNITS', 12)
    monkeypatch.setattr(capture, 'Capture', Replay)
    *_, found = check_gpu.steps(types.SimpleNamespace(small=True, device='0'))
    assert 'failed' not in found, found['failed']
    assert set(found) == {f'seed 0, {compute}' for compute in ('float32', 'tf32', 'bfloat16', 'float16')}
    for losses in found.values():
        assert losses['eager'] == losses['captured']
