"""NumPy's products of matrices on one thread: OpenBLAS wakes the threads of its pool for small ones too.

On a busy machine it then waits for them for much longer than the product takes: a step of 3 ms took 400.
"""

import ctypes
import functools
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# NumPy's wheels and SciPy's, and builds of the system, each have their own prefix and suffix.
PREFIXES, SUFFIXES = ('scipy_openblas', 'openblas'), ('64_', '')


class _OneThread:
    """Inside a `with` of it, products are computed on the calling thread alone, where BLAS is OpenBLAS.

    Threads may be inside together, and one may enter again: the first sets the number, the last puts it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [get() for get, _ in _calls()]
                _set([1] * len(self._before))
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _set(self._before)


one_thread = _OneThread()


def _set(numbers: Sequence[int]) -> None:
    for (_, set_number), number in zip(_calls(), numbers, strict=True):
        set_number(number)


@functools.cache
def _calls() -> list[tuple[Callable[[], int], Callable[[int], object]]]:
    """Return, of each OpenBLAS in this process, what tells and what sets the number of its threads."""
    try:
        mapped = Path('/proc/self/maps').read_text()
    except OSError:
        return []
    found = []
    for path in sorted(set(re.findall(r'/.*openblas.*\.so.*', mapped))):
        library = ctypes.CDLL(path)
        for prefix in PREFIXES:
            for suffix in SUFFIXES:
                names = (f'{prefix}_{verb}_num_threads{suffix}' for verb in ('get', 'set'))
                calls: list[Any] = [getattr(library, name, None) for name in names]
                if all(calls):
                    found.append((calls[0], calls[1]))
    return found
