"""Learning-rate schedules, from Chainer's extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chainer
from chainer.training import Trainer, extensions

from vgg_cifar.training import optimizers
from vgg_cifar.training.extensions.cosine_annealing import CosineAnnealing

if TYPE_CHECKING:
    from vgg_cifar.training.settings import Settings

SCHEDULES = ('constant', 'step', 'linear', 'cosine')


def add_schedule(trainer: Trainer, settings: Settings, optimizer: chainer.Optimizer, n_images: int) -> None:
    """Extend `trainer` with the schedule that `settings` ask for.

    ``constant`` is the listing's: no schedule. ``step`` multiplies the rate by ``lr_decay`` every
    ``lr_step`` epochs, as Chainer's CIFAR example does. ``linear`` moves the rate at each step, from its
    first value to ``lr_decay`` times that at the end of the last epoch. ``cosine`` does so along half a
    cosine, epoch by epoch.
    """
    rate = optimizers.rate_name(settings.optimizer) or ''
    if settings.lr_schedule == 'step':
        shift = extensions.ExponentialShift(rate, settings.lr_decay, optimizer=optimizer)
        trainer.extend(shift, trigger=(settings.lr_step, 'epoch'))
    elif settings.lr_schedule == 'linear':
        first = getattr(optimizer, rate)
        span = (0, settings.epochs * n_images // settings.batch_size)
        trainer.extend(
            extensions.LinearShift(rate, (first, first * settings.lr_decay), span, optimizer=optimizer)
        )
    elif settings.lr_schedule == 'cosine':
        trainer.extend(CosineAnnealing(rate, settings.lr_decay, settings.epochs, optimizer))
