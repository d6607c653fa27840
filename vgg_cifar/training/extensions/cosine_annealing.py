"""The learning rate along half a cosine (Loshchilov and Hutter, 2017), without restarts."""

import math

import chainer
from chainer.training import Extension, Trainer


class CosineAnnealing(Extension):
    """Set the rate, after each epoch, on its way from its first value to `last` times that.

    The rate depends on the epoch alone, so a resumed run needs no state.

    Args:
        rate: the name of the optimizer's rate.
        last: the last rate over the first.
        epochs: in which the rate gets there.
        optimizer: whose rate it is; what it has now is the first.

    """

    trigger = 1, 'epoch'

    def __init__(self, rate: str, last: float, epochs: int, optimizer: chainer.Optimizer) -> None:
        self.rate = rate
        self.last = last
        self.epochs = epochs
        self.optimizer = optimizer
        self.first = float(getattr(optimizer, rate))

    def initialize(self, trainer: Trainer) -> None:
        self(trainer)

    def __call__(self, trainer: Trainer) -> None:
        way = (1 - math.cos(math.pi * min(trainer.updater.epoch / self.epochs, 1))) / 2
        setattr(self.optimizer, self.rate, self.first * (1 - way * (1 - self.last)))
