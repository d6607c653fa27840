"""Aligned memory for arrays, used again once no array looks at it: fresh pages cost time."""

import collections
import threading
import weakref
from typing import Any

import numpy

# One cache line: the matrix units take twice as long over data that straddles two.
ALIGNMENT = 64

# Below this, malloc uses memory again on its own.
KEPT_FROM = 1 << 18


class _Store:
    """Memory by its size in bytes: the steps of a run ask for the same sizes again and again.

    At most twice as much is kept free as was in use at once before: the sizes do not all peak together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Arrays end at any time, within `take` as well; what they stood on waits here until `take` looks.
        self._returned: collections.deque[numpy.ndarray] = collections.deque()
        self._free: collections.OrderedDict[int, list[numpy.ndarray]] = collections.OrderedDict()
        self._n_free = self._n_used = self._most_used = 0

    def take(self, n_bytes: int) -> numpy.ndarray:
        with self._lock:
            self._collect()
            self._n_used += n_bytes
            self._most_used = max(self._most_used, self._n_used)
            found = self._free.get(n_bytes)
            if found:
                self._n_free -= n_bytes
                return found.pop()
        return numpy.empty(n_bytes, numpy.uint8)

    def give(self, memory: numpy.ndarray) -> None:
        self._returned.append(memory)

    def _collect(self) -> None:
        while self._returned:
            memory = self._returned.popleft()
            self._free.setdefault(memory.size, []).append(memory)
            self._free.move_to_end(memory.size)
            self._n_used -= memory.size
            self._n_free += memory.size
        while self._n_free > 2 * self._most_used:
            n_bytes, oldest = self._free.popitem(last=False)
            self._n_free -= n_bytes * len(oldest)


_store = _Store()


def buffer(n_bytes: int) -> numpy.ndarray:
    """Return uninitialised aligned memory, as bytes."""
    padded = n_bytes + ALIGNMENT
    root: numpy.ndarray
    if n_bytes < KEPT_FROM:
        root = numpy.empty(padded, numpy.uint8)
    else:
        # One of four sizes to a power of two, so that arrays of nearly the same size share. What is asked for
        # too much is never written, and the system gives no pages for it.
        step = 1 << (padded.bit_length() - 3)
        memory: Any = _store.take(-(-padded // step) * step)
        # All views of an array refer to the array that stands on something that is no array. That is `root`:
        # when it goes, no view is left.
        root = numpy.frombuffer(memoryview(memory), numpy.uint8)
        weakref.finalize(root, _store.give, memory).atexit = False
    start = -root.__array_interface__['data'][0] % ALIGNMENT
    return root[start : start + n_bytes]
