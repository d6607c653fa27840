"""What Chainer 7 takes as Chainer 1 did, and computes otherwise: as Chainer 1.24 computed it.

Where only arguments and their defaults differ, `arguments` has them.
"""

import contextlib
import types
from collections.abc import Callable
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer.dataset import convert
from chainer.functions.activation import leaky_relu
from chainer.functions.math import clip
from chainer.functions.noise.dropout import Dropout
from chainer.functions.normalization.batch_normalization import BatchNormalization, FixedBatchNormalization
from chainer.iterators import ShuffleOrderSampler
from chainer.training.extensions import evaluator

from vgg_cifar.compat.chainer1 import adaption
from vgg_cifar.compat.chainer1.adaption import by_script, instead_of

adaption.meanings_of_then = True


@instead_of(BatchNormalization, 'forward')
def _count_eps(now: Callable, self: Any, inputs: Any) -> Any:
    """Have the running variance hold eps, as chainer/functions/normalization/batch_normalization.py did.

    cuDNN never counted it.
    """
    outputs = now(self, inputs)
    x, gamma = inputs[:2]
    if self.running_var is not None and isinstance(x, numpy.ndarray):
        m = x.size // gamma.size
        self.running_var += (1 - self.decay) * m / max(m - 1.0, 1.0) * self.eps
    return outputs


@instead_of(L.BatchNormalization, '__init__')
def _variance_from_zero(now: Callable, self: Any, *args: Any, **kwargs: Any) -> None:
    """Start the running variance at 0, as chainer/links/normalization/batch_normalization.py did up to 4."""
    now(self, *args, **{'initial_avg_var': 0, **kwargs})


@instead_of(FixedBatchNormalization, 'backward')
def _without_eps(now: Callable, self: Any, *args: Any) -> Any:
    """Leave eps out of the gradient with fixed statistics, as batch_normalization.py did."""
    self.eps, self.inv_std, self.inv_var = 0, None, None
    return now(self, *args)


@instead_of(clip.ClipGrad, '__init__')
def _open_interval(now: Callable, self: Any, x: Any, x_min: Any, x_max: Any) -> None:
    """Have clip pass no gradient at its bounds, as chainer/functions/math/clip.py did."""
    now(self, x, x_min, x_max)
    self.cond = (x > x_min) & (x < x_max)


@instead_of(leaky_relu._LeakyReLUGrad, '__init__')
def _positive_zero(now: Callable, self: Any, cond: Any, slope: float) -> None:
    """Have leaky_relu pass the whole gradient at 0, as chainer/functions/activation/leaky_relu.py did."""
    xp = chainer.backend.get_array_module(cond)
    now(self, xp.where(cond == 0, 1, cond).astype(cond.dtype) if slope > 0 else cond, slope)


@instead_of(Dropout, '_forward_ideep')
def _dropout_by_numpy(now: Callable, self: Any, x: Any) -> Any:
    """Draw the mask from NumPy's random numbers, as chainer/functions/noise/dropout.py did on the CPU."""
    with chainer.using_config('use_ideep', 'never'):
        return self.forward_cpu(x)


@instead_of(ShuffleOrderSampler, '__call__')
def _shuffled(now: Callable, self: Any, current_order: Any, current_position: int) -> Any:
    """Shuffle the order of the last epoch anew, as chainer/iterators/serial_iterator.py did."""
    order = current_order.copy()
    self._random.shuffle(order)
    return order


@instead_of(F, 'matmul')
def _matmul(now: Callable, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Have a vector be a matrix of one column, as chainer/functions/math/matmul.py did."""
    if by_script():
        a, b = (F.reshape(x, (-1, 1)) if x.ndim == 1 else x for x in (a, b))
    return now(a, b, *args, **kwargs)


@instead_of(chainer.Variable, '__len__')
def _len(now: Callable, self: Any) -> int:
    """Return the number of all elements, as chainer/variable.py did."""
    return self.size if by_script() else now(self)


@instead_of(convert, '_call_converter')
def _variables(now: Callable, *args: Any) -> Any:
    """Have a loss function be called with variables, as updater.py and evaluator.py did; now with arrays."""
    batch = now(*args)
    if isinstance(batch, dict):
        return {key: chainer.Variable(value) for key, value in batch.items()}
    return tuple(map(chainer.Variable, batch)) if isinstance(batch, tuple) else chainer.Variable(batch)


# chainer/training/extensions/evaluator.py: the mode was the model's affair.
evaluator.configuration = types.SimpleNamespace(using_config=lambda *setting: contextlib.nullcontext())


def _in_mode(link: Any, train: Callable[[Any], bool]) -> None:
    """Have a link run in the mode that was its default in Chainer 1, unless it is told otherwise."""

    @instead_of(link, 'forward')
    def forward(now: Callable, self: Any, *args: Any, **kwargs: Any) -> Any:
        with chainer.using_config('train', train(self)):
            return now(self, *args, **kwargs)


for _link in (L.VGG16Layers.__base__, L.ResNet50Layers.__base__, L.GoogLeNet):
    _in_mode(_link, lambda self: False)
for _link in (L.InceptionBN, L.StatefulZoneoutLSTM):
    _in_mode(_link, lambda self: vars(self).get('train', True))


class GRU(L.StatelessGRU):
    """L.GRU of Chainer 1, in chainer/links/connection/gru.py: without a state, its output's size first."""

    def __init__(self, n_units: int, n_inputs: int | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(n_units if n_inputs is None else n_inputs, n_units, *args, **kwargs)


L.GRU = GRU
