"""What a run ran on."""

import os
import platform
from importlib import metadata
from typing import Any

import chainer

PACKAGES = ('vgg-cifar', 'chainer', 'numpy', 'h5py', 'matplotlib', 'onednn-cpu-gomp', 'cupy')


def describe(device: chainer.backend.Device) -> dict[str, Any]:
    """Return the versions, the machine and the device, as plain values for environment.json."""
    return {
        'python': platform.python_version(),
        'packages': {name: version for name in PACKAGES if (version := _version(name))},
        'platform': platform.platform(),
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        'device': str(device),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open('/proc/cpuinfo') as lines:
            return next(line.split(':', 1)[1].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor()
