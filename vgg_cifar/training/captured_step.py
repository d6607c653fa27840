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

    Forward and backward passes are one launch from the third step of a kind on. The update is a kernel for
    all parameters where the optimizer's rule allows it, else Chainer's; either is queued while the passes
    still run. Where something cannot be captured, steps are Chainer's.
    """

    _live = staticmethod(cudnn.live)

    def __init__(self, optimizer: chainer.Optimizer) -> None:
        super().__init__(optimizer)
        self._captures: dict[int, tuple[list[Array], Any, Any]] = {}
        # The loss's own, where graphs look for it, and what it holds.
        self._gradient: Array = None
        self._scale = 0.0

    def _repeat(self, recording: Any, x: Array, labels: Array) -> None:
        optimizer = self._optimizer
        self._set_gradient()
        parameters = self._parameters()
        arrays = [parameter.array for parameter in parameters]
        # What a graph writes to is kept as long as the graph.
        places, whole, capture = self._captures.get(id(recording), ([], None, None))
        moved = len(places) != len(arrays) or any(a is not b for a, b in zip(places, arrays, strict=True))
        if moved or whole is not self._whole:
            capture = self._captured(recording, arrays, x, labels)
            self._captures[id(recording)] = arrays, self._whole, capture
        if capture is None:
            optimizer.update(optimizer.target, x, labels)
            return
        loss, accuracy, gradients = capture(x, labels)
        # The next step overwrites them, and a log may look at them later.
        optimizer.target.report(*(chainer.Variable(each.copy()) for each in (loss, accuracy)))
        self._update(parameters, gradients)

    def _captured(self, recording: Any, arrays: list[Array], x: Array, labels: Array) -> Any:
        """Return the passes on these parameters as a graph; None where that cannot be."""
        from vgg_cifar.accelerators.cudnn import noise
        from vgg_cifar.accelerators.cudnn.capture import Capture

        whole = self._whole

        def passes(*batch: Array) -> Any:
            loss, accuracy, gradients = recording(arrays, batch, self._gradient)
            if whole is not None:
                whole.gather(gradients)
            return loss, accuracy, gradients

        try:
            return Capture(passes, (x, labels))
        # Of whatever kind: cuDNN's, CuPy's, the driver's.
        except Exception as error:
            self._recordable = False
            noise.begin_again()
            warnings.warn(f'the training step is not captured, and slower for it: {error}', stacklevel=2)
            return None

    def _set_gradient(self) -> None:
        scale = self._optimizer._loss_scale or 1.0
        if self._gradient is None:
            self._gradient = chainer.backends.cuda.cupy.ndarray((), numpy.float32)
        if scale != self._scale:
            self._gradient.fill(scale)
            self._scale = scale
