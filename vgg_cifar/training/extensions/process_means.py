"""Makes one of what each process has counted by itself."""

import chainer
import chainer.links as L
import numpy
from chainer.training import Extension, Trainer

from vgg_cifar.training.communicator import Communicator

OBSERVED = ('main/loss', 'main/accuracy')


class ProcessMeans(Extension):
    """Replace, after each step, each process's own numbers by the means over all.

    These are the loss and the accuracy of its part of the batch, and batch normalisation's running mean and
    variance: so the first process's log and snapshot tell of all, and no other's is needed to go on.

    Args:
        model: the network.
        processes: which train it.

    """

    trigger = 1, 'iteration'
    # Before all that uses the numbers.
    priority = chainer.training.PRIORITY_WRITER + 200

    def __init__(self, model: chainer.Link, processes: Communicator) -> None:
        self._links = [link for link in model.links() if isinstance(link, L.BatchNormalization)]
        self._processes = processes

    def __call__(self, trainer: Trainer) -> None:
        observation = trainer.observation
        arrays = [observation[name].array for name in OBSERVED]
        arrays += [statistic for link in self._links for statistic in (link.avg_mean, link.avg_var)]
        # In one piece, so that the processes wait for each other once.
        own = numpy.concatenate([chainer.backends.cuda.to_cpu(array).ravel() for array in arrays])
        means = self._processes.sum(own) / numpy.float32(self._processes.size)
        pieces = numpy.split(means, numpy.cumsum([array.size for array in arrays])[:-1])
        for name, piece in zip(OBSERVED, pieces, strict=False):
            observation[name] = chainer.Variable(piece.reshape(()))
        for array, piece in zip(arrays[len(OBSERVED) :], pieces[len(OBSERVED) :], strict=True):
            array[...] = chainer.backend.get_array_module(array).asarray(piece)
