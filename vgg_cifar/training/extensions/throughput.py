"""How fast training goes, evaluation and snapshots left out."""

import time

import chainer
from chainer.training import Extension, Trainer


class Throughput(Extension):
    """Report ``seconds`` and ``images_per_second`` of an epoch's steps.

    The clock stops when this extension runs, before any evaluation, and `restart` starts it again as
    the last thing before the next epoch's first step.

    Args:
        batch_size: images per step.
        device: waited for before the clock is read.

    """

    trigger = 1, 'epoch'
    priority = chainer.training.PRIORITY_WRITER + 100

    def __init__(self, batch_size: int, device: chainer.backend.Device) -> None:
        self.batch_size = batch_size
        self.device = device
        self._seconds = 0.0
        self._iteration = 0
        self._started: float | None = None

    def initialize(self, trainer: Trainer) -> None:
        self._started = time.perf_counter()

    def __call__(self, trainer: Trainer) -> None:
        seconds = self._elapsed()
        images = self.batch_size * (trainer.updater.iteration - self._iteration)
        chainer.report({'seconds': seconds, 'images_per_second': images / seconds})
        self._seconds, self._started, self._iteration = 0.0, None, trainer.updater.iteration

    def restart(self, trainer: Trainer) -> None:
        """Start the clock for the next epoch."""
        self._started = time.perf_counter()

    def _elapsed(self) -> float:
        if self._started is None:
            return self._seconds
        if self.device.xp is not chainer.backends.cuda.numpy:
            self.device.xp.cuda.get_current_stream().synchronize()
        return self._seconds + time.perf_counter() - self._started

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        # A run stopped in the middle of an epoch carries the time of its first part along.
        self._seconds = float(serializer('seconds', self._elapsed()))
        self._iteration = int(serializer('iteration', self._iteration))
        if isinstance(serializer, chainer.Serializer):
            self._started = None if self._started is None else time.perf_counter()
