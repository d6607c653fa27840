"""Learning-rate schedules, from Chainer's extensions."""

from dataclasses import dataclass

import chainer
from chainer.training import Trainer, extensions

from vgg_cifar.training.extensions.cosine_annealing import CosineAnnealing

SCHEDULES = ('constant', 'step', 'linear', 'cosine')
MOVES_WITH_EPOCHS = ('linear', 'cosine')
"""The schedules in which the rate at a step depends on how many epochs there will be."""


@dataclass(frozen=True)
class Schedule:
    """How the learning rate moves.

    ``constant`` is the listing's: no schedule. ``step`` multiplies the rate by `decay` every `step` epochs,
    as Chainer's CIFAR example does. ``linear`` moves the rate at each step, from its first value to `decay`
    times that at the end of the last epoch. ``cosine`` does so along half a cosine, epoch by epoch.
    """

    name: str
    decay: float
    step: int


def add_schedule(
    trainer: Trainer, optimizer: chainer.Optimizer, rate: str, schedule: Schedule, epochs: int, steps: int
) -> None:
    """Extend `trainer` with a schedule.

    Args:
        trainer: of a run.
        optimizer: whose rate moves.
        rate: its name, ``lr`` or ``alpha``.
        schedule: which.
        epochs: of the run.
        steps: which are in these epochs.

    """
    if schedule.name == 'step':
        shift = extensions.ExponentialShift(rate, schedule.decay, optimizer=optimizer)
        trainer.extend(shift, trigger=(schedule.step, 'epoch'))
    elif schedule.name == 'linear':
        first = getattr(optimizer, rate)
        ends = first, first * schedule.decay
        trainer.extend(extensions.LinearShift(rate, ends, (0, steps), optimizer=optimizer))
    elif schedule.name == 'cosine':
        trainer.extend(CosineAnnealing(rate, schedule.decay, epochs, optimizer))
