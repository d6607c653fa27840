"""How many threads oneDNN's OpenMP uses: OMP_NUM_THREADS, else as many CPUs as this process may use."""

import contextlib
import ctypes
import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path('/sys/fs/cgroup')


def _cgroup_limit(membership: Path = Path('/proc/self/cgroup'), root: Path = CGROUP) -> float:
    """Return the CPUs that the process's control groups allow; infinity where they do not limit."""
    limit = math.inf
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return limit
    for line in lines:
        _, controllers, name = line.split(':', 2)
        if controllers and 'cpu' not in controllers.split(','):
            continue
        # A container often sees its own group as the root, whatever the name says: look at every level.
        base = root / controllers if controllers else root
        inner = base / name.lstrip('/')
        for folder in [inner, *inner.parents]:
            if folder == root.parent:
                break
            limit = min(limit, _quota(folder))
    return limit


def _quota(folder: Path) -> float:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / 'cpu.max').read_text().split()
        return math.inf if quota == 'max' else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota = (folder / 'cpu.cfs_quota_us').read_text()
        period = (folder / 'cpu.cfs_period_us').read_text()
        return math.inf if int(quota) <= 0 else int(quota) / int(period)
    return math.inf


def allowed() -> int:
    """Return how many threads pay here: the CPUs of the affinity mask, cut to the control group's limit."""
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), _cgroup_limit())))


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Load libraries with OpenMP inside this: their threads then default to `allowed()`.

    OpenMP knows the affinity mask, not the control group. It reads OMP_NUM_THREADS once, when it is loaded.
    The environment is put back afterwards, so that child processes count for themselves.
    """
    if 'OMP_NUM_THREADS' in os.environ:
        yield
        return
    number = allowed()
    os.environ['OMP_NUM_THREADS'] = str(number)
    try:
        yield
    finally:
        del os.environ['OMP_NUM_THREADS']
    # Where another library had loaded OpenMP before, its own call is the only way; it holds for this thread.
    with contextlib.suppress(OSError, AttributeError):
        openmp = ctypes.CDLL('libgomp.so.1')
        if openmp.omp_get_max_threads() > number:
            openmp.omp_set_num_threads(number)


def used() -> int:
    """Return the number of threads that oneDNN uses when called from this thread."""
    try:
        return int(ctypes.CDLL('libgomp.so.1').omp_get_max_threads())
    except (OSError, AttributeError):
        return allowed()
