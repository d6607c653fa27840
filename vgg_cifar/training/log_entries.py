"""When the log gets an entry, and how it is written."""

from chainer.training import Trainer, extensions

from vgg_cifar.training.extensions.divergence import Divergence
from vgg_cifar.training.run_folder import LOG, RunFolder


class EntryDue:
    """A trigger that fires at the end of each epoch, or each `steps` steps, and when training ends.

    It has no state: what is due depends on the step alone, so that a resumed run's entries are those of a run
    that was not stopped. The end is that of the last epoch, or the step at which the loss is not finite.

    Args:
        steps: between entries; None for an epoch.
        epochs: of the run.
        divergence: which has looked at the step's loss before.

    """

    def __init__(self, steps: int | None, epochs: int, divergence: Divergence) -> None:
        self.unit = 'epoch' if steps is None else 'iteration'
        self._steps = steps
        self._epochs = epochs
        self._divergence = divergence

    def __call__(self, trainer: Trainer) -> bool:
        updater = trainer.updater
        ends = updater.is_new_epoch and updater.epoch >= self._epochs
        regular = updater.is_new_epoch if self._steps is None else updater.iteration % self._steps == 0
        return regular or ends or self._divergence.reason is not None


class Log(extensions.LogReport):
    """Chainer's LogReport, whose file appears whole or not at all."""

    def __init__(self, folder: RunFolder, due: EntryDue) -> None:
        super().__init__(trigger=due, filename=None)
        self._folder = folder

    def __call__(self, trainer: Trainer) -> None:
        entries = len(self.log)
        super().__call__(trainer)
        if len(self.log) > entries:
            self._folder.write(LOG, self.log)
