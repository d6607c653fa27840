"""Keeps the weights of the epoch with the best validation accuracy."""

import chainer
from chainer.training import Extension, Trainer

from vgg_cifar.training import weights
from vgg_cifar.training.run_folder import BEST, RunFolder


class BestModel(Extension):
    """Save `model` to best.npz whenever `key` exceeds its highest value so far; ties keep the earlier epoch.

    The test set selects nothing: `key` is a validation score.

    Args:
        model: the network.
        folder: the run's.
        key: of the score.

    """

    trigger = 1, 'epoch'
    priority = chainer.training.PRIORITY_EDITOR

    def __init__(self, model: chainer.Link, folder: RunFolder, key: str = 'validation/main/accuracy') -> None:
        self.model = model
        self.folder = folder
        self.key = key
        self.best = -1.0
        self.epoch = 0

    def __call__(self, trainer: Trainer) -> None:
        score = float(trainer.observation[self.key])
        if score > self.best:
            self.best, self.epoch = score, trainer.updater.epoch
            weights.save(self.folder.path / BEST, self.model)

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        self.best = float(serializer('best', self.best))
        self.epoch = int(serializer('epoch', self.epoch))
