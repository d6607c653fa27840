"""Puts the random generators into the snapshot."""

import chainer
import numpy
from chainer.training import Extension, Trainer

from vgg_cifar.accelerators import cudnn


class RandomState(Extension):
    """Make a resumed run draw what the uninterrupted one would have drawn.

    NumPy's global generator, from which Chainer draws orders and dropout masks on the CPU, is saved
    and restored. CuPy cannot tell its generator's state, so on a GPU the generator is seeded anew at
    each step from the run's seed and the step's number.
    """

    trigger = 1, 'iteration'
    process = 0
    """Which this is of several that train together."""

    def __init__(self, seed: int, device: chainer.backend.Device) -> None:
        self.seed = seed
        self.device = device

    def initialize(self, trainer: Trainer) -> None:
        self(trainer)

    def __call__(self, trainer: Trainer) -> None:
        if self.device.xp is not numpy:
            iteration = trainer.updater.iteration
            seed = int(self.step(iteration).generate_state(1, numpy.uint64)[0])
            self.device.xp.random.seed(seed)
            if cudnn.live():
                from vgg_cifar.accelerators.cudnn import noise

                noise.begin_step(seed, iteration)

    def step(self, iteration: int) -> numpy.random.SeedSequence:
        """Return what the numbers after a step are drawn from."""
        return numpy.random.SeedSequence((self.seed, iteration, self.process))

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        name, key, position, has_gauss, cached = numpy.random.get_state(legacy=True)
        key = numpy.array(serializer('key', key))
        position, has_gauss, cached = (
            serializer(field, value)
            for field, value in (('position', position), ('has_gauss', has_gauss), ('cached', cached))
        )
        if not isinstance(serializer, chainer.Serializer):
            numpy.random.set_state((name, key, int(position), int(has_gauss), float(cached)))
