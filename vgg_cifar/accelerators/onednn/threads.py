"""How many threads oneDNN's OpenMP uses: OMP_NUM_THREADS, else as many CPUs as this process may use."""

import contextlib
import ctypes
import math
import os
from collections.abc import Iterator

from vgg_cifar import machine


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Load libraries with OpenMP inside this: their threads are then limited to the process's cores.

    OpenMP knows the affinity mask, not the container's quota. It reads OMP_NUM_THREADS once, when loaded.
    The environment is put back afterwards, so that child processes count for themselves.
    """
    if 'OMP_NUM_THREADS' in os.environ:
        yield
        return
    number = max(1, math.ceil(machine.cores()))
    os.environ['OMP_NUM_THREADS'] = str(number)
    try:
        yield
    finally:
        del os.environ['OMP_NUM_THREADS']
    # Where another library had loaded OpenMP before, its own call is the only way; it holds for this thread.
    if used() > number:
        _openmp().omp_set_num_threads(number)


def used() -> int:
    """Return the number of threads that oneDNN uses when called from this thread."""
    try:
        return int(_openmp().omp_get_max_threads())
    except (OSError, AttributeError):
        return 1


def _openmp() -> ctypes.CDLL:
    return ctypes.CDLL('libgomp.so.1')
