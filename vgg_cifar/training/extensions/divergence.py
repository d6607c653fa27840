"""Notices a run that cannot succeed any more."""

import math

import chainer
from chainer.training import Extension, Trainer

from vgg_cifar.counting import counted


class Divergence(Extension):
    """Notice that the loss is not finite: `reason` then says so, and is None before."""

    trigger = 1, 'iteration'
    # Before the log's entry, which is due where training ends.
    priority = chainer.training.PRIORITY_WRITER + 150

    def __init__(self) -> None:
        self.reason: str | None = None

    def __call__(self, trainer: Trainer) -> None:
        loss = trainer.observation['main/loss'].array
        new_epoch = trainer.updater.is_new_epoch
        # On a GPU reading the loss waits for the step to end, so there it is read once an epoch.
        if (new_epoch or isinstance(loss, chainer.get_cpu_array_types())) and not math.isfinite(float(loss)):
            self.reason = (
                f'the loss is {float(loss)} in epoch {trainer.updater.epoch + (not new_epoch)}, '
                f'step {trainer.updater.iteration}; try a lower --lr'
            )


class Chance(Extension):
    """Notice that accuracy stays at chance: `reason` then says so, and is None before.

    Chance means within three standard errors of 1 / `n_classes` over the images, in each of the last
    `patience` entries of the log. Where even a perfect accuracy is within them, because there is one class or
    few images, nothing is ever taken for chance.

    Args:
        n_classes: number of classes.
        n_images: images per entry of the log, which is an epoch's or some steps'.
        patience: entries at chance before the run is ended; 0 to never end it for that.

    """

    trigger = 1, 'iteration'
    # After the log has the entry, before the snapshot is taken.
    priority = 0

    def __init__(self, n_classes: int, n_images: int, patience: int) -> None:
        chance = 1 / n_classes
        self.threshold = chance + 3 * math.sqrt(chance * (1 - chance) / n_images)
        self.patience = patience if self.threshold < 1 else 0
        self.reason: str | None = None
        self._entries = 0

    def __call__(self, trainer: Trainer) -> None:
        log = trainer.get_extension('LogReport').log if self.patience else []
        if len(log) > self._entries:
            self._entries = len(log)
            last = log[-self.patience :]
            if len(last) == self.patience and all(entry['main/accuracy'] <= self.threshold for entry in last):
                entries = counted(self.patience, 'entry', 'entries')
                self.reason = (
                    f'training accuracy has been at chance (at most {self.threshold:.3f}) for '
                    f'{entries} of the log; try another --lr, or --chance-patience 0 to go on '
                    'regardless'
                )
