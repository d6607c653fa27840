"""The threads of oneDNN's OpenMP: as many as machine.threads says; how they wait, and where they run."""

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

from vgg_cifar import machine

# How often a thread of GNU OpenMP looks for the others, or for work, before it sleeps: half a millisecond
# at most. By default, 300000, it looks on for longer, and on a busy machine keeps those it waits for from
# running. With 1000, it sleeps within steps of an idle machine too, and R1's step took a seventh longer.
SPINS = '20000'


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


class _Apart(threading.local):
    """Inside a `with` of it, the threads that compute keep each to a processor, where there are just as many.

    Left to itself beside one other process, Linux may keep two of them on one processor for good, where they
    wait for each other: R1's step took 17 times as long as on an idle machine. The calling thread stays where
    it is, and may move again afterwards. Where OpenMP is told how to place threads, it does. A thread may
    enter again.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._processors: set[int] | None = None
        self._workers: list[int] = []
        self._at: int | None = None

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        try:
            if self._processors is None or (self._workers and self._processors != os.sched_getaffinity(0)):
                self._begin()
            if self._workers:
                self._place()
        except OSError:
            # The processors of this process are changing just now.
            self._workers = []

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._workers and self._processors:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._processors)

    def _begin(self) -> None:
        self._processors = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else set()
        self._workers, self._at = [], None
        told = {'OMP_PROC_BIND', 'OMP_PLACES', 'GOMP_CPU_AFFINITY'} & set(os.environ)
        if not told and 1 < used() == len(self._processors):
            self._workers = _workers()

    def _place(self) -> None:
        processors = self._processors or set()
        here = _openmp().sched_getcpu()
        if here not in processors:
            return
        if here != self._at:
            for worker, processor in zip(self._workers, sorted(processors - {here}), strict=True):
                os.sched_setaffinity(worker, {processor})
            self._at = here
        os.sched_setaffinity(0, {here})


apart = _Apart()


def _workers() -> list[int]:
    """Return the system's numbers of the threads that OpenMP runs beside the calling one."""
    found = []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def note(_: Any) -> None:
        found.append(threading.get_native_id())

    _openmp().GOMP_parallel(note, None, 0, 0)
    return [number for number in found if number != threading.get_native_id()]


@functools.cache
def _openmp() -> ctypes.CDLL:
    return ctypes.CDLL('libgomp.so.1')
