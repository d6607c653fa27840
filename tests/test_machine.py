"""What the machine says of itself."""

import os

import pytest
from processes import run_code

from vgg_cifar import machine


def test_the_machine_is_described():
    assert machine.cpu_model()
    assert 0 < machine.cores() <= os.cpu_count()
    assert machine.memory() is None or machine.memory() > 2**20


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='no affinity here')
def test_cores_follow_the_affinity():
    code = (
        'import os\n'
        'from vgg_cifar import machine\n'
        'os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n'
        'print(machine.cores() <= 1)'
    )
    assert run_code(code) == 'True\n'


@pytest.mark.parametrize(
    'given, wanted',
    [
        ('3', 3),
        ('4,2', 4),
        (' 2 ', 2),
        ('5000', 8),
        ('9' * 9999, 8),
        *((no, 6) for no in ('', 'abc', '0', '-1', ',2', '1.5', '²')),
    ],
)
def test_threads_are_what_openmp_is_told_or_the_cores(monkeypatch, given, wanted):
    monkeypatch.setattr(machine, 'cores', lambda: 5.5)
    monkeypatch.setattr('os.cpu_count', lambda: 8)
    monkeypatch.setenv('OMP_NUM_THREADS', given)
    assert machine.threads() == wanted


@pytest.fixture
def control_group(tmp_path, monkeypatch):
    """A folder that stands in for the innermost control group of this process."""
    monkeypatch.setattr(machine, '_control_groups', lambda controller: iter([tmp_path]))
    return tmp_path


def test_cores_follow_the_quota(control_group):
    (control_group / 'cpu.max').write_text('50000 100000\n')
    assert machine.cores() == 0.5
    (control_group / 'cpu.max').write_text('max 100000\n')
    assert machine.cores() >= 1


def test_free_memory_follows_the_control_group(control_group):
    without = machine.free_memory()
    (control_group / 'memory.max').write_text(f'{2**20}\n')
    (control_group / 'memory.current').write_text(f'{2**19 + 4096}\n')
    (control_group / 'memory.stat').write_text('anon 7\ninactive_file 4096\n')
    assert machine.memory() == 2**20
    assert machine.free_memory() == 2**19
    (control_group / 'memory.max').write_text('max\n')
    assert abs(machine.free_memory() - without) < without / 2
