"""These tests need NVIDIA's wheels, and no GPU; without the wheels there is nothing to test."""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from vgg_cifar.accelerators import cudnn
from vgg_cifar.accelerators.onednn import VARIABLE

# The tests share modules, and so do the processes that they start.
sys.path.insert(0, str(Path(__file__).parent))


def _missing():
    if os.environ.get(VARIABLE):
        return f'switched off by {VARIABLE}'
    if importlib.util.find_spec('cupy') is None:
        return 'CuPy is not installed: pip install -e ".[gpu]"'
    from chainer.backends import cuda

    return '' if cuda.cudnn_enabled else cudnn.status()


MISSING = _missing()


@pytest.fixture(scope='session', autouse=True)
def _needs_wheels():
    if MISSING:
        pytest.skip(MISSING)


@pytest.fixture(scope='module')
def emulation():
    """Have CuPy and cuDNN work on the host's memory for the tests of a module."""
    import emulated
    import host_memory
    from cuda.pathfinder import load_nvidia_dynamic_lib

    from vgg_cifar.accelerators.cudnn import convolution, handles, library

    library.load()
    emulation = emulated.Emulation(ctypes.CDLL(load_nvidia_dynamic_lib('cudnn').abs_path))
    stand_in = library.Library(emulation)
    with pytest.MonkeyPatch.context() as patch, host_memory.in_use(patch):
        patch.setattr(library, 'load', lambda: stand_in)
        patch.setattr(convolution, '_plans', {})
        # Room for the largest algorithm that is listed, and no more to fill with NaN.
        patch.setattr(handles, '_workspace_limit', 1 << 16)
        patch.setattr(handles, '_of_thread', type(handles._of_thread)())
        yield emulation


@pytest.fixture(autouse=True)
def _own_checks(request):
    """Fail a test if what stands for cuDNN was called wrongly in it."""
    if 'emulation' not in request.fixturenames:
        yield
        return
    emulation = request.getfixturevalue('emulation')
    emulation.calls.clear()
    emulation.failures.clear()
    yield
    assert not emulation.failures, '\n'.join(emulation.failures)
