"""What Chainer 7 takes as Chainer 1 did, and computes otherwise: as Chainer 1.24 computed it.

Where only arguments and their defaults differ, `arguments` has them.
"""

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer.functions.activation import leaky_relu
from chainer.functions.math import clip
from chainer.functions.noise.dropout import Dropout
from chainer.functions.normalization.batch_normalization import BatchNormalization, FixedBatchNormalization
from chainer.iterators import ShuffleOrderSampler
from chainer.training import updaters
from chainer.training.extensions import evaluator

from vgg_cifar.compat.chainer1.adaption import Meaning, by_script, configured


def restore() -> None:
    """Have the script's calls mean and compute what they did in Chainer 1.24."""
    Meaning.of_then = True
    BatchNormalization.forward = _count_eps(BatchNormalization.forward)
    Dropout._forward_ideep = _dropout_by_numpy
    F.matmul = _matmul(F.matmul)
    L.GRU = GRU
    for link in (L.VGG16Layers.__base__, L.ResNet50Layers.__base__, L.GoogLeNet):
        link.forward = _in_mode(link.forward, lambda self: False)
    for link in (L.InceptionBN, L.StatefulZoneoutLSTM):
        link.forward = _in_mode(link.forward, lambda self: vars(self).get('train', True))
    chainer.Variable.__len__ = _len
    L.BatchNormalization.__init__ = _variance_from_zero(L.BatchNormalization.__init__)
    FixedBatchNormalization.backward = _without_eps(FixedBatchNormalization.backward)
    clip.ClipGrad.__init__ = _open_interval(clip.ClipGrad.__init__)
    leaky_relu._LeakyReLUGrad.__init__ = _positive_zero(leaky_relu._LeakyReLUGrad.__init__)
    ShuffleOrderSampler.__call__ = _shuffled
    # chainer/training/extensions/evaluator.py: the mode was the model's affair.
    evaluator.configuration = types.SimpleNamespace(using_config=lambda *setting: contextlib.nullcontext())
    evaluator.Evaluator.evaluate = _given_variables(
        evaluator.Evaluator.evaluate, 'eval_func', lambda self: self.get_target('main'), volatile='on'
    )
    updaters.StandardUpdater.update_core = _given_variables(
        updaters.StandardUpdater.update_core, 'loss_func', lambda self: self.get_optimizer('main').target
    )


def _count_eps(now: Callable) -> Callable:
    """Have the running variance hold eps, as chainer/functions/normalization/batch_normalization.py did.

    cuDNN never counted it.
    """

    @functools.wraps(now)
    def forward(self: Any, inputs: Any) -> Any:
        outputs = now(self, inputs)
        x, gamma = inputs[:2]
        if self.running_var is not None and isinstance(x, numpy.ndarray):
            m = x.size // gamma.size
            self.running_var += (1 - self.decay) * m / max(m - 1.0, 1.0) * self.eps
        return outputs

    return forward


def _variance_from_zero(now: Callable) -> Callable:
    """Start the running variance at 0, as chainer/links/normalization/batch_normalization.py did up to 4."""

    @functools.wraps(now)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        now(self, *args, **{'initial_avg_var': 0, **kwargs})

    return __init__


def _without_eps(now: Callable) -> Callable:
    """Leave eps out of the gradient with fixed statistics, as batch_normalization.py did."""

    @functools.wraps(now)
    def backward(self: Any, *args: Any) -> Any:
        self.eps, self.inv_std, self.inv_var = 0, None, None
        return now(self, *args)

    return backward


def _open_interval(now: Callable) -> Callable:
    """Have clip pass no gradient at its bounds, as chainer/functions/math/clip.py did."""

    @functools.wraps(now)
    def __init__(self: Any, x: Any, x_min: Any, x_max: Any) -> None:
        now(self, x, x_min, x_max)
        self.cond = (x > x_min) & (x < x_max)

    return __init__


def _positive_zero(now: Callable) -> Callable:
    """Have leaky_relu pass the whole gradient at 0, as chainer/functions/activation/leaky_relu.py did."""

    @functools.wraps(now)
    def __init__(self: Any, cond: Any, slope: float) -> None:
        xp = chainer.backend.get_array_module(cond)
        now(self, xp.where(cond == 0, 1, cond).astype(cond.dtype) if slope > 0 else cond, slope)

    return __init__


def _len(self: Any) -> int:
    """Return the number of all elements, as chainer/variable.py did."""
    return self.size if by_script() else len(self.array)


def _dropout_by_numpy(self: Any, x: Any) -> Any:
    """Draw the mask from NumPy's random numbers, as chainer/functions/noise/dropout.py did on the CPU."""
    with chainer.using_config('use_ideep', 'never'):
        return self.forward_cpu(x)


def _matmul(now: Callable) -> Callable:
    """Have a vector be a matrix of one column, as chainer/functions/math/matmul.py did."""

    @functools.wraps(now)
    def matmul(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
        if by_script():
            a, b = (F.reshape(x, (-1, 1)) if x.ndim == 1 else x for x in (a, b))
        return now(a, b, *args, **kwargs)

    return matmul


class GRU(L.StatelessGRU):
    """L.GRU of Chainer 1, in chainer/links/connection/gru.py: without a state, its output's size first."""

    def __init__(
        self,
        n_units: int,
        n_inputs: int | None = None,
        init: Any = None,
        inner_init: Any = None,
        bias_init: Any = 0,
    ) -> None:
        super().__init__(n_units if n_inputs is None else n_inputs, n_units, init, inner_init, bias_init)


def _in_mode(now: Callable, train: Callable[[Any], bool]) -> Callable:
    """Have a link run in the mode that was its default in Chainer 1, unless it is told otherwise."""

    @functools.wraps(now)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        with configured({'train': train(self)}):
            return now(self, *args, **kwargs)

    return forward


def _shuffled(self: Any, current_order: Any, current_position: int) -> Any:
    """Shuffle the order of the last epoch anew, as chainer/iterators/serial_iterator.py did."""
    order = current_order.copy()
    self._random.shuffle(order)
    return order


def _given_variables(
    now: Callable, name: str, default: Callable[[Any], Callable], **options: Any
) -> Callable:
    """Have a loss or evaluation function be called with variables, since Chainer 2 with arrays."""

    @functools.wraps(now)
    def call(self: Any) -> Any:
        given = getattr(self, name)
        function = given or default(self)

        def variable(value: Any) -> Any:
            is_array = isinstance(value, chainer.get_array_types())
            return chainer.Variable(value, **options) if is_array else value

        def with_variables(*args: Any, **kwargs: Any) -> Any:
            return function(*map(variable, args), **{key: variable(value) for key, value in kwargs.items()})

        setattr(self, name, with_variables)
        try:
            return now(self)
        finally:
            setattr(self, name, given)

    return call
