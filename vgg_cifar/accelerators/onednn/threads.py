"""The threads of oneDNN's OpenMP: as many as machine.threads says; how they wait, and where they run."""

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
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


def together(call: Callable[..., object], *arguments: Any) -> None:
    """Call oneDNN with all of its threads."""
    spread()
    call(*arguments)


def alone(call: Callable[..., object], *arguments: Any) -> None:
    """Call oneDNN with no thread but the calling one: others take longer to wake than little work."""
    number = used()
    if number == 1:
        call(*arguments)
        return
    openmp = _openmp()
    try:
        openmp.omp_set_num_threads(1)
        call(*arguments)
    finally:
        openmp.omp_set_num_threads(number)


class _Places(threading.local):
    """The threads that OpenMP has beside this one, and around which processor they were spread."""

    def __init__(self) -> None:
        self.processors: set[int] | None = None
        self.workers: list[int] = []
        self.around: int | None = None


_places = _Places()


def spread() -> None:
    """Keep each of OpenMP's threads to a processor, but for the calling one, where there are just as many.

    Left to itself beside one other process, Linux may keep two of them on one processor for good, where they
    wait for each other: R1's step took 17 times as long as on an idle machine. The calling thread, whose
    processors its children inherit, goes where the system puts it, and the others get out of its way when
    this is called again. Where OpenMP is told how to place threads, it does.
    """
    if not hasattr(os, 'sched_getaffinity'):
        return
    processors = os.sched_getaffinity(0)
    if processors != _places.processors:
        if used() == 1:
            # For now, perhaps: nothing is to be noted.
            return
        _begin(processors)
    if not _places.workers:
        return
    here = _openmp().sched_getcpu()
    if here == _places.around or here not in processors:
        return
    _places.around = here
    try:
        for worker, processor in zip(_places.workers, sorted(processors - {here}), strict=True):
            os.sched_setaffinity(worker, {processor})
    except ProcessLookupError:
        # OpenMP ends threads when it needs fewer, and makes new ones.
        _begin(processors)
    except OSError:
        _places.workers = []


def _begin(processors: set[int]) -> None:
    """Note the threads that are to be spread over these processors."""
    for worker in _places.workers:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(worker, processors)
    _places.processors, _places.workers, _places.around = processors, [], None
    told = {'OMP_PROC_BIND', 'OMP_PLACES', 'GOMP_CPU_AFFINITY'} & set(os.environ)
    if not told and 1 < used() == len(processors):
        workers = _workers()
        _places.workers = workers if len(workers) == len(processors) - 1 else []


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
