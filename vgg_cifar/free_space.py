"""Room in memory and on the disk, made sure of before it is taken."""

import os
import shutil
from pathlib import Path

from vgg_cifar import machine
from vgg_cifar.counting import in_bytes
from vgg_cifar.errors import InputError


def require_memory(what: str, needed: int) -> None:
    """Raise InputError if `needed` bytes are more than are free; `what` names what needs them."""
    free = machine.free_memory()
    if free is not None and needed > free:
        raise InputError(
            f'{what}: needs {in_bytes(needed)} of memory, {in_bytes(free)} are free, '
            f'{in_bytes(needed - free)} too few; use fewer images, uint8 instead of floats, or a larger '
            'machine'
        )


def require_disk(path: Path, size: int, later: int = 0) -> None:
    """Raise InputError unless a file of `size` bytes, and `later` more, fit at `path`, where no file is.

    HDF5's library does not survive a disk that fills up while it writes.
    """
    free = shutil.disk_usage(path.parent).free
    if size + later > free:
        raise InputError(
            f'{path.absolute().parent}: {in_bytes(size + later)} are needed, {in_bytes(free)} are free; '
            f'free {in_bytes(size + later - free)} more, or write to another disk'
        )
    try:
        # The system knows of quotas and limits too.
        reserve(path, size)
    finally:
        path.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """Give a file its blocks on the disk up to `size`. Raises OSError where there is too little space."""
    if hasattr(os, 'posix_fallocate'):
        with path.open('ab') as file:
            os.posix_fallocate(file.fileno(), 0, size)
