"""How many threads oneDNN's OpenMP uses, as many as machine.threads says, and how they wait."""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from vgg_cifar import machine

# How often a thread of GNU OpenMP looks for the others, or for work, before it sleeps: about a millisecond.
# By default, 300000, it looks on for longer, and on a busy machine keeps those it waits for from running.
# Less, and it sleeps within steps of an idle machine too: with 1000, R1's step took a fifth longer.
SPINS = '50000'


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Load libraries with OpenMP inside this: they then have no more threads than machine.threads says.

    OpenMP knows the affinity mask, not the container's quota. It reads its variables once, when loaded. The
    environment is put back afterwards, so that child processes count for themselves. Where it says how
    threads are to wait, they do so.
    """
    number = machine.threads()
    wanted = {'OMP_NUM_THREADS': str(number)}
    if 'OMP_WAIT_POLICY' not in os.environ:
        wanted['GOMP_SPINCOUNT'] = os.environ.get('GOMP_SPINCOUNT', SPINS)
    given = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in given.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
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
