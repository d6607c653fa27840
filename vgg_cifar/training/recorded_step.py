"""Training steps on the CPU without most of Python: what a step calls is recorded, then called again."""

from typing import Any

import chainer
import numpy

from vgg_cifar import models
from vgg_cifar.accelerators import onednn
from vgg_cifar.accelerators.whole_update import WholeUpdate
from vgg_cifar.training.classifier import Classifier

Array = numpy.ndarray


class RecordedStep:
    """An optimizer's steps; they leave the bits of ``optimizer.update(optimizer.target, x, labels)``.

    That is what the first steps of a kind are. From the third on, a network of our own families is not asked
    again what it calls, Chainer's graph is not built, and all parameters are updated at once. Where anything
    is in the way (a foreign network or optimizer, hooks, another shape, no oneDNN), steps stay Chainer's.

    Args:
        optimizer: its target is a `Classifier`.

    """

    _live = staticmethod(onednn.live)

    def __init__(self, optimizer: chainer.Optimizer) -> None:
        self._optimizer: Any = optimizer
        self._recordable = _is_our_own(optimizer)
        self._recordings: dict[tuple, Any] = {}
        self._whole: WholeUpdate | None = None

    def __call__(self, x: Array, labels: Array) -> None:
        """Take a step on images (N, C, H, W) and their labels (N,)."""
        kind = self._kind(x, labels) if self._recordable else None
        if kind is None or kind not in self._recordings:
            self._optimizer.update(self._optimizer.target, x, labels)
            if kind is not None:
                self._recordings[kind] = None
        elif self._recordings[kind] is None:
            self._record(kind, x, labels)
        else:
            self._repeat(self._recordings[kind], x, labels)

    def _kind(self, x: Array, labels: Array) -> tuple | None:
        """Return what equal recordings have in common; None where Chainer has to see each function called."""
        config = chainer.config
        if config.debug or chainer.get_function_hooks() or chainer._get_link_hooks() or not self._live():
            return None
        compute = getattr(config, 'compute', 'float32')
        return x.shape, x.dtype, labels.shape, labels.dtype, config.train, config.enable_backprop, compute

    def _record(self, kind: tuple, x: Array, labels: Array) -> None:
        from vgg_cifar.accelerators.onednn.recording import Recording

        target = self._optimizer.target
        recording = Recording(target, list(target.params()), (x, labels), self._optimizer._loss_scale)
        self._optimizer.update()
        self._recordings[kind] = recording
        self._recordable = recording.obstacle is None

    def _repeat(self, recording: Any, x: Array, labels: Array) -> None:
        parameters = self._parameters()
        arrays = [each.array for each in parameters]
        gradient = numpy.full((), self._optimizer._loss_scale or 1, numpy.float32)
        loss, accuracy, gradients = recording(arrays, (x, labels), gradient)
        self._optimizer.target.report(chainer.Variable(loss), chainer.Variable(accuracy))
        if self._whole is not None:
            self._whole.gather(gradients)
        self._update(parameters, gradients)

    def _parameters(self) -> list[Any]:
        """Return the parameters, where `_whole` wants them if they can be updated at once."""
        if self._whole is None or not self._whole.stands():
            self._whole = WholeUpdate(self._optimizer) if WholeUpdate.suits(self._optimizer) else None
        return list(self._optimizer.target.params()) if self._whole is None else self._whole.parameters

    def _update(self, parameters: list[Any], gradients: list[Array | None]) -> None:
        """Update by the gradients, which `_whole` has gathered where there is one."""
        if self._whole is not None:
            self._whole()
            return
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad, parameter._loss_scale = gradient, self._optimizer._loss_scale
        self._optimizer.update()


def _is_our_own(optimizer: chainer.Optimizer) -> bool:
    """Whether nothing but the classes that we know decide what a step does."""
    target = optimizer.target
    return (
        type(optimizer).update is chainer.GradientMethod.update
        and type(target) is Classifier
        and type(target.predictor) in models.FAMILIES.values()
        and not any(link._n_local_link_hooks for link in target.links())
    )
