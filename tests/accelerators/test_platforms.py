"""Where oneDNN cannot be had: other systems, processors and C libraries, as far as they can be feigned."""

import pytest
from processes import run_code

ELSEWHERE = {
    'Windows': """
import numpy
import os, platform, signal
for module, names in (
    (os, ('register_at_fork', 'fork', 'uname', 'sched_getaffinity', 'sysconf', 'getuid')),
    (signal, ('SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'setitimer', 'pthread_sigmask')),
):
    for name in names:
        delattr(module, name)
platform.system, platform.machine, platform.processor = lambda: 'Windows', lambda: 'AMD64', lambda: 'An x86'
""",
    'aarch64': """
import pathlib, platform
platform.machine, platform.processor = lambda: 'aarch64', lambda: ''
read = pathlib.Path.read_text
cpu = 'processor\\t: 0\\nCPU implementer\\t: 0x41\\nCPU part\\t: 0xd40\\n'
pathlib.Path.read_text = lambda self, *a, **k: cpu if str(self) == '/proc/cpuinfo' else read(self, *a, **k)
""",
    'musl': """
import ctypes, sysconfig
real = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 'x86_64-alpine-linux-musl' if name == 'HOST_GNU_TYPE' else real(name)
load = ctypes.CDLL
def missing(name, *args, **kwargs):
    if name and 'dnnl' in str(name):
        raise OSError(f'{name}: not here')
    return load(name, *args, **kwargs)
ctypes.CDLL = missing
""",
}
SAYS = {
    'Windows': 'oneDNN: off, oneDNN is used on x86-64 Linux only, this is Windows on AMD64',
    'aarch64': 'oneDNN: off, oneDNN is used on x86-64 Linux only, this is Linux on aarch64',
    'musl': '(onednn-cpu-gomp is built for glibc, and this Linux has musl)',
}


@pytest.mark.parametrize('place', ELSEWHERE)
def test_numpy_serves_and_the_doctor_says_why(place):
    """A step of training comes out, and the report names the machine as it is."""
    printed = run_code(
        ELSEWHERE[place]
        + """
import vgg_cifar
import chainer, numpy
from vgg_cifar import cli, machine
from vgg_cifar.accelerators.optimizers import Adam
from vgg_cifar.models import MLP

network = MLP(hidden=1)
optimizer = Adam().setup(network)
optimizer.update(lambda: chainer.functions.sum(network(numpy.ones((2, 1, 28, 28), 'f'))))
print(cli.main(['doctor']), machine.cpu_model())
"""
    )
    assert SAYS[place] in printed
    status, _, processor = printed.splitlines()[-1].partition(' ')
    assert status == '0'
    assert processor == {'Windows': processor, 'aarch64': 'aarch64', 'musl': processor}[place]
