"""Training steps on a GPU as one CUDA graph: the same functions as a recorded step's on the CPU."""

import warnings
from typing import Any

import chainer
import numpy

from vgg_cifar.accelerators import cudnn
from vgg_cifar.training.recorded_step import RecordedStep

Array = Any


class CapturedStep(RecordedStep):
    """An optimizer's steps on a GPU; see `RecordedStep`.

    Forward and backward passes are one launch from the fourth step of a kind on. The update is a kernel for
    all parameters where the optimizer's rule allows it, else Chainer's; either is queued while the passes
    still run. Where losses are scaled, or something cannot be captured, steps are Chainer's.
    """

    _live = staticmethod(cudnn.live)

    def __init__(self, optimizer: chainer.Optimizer) -> None:
        super().__init__(optimizer)
        self._recordable = self._recordable and self._optimizer._loss_scale is None
        self._captures: dict[int, tuple[list[Array], Any]] = {}

    def _repeat(self, recording: Any, x: Array, labels: Array) -> None:
        optimizer = self._optimizer
        parameters = self._parameters()
        arrays = [parameter.array for parameter in parameters]
        places, capture = self._captures.get(id(recording), ([], None))
        if len(places) != len(arrays) or any(a is not b for a, b in zip(places, arrays, strict=True)):
            capture = self._captured(recording, arrays, x, labels)
            self._captures[id(recording)] = arrays, capture
        if capture is None:
            optimizer.update(optimizer.target, x, labels)
            return
        loss, accuracy, gradients = capture(x, labels)
        # The next step overwrites them, and a log may look at them later.
        optimizer.target.report(*(chainer.Variable(each.copy()) for each in (loss, accuracy)))
        self._update(parameters, gradients)

    def _captured(self, recording: Any, arrays: list[Array], x: Array, labels: Array) -> Any:
        """Return the passes on these parameters as a graph; None where that cannot be."""
        from vgg_cifar.accelerators.cudnn.capture import Capture

        whole = self._whole

        def passes(*batch: Array) -> Any:
            loss, accuracy, gradients = recording(arrays, batch)
            if whole is not None:
                whole.gather(gradients)
            return loss, accuracy, gradients

        # The one kernel that no step before has needed: nothing is to be compiled while a graph is captured.
        numpy.ones_like(arrays[0].sum())
        try:
            return Capture(passes, (x, labels))
        # Of whatever kind: cuDNN's, CuPy's, the driver's.
        except Exception as error:
            self._recordable = False
            warnings.warn(f'the training step is not captured, and slower for it: {error}', stacklevel=2)
            return None
