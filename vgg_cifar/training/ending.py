"""When a run ends: after its epochs, at a stop that was asked for, or because it cannot succeed any more."""

import signal
from collections.abc import Callable

from chainer.training import Trainer

from vgg_cifar.stop_signals import StopSignals
from vgg_cifar.training.extensions import Chance, Divergence


class Ending:
    """The stop trigger of a trainer.

    Args:
        epochs: after which a run is complete.
        failures: what notices that it cannot succeed.
        signals: what catches those that ask for a stop.
        asked: tells whether a stop is asked for by other means, where signals don't reach: in a thread.

    """

    def __init__(
        self,
        epochs: int,
        failures: tuple[Divergence, Chance],
        signals: StopSignals,
        asked: Callable[[], bool],
    ) -> None:
        self.epochs = epochs
        self._failures = failures
        self._signals = signals
        self._asked = asked

    def __call__(self, trainer: Trainer) -> bool:
        return self.stop() is not None or self.complete(trainer)

    def complete(self, trainer: Trainer) -> bool:
        """Return whether there is nothing left to train."""
        return self.reason is not None or trainer.updater.epoch >= self.epochs

    @property
    def reason(self) -> str | None:
        """Why the run cannot succeed; None while it may."""
        return next((each.reason for each in self._failures if each.reason is not None), None)

    def stop(self) -> signal.Signals | None:
        """Return the signal that asks for a stop, None where none does."""
        if self._signals.received is None and self._asked():
            return signal.SIGTERM
        return self._signals.received

    def get_training_length(self) -> tuple[int, str]:
        """Return the length for Chainer's progress bar."""
        return self.epochs, 'epoch'
