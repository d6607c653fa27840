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
