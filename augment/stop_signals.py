"""Turns Ctrl-C and SIGTERM into an exception that loses nothing."""

import contextlib
import queue
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from vgg_cifar.errors import Interrupted


class StopSignals:
    """While it is entered, a first signal raises Interrupted in the main thread; a second one kills at once.

    Where other threads work, an exception that comes at any moment could leave them behind: there, `sent_to`
    has it put into a queue instead.

    Args:
        left: what a stop leaves, for the message.

    """

    numbers = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, left: str) -> None:
        self._left = left
        self._previous: dict[signal.Signals, Any] = {}
        self._queue: queue.SimpleQueue[Any] | None = None

    def __enter__(self) -> 'StopSignals':
        # Only the main thread may set handlers; elsewhere whoever started the thread stops it.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in self.numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for one in self._previous:
            signal.signal(one, signal.SIG_DFL)
        error = Interrupted(signal.Signals(number), self._left)
        if self._queue is None:
            raise error
        self._queue.put(error)

    @contextlib.contextmanager
    def sent_to(self, results: queue.SimpleQueue[Any]) -> Iterator[None]:
        """Put the exception into `results`; one that is still there in the end is raised."""
        self._queue = results
        try:
            yield
        finally:
            self._queue = None
        while not results.empty():
            result = results.get()
            if isinstance(result, Interrupted):
                raise result
