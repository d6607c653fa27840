"""Turns Ctrl-C and SIGTERM into a stop at the end of the current step."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from chainer.training import Extension, Trainer

from vgg_cifar.training.communicator import OneProcess


class CleanStop(Extension):
    """A stop trigger that ends training after `epochs`, or at the next step once a signal has come.

    Registered as an extension too, so that the signals are caught while training runs and given back
    after it. A second Ctrl-C or SIGTERM acts at once, as it would without this. Several processes stop at the
    same step, whichever of them has got a signal.

    Args:
        epochs: when training ends by itself.
        asked: tells whether a stop is asked for by other means, where signals don't reach: in a thread.
        processes: which train together.

    """

    trigger = 1, 'epoch'

    def __init__(self, epochs: int, asked: Callable[[], bool], processes: OneProcess) -> None:
        self.epochs = epochs
        self.received: signal.Signals | None = None
        self._asked = asked
        self._processes = processes
        # What has come to this process; `received` is what all have agreed on.
        self._own: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def initialize(self, trainer: Trainer) -> None:
        # Only the main thread may set handlers; elsewhere whoever started the thread stops it.
        if threading.current_thread() is threading.main_thread():
            signals = self._processes.signals
            self._previous = {number: signal.signal(number, self._receive) for number in signals}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._own = signal.Signals(number)
        self._give_back()

    def finalize(self) -> None:
        # Where another process's signal has stopped this one, its own may still be on the way.
        if self._own is not None or self.received is None:
            self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def __call__(self, trainer: Trainer) -> bool:
        if self._own is None and self._asked():
            self._own = signal.SIGTERM
        number = self._processes.greatest(self._own or 0)
        if number:
            self.received = signal.Signals(number)
        return self.received is not None or trainer.updater.epoch >= self.epochs

    def get_training_length(self) -> tuple[int, str]:
        """Return the length for Chainer's progress bar."""
        return self.epochs, 'epoch'
