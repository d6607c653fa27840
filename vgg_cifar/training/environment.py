"""What a run ran on."""

import datetime
import functools
import platform
import subprocess
from pathlib import Path
from typing import Any

import chainer
import numpy

from vgg_cifar import machine
from vgg_cifar.accelerators import onednn
from vgg_cifar.json_file import Record
from vgg_cifar.versions import version

PACKAGES = (
    *('vgg-cifar', 'chainer', 'numpy', 'h5py', 'matplotlib', 'onednn-cpu-gomp'),
    *('cupy-cuda12x', 'cupy-cuda13x', 'nvidia-cudnn-cu12', 'nvidia-cudnn-cu13', 'nvidia-cudnn-frontend'),
)


def describe(device: chainer.backend.Device) -> dict[str, Any]:
    """Return the versions, the machine, the device and the date (UTC), as plain values for environment.json.

    Where the package runs from a checkout, ``commit`` is there too.
    """
    commit = checkout_commit()
    return {
        'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d'),
        **({} if commit is None else {'commit': commit}),
        'python': platform.python_version(),
        'packages': {name: found for name in PACKAGES if (found := version(name))},
        'platform': platform.platform(),
        'processor': machine.cpu_model(),
        'cores': machine.cores(),
        'device': str(device),
        'cpu_accelerator': onednn.status(),
        **({} if device.xp is numpy else {'gpu': _gpu_name(device)}),
    }


def _gpu_name(device: Any) -> str:
    return device.xp.cuda.runtime.getDeviceProperties(device.device.id)['name'].decode()


def check(record: Record) -> None:
    """Raise InputError unless a file's record is what `describe` has returned, here or elsewhere."""
    for name in ('python', 'platform', 'processor', 'device'):
        record.text(name)
    # The first runs did not record them, and not every package lies in a checkout.
    for name in ('cpu_accelerator', 'date', 'commit', 'gpu'):
        if name in record:
            record.text(name)
    record.number('cores', 0, 2**20)
    packages = record.record('packages')
    for name in packages:
        packages.text(name)


@functools.cache
def checkout_commit() -> str | None:
    """Return the commit of the checkout that this package lies in, ``+`` behind it where files differ.

    None where the package is installed without its repository, which may then be in somebody else's, or git
    does not answer.
    """
    root = Path(__file__).parents[2]
    if not (root / '.git').exists():
        return None
    try:
        commit, changes = (
            subprocess.run(
                ['git', '-C', root, *arguments], capture_output=True, text=True, timeout=10, check=True
            ).stdout.strip()
            for arguments in (
                ('rev-parse', '--short=12', 'HEAD'),
                ('status', '--porcelain', '--untracked-files=no', '--', 'vgg_cifar'),
            )
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + '+' * bool(changes)
