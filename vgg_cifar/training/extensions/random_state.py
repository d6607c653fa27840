"""Puts the random generators into the snapshot."""

import chainer
import numpy
from chainer.training import Extension, Trainer

from vgg_cifar.training.communicator import OneProcess


class RandomState(Extension):
    """Make a resumed run draw what the uninterrupted one would have drawn.

    NumPy's global generator, from which Chainer draws orders and dropout masks on the CPU, is saved
    and restored. CuPy cannot tell its generator's state, so on a GPU the generator is seeded anew at
    each step from the run's seed and the step's number. So is NumPy's where several processes train, each of
    which draws numbers of its own.
    """

    trigger = 1, 'iteration'

    def __init__(self, seed: int, device: chainer.backend.Device, processes: OneProcess) -> None:
        self.seed = seed
        self.device = device
        self.processes = processes

    def initialize(self, trainer: Trainer) -> None:
        self(trainer)

    def __call__(self, trainer: Trainer) -> None:
        step = numpy.random.SeedSequence((self.seed, trainer.updater.iteration, self.processes.rank))
        if self.device.xp is not numpy:
            self.device.xp.random.seed(int(step.generate_state(1, numpy.uint64)[0]))
        elif self.processes.size > 1:
            numpy.random.seed(step.generate_state(4))

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        name, key, position, has_gauss, cached = numpy.random.get_state(legacy=True)
        key = numpy.array(serializer('key', key))
        position, has_gauss, cached = (
            serializer(field, value)
            for field, value in (('position', position), ('has_gauss', has_gauss), ('cached', cached))
        )
        if not isinstance(serializer, chainer.Serializer):
            numpy.random.set_state((name, key, int(position), int(has_gauss), float(cached)))
