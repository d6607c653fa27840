"""What is said of a GPU that cannot be used, or not fast: by `-d 0` and by the doctor."""

import importlib.machinery
import sys
import types

import chainer
import pytest
from chainer.backends import cuda

from vgg_cifar.accelerators import cudnn, layers
from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.commands import doctor
from vgg_cifar.errors import InputError
from vgg_cifar.training import device
from vgg_cifar.training.device import get_device


@pytest.fixture
def stack(monkeypatch):
    """Return a function that has Chainer find so much of a GPU's software, and a GPU or none."""

    def put(*, cupy=True, libraries=True, card=True, dnn=True, graphs=True):
        device._notice.cache_clear()
        module = types.ModuleType('cupy')
        module.__spec__ = importlib.machinery.ModuleSpec('cupy', None)
        module.__version__ = '14.2.0'
        module.cuda = types.SimpleNamespace(
            is_available=lambda: card,
            runtime=types.SimpleNamespace(getDeviceProperties=lambda number: {'name': b'NVIDIA H100'}),
        )
        if cupy:
            monkeypatch.setitem(sys.modules, 'cupy', module)
        else:
            monkeypatch.delitem(sys.modules, 'cupy', raising=False)
            monkeypatch.setattr(sys, 'path', [])
        monkeypatch.setattr(cuda, 'available', cupy and libraries)
        monkeypatch.setattr(cuda, '_resolution_error', ImportError('no libcublas.so\nat all'), raising=False)
        monkeypatch.setattr(cuda, 'cudnn_enabled', dnn)
        monkeypatch.setattr(cudnn, 'live', lambda: dnn and graphs)
        monkeypatch.setattr(cuda, 'libcudnn', types.SimpleNamespace(getVersion=lambda: 91900), raising=False)
        monkeypatch.setattr(cuda, 'cudnn', types.SimpleNamespace(__file__=None), raising=False)
        missing = library.Unavailable('no libcudnn.so.9 (pip install nvidia-cudnn-cu13)')
        monkeypatch.setattr(library, '_load', lambda: missing)
        monkeypatch.setattr(
            chainer, 'get_device', lambda name: types.SimpleNamespace(name=name, use=lambda: None)
        )

    return put


MISSING = [
    ({'cupy': False}, 'CuPy is not installed: pip install ".[gpu]"'),
    ({'libraries': False}, "CuPy is installed, but not CUDA's libraries (no libcublas.so): pip install"),
    ({'card': False}, 'CuPy 14.2.0 finds no GPU here, or no driver for one'),
]


@pytest.mark.parametrize(('there', 'said'), MISSING)
def test_what_is_missing_is_said(stack, there, said):
    stack(**there)
    with pytest.raises(InputError) as refusal:
        get_device('0')
    assert str(refusal.value).startswith(f'-d 0: {said}')
    assert str(refusal.value).endswith('; or use -d -1 for the CPU')
    found = [finding for finding in doctor._gpu() if finding.subject == 'GPU']
    assert found[0].state == f'none: {cudnn.obstacle().partition(": ")[0]}'


def test_a_gpu_without_cudnn_is_used_with_a_notice(stack, caplog):
    stack(dnn=False)
    assert get_device('0').name == '@cupy:0'
    (notice,) = caplog.messages
    assert notice.startswith('-d 0: cuDNN: off, no libcudnn.so.9 (pip')
    assert notice.endswith('; convolutions are slower without it')
    gpu, dnn = doctor._gpu()
    assert gpu.state == 'NVIDIA H100, CuPy 14.2.0'
    assert (dnn.state, dnn.advice) == ('cuDNN: off, no libcudnn.so.9', 'pip install nvidia-cudnn-cu13')


def test_all_is_live(stack, caplog):
    stack()
    assert get_device('1').name == '@cupy:1'
    assert not caplog.messages
    assert [finding.state for finding in doctor._gpu()] == [
        'NVIDIA H100, CuPy 14.2.0',
        "cuDNN: live, version 9.19.0, CuPy's own",
    ]


def test_cudnn_without_its_graphs_is_one_notice_however_often_it_is_asked_for(stack, caplog):
    stack(graphs=False)
    for _ in range(2):
        assert get_device('0').name == '@cupy:0'
    assert caplog.messages == [
        '-d 0: cuDNN: live, version 9.19.0, CuPy\'s own, without its graphs (pip install "vgg-cifar[gpu]"); '
        'training steps are slower without them, as no layers are fused and no step is captured'
    ]
    *_, dnn = doctor._gpu()
    assert dnn.state == "cuDNN: live, version 9.19.0, CuPy's own, without its graphs"
    assert dnn.advice == 'pip install "vgg-cifar[gpu]"'
    with pytest.raises(InputError, match=r'compute is tf32, which needs cuDNN and its graphs'):
        layers.check_compute('tf32', types.SimpleNamespace(xp=None))


def test_what_is_computed_in_on_a_cpu():
    for compute in ('tf32', 'float16'):
        with pytest.raises(InputError, match='which is for GPUs; a CPU has float32 and bfloat16'):
            layers.check_compute(compute)


def test_the_cpu_asks_for_nothing(stack):
    stack(cupy=False)
    assert get_device('-1').name == '@numpy'
