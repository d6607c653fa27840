"""What scripts/check_gpu.py compares on a GPU, compared on the stand-in for one."""

import importlib.util
from pathlib import Path

import pytest
from test_layers_on_gpu import gpu  # noqa: F401

from vgg_cifar.accelerators import cudnn

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location('check_gpu', ROOT / 'scripts' / 'check_gpu.py')
check_gpu = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_gpu)

NUMBERS = {'f4': 1e-4, 'f8': 1e-10}


@pytest.fixture(autouse=True)
def a_card(gpu, monkeypatch):  # noqa: F811
    monkeypatch.setattr(cudnn, 'obstacle', lambda: '')


@pytest.mark.parametrize('dtype', NUMBERS)
def test_chainers_functions(dtype):
    for name, function, shapes in check_gpu.functions():
        if name == 'group normalisation':
            # Its gradient is a kernel of Chainer's, which the stand-in does not know.
            continue
        assert check_gpu.worst_error(function, shapes, dtype, '0') < NUMBERS[dtype], name


@pytest.mark.parametrize(
    ('compute', 'error'), [('float32', 1e-4), ('tf32', 1e-4), ('float16', 3e-2), ('bfloat16', 0.2)]
)
@pytest.mark.parametrize('name', check_gpu.our_layers())
def test_our_layers(name, compute, error):
    assert check_gpu.worst_layer_error(name, compute, '0') < error
