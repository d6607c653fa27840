"""What takes the steps of a run."""

from collections.abc import Callable
from typing import Any

import chainer
import numpy
from chainer.training.updaters import StandardUpdater

from vgg_cifar.accelerators import cudnn
from vgg_cifar.training.batches import ShuffledBatches
from vgg_cifar.training.captured_step import CapturedStep
from vgg_cifar.training.recorded_step import RecordedStep

Step = Callable[[Any, Any], None]
"""Takes a training step on images (N, C, H, W) and their labels (N,), which lie on the device."""


class Updater(StandardUpdater):
    """Chainer's, with the fastest step of the device that does what Chainer's does.

    Args:
        batches: to learn from.
        optimizer: its target is a `Classifier`.
        device: of both.

    """

    def __init__(
        self, batches: ShuffledBatches, optimizer: chainer.Optimizer, device: chainer.backend.Device
    ) -> None:
        super().__init__(batches, optimizer, device=device)
        self._step = step_of(optimizer, device)

    def update_core(self) -> None:
        batches, optimizer = self.get_iterator('main'), self.get_optimizer('main')
        self._step(*next(batches))
        if batches.is_new_epoch:
            optimizer.new_epoch(auto=True)

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        """Save or restore Chainer's state, and what a loss is scaled by, which Chainer forgets."""
        super().serialize(serializer)
        optimizer: Any = self.get_optimizer('main')
        if optimizer._loss_scaling_is_dynamic:
            optimizer._loss_scale = float(serializer('loss_scale', optimizer._loss_scale))
            overflown = serializer('loss_has_overflown', optimizer._loss_scaling_isnan_ever)
            optimizer._loss_scaling_isnan_ever = bool(overflown)


def step_of(optimizer: Any, device: chainer.backend.Device) -> Step:
    """Return what takes an optimizer's steps on a device."""
    if device.xp is numpy:
        return RecordedStep(optimizer)
    if cudnn.live():
        return CapturedStep(optimizer)
    return lambda x, labels: optimizer.update(optimizer.target, x, labels)
