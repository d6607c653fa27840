"""Room on the disk, made sure of before HDF5 writes: its library does not survive a disk that fills up."""

import os
import shutil
from pathlib import Path

from vgg_cifar.errors import InputError


def require_space(path: Path, size: int, later: int = 0) -> None:
    """Raise InputError unless a file of `size` bytes, and `later` more, fit at `path`, where no file is."""
    free = shutil.disk_usage(path.parent).free
    if size + later > free:
        raise InputError(
            f'{path.parent}: {(size + later) / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; '
            'free some space, or write to another disk'
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
