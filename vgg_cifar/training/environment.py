"""What a run ran on."""

import platform
from typing import Any

import chainer

from vgg_cifar import machine
from vgg_cifar.accelerators import onednn
from vgg_cifar.json_file import Record
from vgg_cifar.versions import version

PACKAGES = ('vgg-cifar', 'chainer', 'numpy', 'h5py', 'matplotlib', 'onednn-cpu-gomp', 'cupy')


def describe(device: chainer.backend.Device) -> dict[str, Any]:
    """Return the versions, the machine and the device, as plain values for environment.json."""
    return {
        'python': platform.python_version(),
        'packages': {name: found for name in PACKAGES if (found := version(name))},
        'platform': platform.platform(),
        'processor': machine.cpu_model(),
        'cores': machine.cores(),
        'device': str(device),
        'cpu_accelerator': onednn.status(),
    }


def check(record: Record) -> None:
    """Raise InputError unless a file's record is what `describe` has returned, here or elsewhere."""
    for name in ('python', 'platform', 'processor', 'device'):
        record.text(name)
    # The first runs did not record it.
    if 'cpu_accelerator' in record:
        record.text('cpu_accelerator')
    record.number('cores', 0, 2**20)
    packages = record.record('packages')
    for name in packages:
        packages.text(name)
