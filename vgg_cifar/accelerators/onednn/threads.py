"""How many threads oneDNN's OpenMP uses: as many as machine.threads says."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from vgg_cifar import machine


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Load libraries with OpenMP inside this: they then have no more threads than machine.threads says.

    OpenMP knows the affinity mask, not the container's quota. It reads OMP_NUM_THREADS once, when loaded.
    The environment is put back afterwards, so that child processes count for themselves.
    """
    number, given = machine.threads(), os.environ.get('OMP_NUM_THREADS')
    os.environ['OMP_NUM_THREADS'] = str(number)
    try:
        yield
    finally:
        if given is None:
            del os.environ['OMP_NUM_THREADS']
        else:
            os.environ['OMP_NUM_THREADS'] = given
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
