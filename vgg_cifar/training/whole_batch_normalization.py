"""Batch normalisation over the whole batch of which each process has a part."""

from typing import Any

import chainer
import chainer.links as L
from chainermn.links import MultiNodeBatchNormalization


class WholeBatchNormalization(MultiNodeBatchNormalization):
    """ChainerMN's, with the running variance that one process would have.

    ChainerMN makes the variance unbiased by the number of values in a process's own part of the batch.
    """

    def __call__(self, x: chainer.Variable, finetune: bool = False) -> chainer.Variable:
        kept = self.decay * self.avg_var
        y = super().__call__(x, finetune)
        if chainer.config.train:
            own = x.size // self.avg_var.size
            self.avg_var[:] = kept + (self.avg_var - kept) * (
                _unbiased(own * self.comm.size) / _unbiased(own)
            )
        return y


def apply(model: chainer.Chain, communicator: Any) -> None:
    """Replace every batch normalisation of `model`."""
    for chain in [link for link in model.links() if isinstance(link, chainer.Chain)]:
        for link in [link for link in chain.children() if isinstance(link, L.BatchNormalization)]:
            name = link.name
            with chainer.using_config('disable_experimental_feature_warning', True):
                whole = WholeBatchNormalization(link.avg_mean.shape, communicator, link.decay, link.eps)
            whole.copyparams(link, copy_persistent=True)
            delattr(chain, name)
            chain.add_link(name, whole)


def _unbiased(count: int) -> float:
    return count / max(count - 1, 1)
