"""Turns Ctrl-C and SIGTERM into a stop at the end of the current step."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from chainer.training import Extension, Trainer


class CleanStop(Extension):
    """A stop trigger that ends training after `epochs`, or at the next step once a signal has come.

    Registered as an extension too, so that the signals are caught while training runs and given back
    after it. A second Ctrl-C or SIGTERM acts at once, as it would without this.

    Args:
        epochs: when training ends by itself.
        asked: tells whether a stop is asked for by other means, where signals don't reach: in a thread.

    """

    trigger = 1, 'epoch'
    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, epochs: int, asked: Callable[[], bool] = lambda: False) -> None:
        self.epochs = epochs
        self._asked = asked
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def initialize(self, trainer: Trainer) -> None:
        # Only the main thread may set handlers; elsewhere whoever started the thread stops it.
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in self.signals}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self.finalize()

    def finalize(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def __call__(self, trainer: Trainer) -> bool:
        if self.received is None and self._asked():
            self.received = signal.SIGTERM
        return self.received is not None or trainer.updater.epoch >= self.epochs

    def get_training_length(self) -> tuple[int, str]:
        """Return the length for Chainer's progress bar."""
        return self.epochs, 'epoch'
