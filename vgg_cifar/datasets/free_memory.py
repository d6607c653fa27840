"""How much memory an array may still take, asked before it is allocated."""

import contextlib
import os
from pathlib import Path

from vgg_cifar.errors import InputError


def free_memory() -> int | None:
    """Return the bytes that can be allocated without swapping; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path('/proc/meminfo').read_text().splitlines():
            if line.startswith('MemAvailable:'):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return None


def require_memory(what: str, needed: int) -> None:
    """Raise InputError if `needed` bytes are more than there are; `what` names what needs them."""
    free = free_memory()
    if free is not None and needed > free:
        raise InputError(
            f'{what}: needs {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free; '
            'use fewer images, uint8 instead of floats, or a larger machine'
        )
