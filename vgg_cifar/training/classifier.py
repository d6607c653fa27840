"""A network that learns to classify."""

import chainer
import numpy

from vgg_cifar.accelerators import layers


class Classifier(chainer.Chain):
    """Chainer's, with loss and accuracy in one function: called with a batch, it returns its loss.

    Args:
        predictor: the network, from images to the scores of the classes.

    """

    def __init__(self, predictor: chainer.Chain) -> None:
        super().__init__()
        with self.init_scope():
            self.predictor = predictor

    def forward(self, x: numpy.ndarray, labels: numpy.ndarray) -> chainer.Variable:
        """Return the mean softmax cross entropy of images and labels (N,); report it and the accuracy."""
        loss, accuracy = layers.classification(self.predictor(x), labels)
        self.report(loss, accuracy)
        return loss

    def report(self, loss: chainer.Variable, accuracy: chainer.Variable) -> None:
        """Report ``loss`` and ``accuracy`` of a step."""
        chainer.report({'loss': loss, 'accuracy': accuracy}, self)
