"""The loss whose gradient weight decay is."""

import chainer
from chainer.training import Extension, Trainer


class DecayLoss(Extension):
    """Report ``decay_loss``: `rate` / 2 times the sum of all squared parameters.

    Args:
        model: whose parameters.
        rate: of Chainer's WeightDecay hook.

    """

    trigger = 1, 'epoch'
    priority = chainer.training.PRIORITY_WRITER

    def __init__(self, model: chainer.Link, rate: float) -> None:
        self.model = model
        self.rate = rate

    def __call__(self, trainer: Trainer) -> None:
        squares = sum(float((parameter.array**2).sum()) for parameter in self.model.params())
        chainer.report({'decay_loss': self.rate / 2 * squares})
