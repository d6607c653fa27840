"""When the accelerator is live, and when not: what a fresh interpreter finds."""

import os
import subprocess
import sys


def python(code, **environment):
    """Return what a fresh interpreter prints."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(('VGG_CIFAR', 'CHAINER', 'OMP'))}
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


STATE = 'print(chainer.backends.intel64.is_ideep_available(), chainer.config.use_ideep)'


def test_importing_the_package_switches_it_on_and_imports_nothing():
    """Also in other threads, and with as many threads of OpenMP as its variable says."""
    code = f"""
import sys, threading, vgg_cifar
print([name for name in ('chainer', 'numpy', 'ideep4py') if name in sys.modules])
import chainer
{STATE}
thread = threading.Thread(target=lambda: print(chainer.config.use_ideep))
thread.start()
thread.join()
print(vgg_cifar.accelerators.onednn.status())
"""
    nothing, state, other_thread, status = python(code, OMP_NUM_THREADS='2').split('\n')
    assert (nothing, state, other_thread) == ('[]', 'True auto', 'auto')
    assert status.startswith('oneDNN: live, version 3.')
    assert status.endswith(', 2 threads')


def test_chainer_may_come_first():
    code = f"""
import os
os.environ['VGG_CIFAR_ACCELERATOR'] = 'off'
from vgg_cifar.accelerators import onednn
import chainer
del os.environ['VGG_CIFAR_ACCELERATOR']
chainer.get_array_types()
print(chainer.backends.intel64.is_ideep_available())
onednn.enable()
{STATE}
import numpy, chainer.functions as F
x = chainer.Variable(numpy.ones((2, 3, 4, 4), 'f'))
y = F.sum(F.max_pooling_2d(x, 2)); y.backward()
print(x.grad.sum())
"""
    assert python(code).split('\n') == ['False', 'True auto', '24.0']


def test_the_variable_switches_it_off():
    code = f'import vgg_cifar, chainer; {STATE}; print(vgg_cifar.accelerators.onednn.status())'
    first, second = python(code, VGG_CIFAR_ACCELERATOR='off').split('\n')
    assert first == 'False never'
    assert 'VGG_CIFAR_ACCELERATOR=off' in second


def test_chainers_own_variable_decides_about_its_use():
    code = f'import vgg_cifar, chainer; {STATE}; print(vgg_cifar.accelerators.onednn.status())'
    first, second = python(code, CHAINER_USE_IDEEP='never').split('\n')
    assert first == 'True never'
    assert "use_ideep is 'never'" in second


def test_without_the_library_numpy_serves():
    code = f"""
import ctypes
load = ctypes.CDLL
def missing(name, *args, **kwargs):
    if name and 'dnnl' in str(name):
        raise OSError(name + ': not here')
    return load(name, *args, **kwargs)
ctypes.CDLL = missing
import vgg_cifar, chainer, numpy
{STATE}
print(chainer.functions.relu(numpy.ones((2, 2), 'f')).array.sum(), vgg_cifar.accelerators.onednn.status())
"""
    first, second = python(code).split('\n')
    assert first.startswith('False')
    assert second.startswith('4.0 oneDNN: off, ')
    assert 'pip install onednn-cpu-gomp' in second


def test_a_real_ideep4py_is_left_alone(tmp_path):
    (tmp_path / 'ideep4py.py').write_text('class mdarray: pass\n__version__ = "real"\n')
    code = (
        f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import vgg_cifar, chainer; '
        'print(chainer.backends.intel64.ideep.__version__, vgg_cifar.accelerators.onednn.status())'
    )
    assert python(code) == 'real oneDNN: off, the real ideep4py is installed, and is used'
