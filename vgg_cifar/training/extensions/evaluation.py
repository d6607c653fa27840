"""Loss and accuracy over a whole set."""

import chainer
import numpy
from chainer.training import Extension, Trainer

from vgg_cifar.accelerators import layers
from vgg_cifar.training.batches import Batches

# Images a second on one core at 50, 200, 500: 495, 645, 675 in float32, 1519, 2264, 967 in bfloat16.
BATCH_SIZE = 200
# A GPU is done with 200 before Python has asked for all layers.
BATCH_SIZE_ON_GPU = 2000


class Evaluation(Extension):
    """Report ``NAME/main/loss`` and ``NAME/main/accuracy`` over all of `batches`, each image counting once.

    Chainer's own Evaluator averages the batches' means, in which a smaller last batch weighs too much.

    Args:
        name: of the set.
        model: the network.
        batches: the set.

    """

    trigger = 1, 'epoch'
    priority = chainer.training.PRIORITY_WRITER

    def __init__(self, name: str, model: chainer.Link, batches: Batches) -> None:
        self.name = name
        self.model = model
        self.batches = batches

    def __call__(self, trainer: Trainer | None = None) -> dict[str, float]:
        loss, accuracy = 0.0, 0.0
        count = len(self.batches)
        size = BATCH_SIZE if self.batches.device.xp is numpy else BATCH_SIZE_ON_GPU
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            for start in range(0, count, size):
                x, y = self.batches(slice(start, start + size))
                mean_loss, mean_accuracy = layers.classification(self.model(x), y)
                loss += float(mean_loss.array) * len(y)
                accuracy += float(mean_accuracy.array) * len(y)
        loss, accuracy, count = self.sums(loss, accuracy, count)
        means = {f'{self.name}/main/loss': loss / count, f'{self.name}/main/accuracy': accuracy / count}
        chainer.report(means)
        return means

    def sums(self, loss: float, accuracy: float, count: int) -> tuple[float, float, int]:
        """Return the sums over all images of the set, for those over the images here."""
        return loss, accuracy, count
