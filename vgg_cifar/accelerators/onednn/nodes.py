"""What Chainer's own hook cannot express: functions fused, or in bfloat16, or with cheaper random numbers.

All take and return plain arrays, float32 or bfloat16; parameters and their gradients are float32.
"""

from collections.abc import Sequence
from typing import Any

import chainer
import numpy

from vgg_cifar.accelerators.onednn import (
    arrays,
    convolution,
    elementwise,
    linear,
    noise,
    normalization,
    pooling,
)
from vgg_cifar.accelerators.onednn.arrays import canonical

# Chainer's annotations do not know what its functions take.
F: Any = chainer.functions

Array = numpy.ndarray
Pair = tuple[int, int]


class Node(chainer.FunctionNode):
    """A function of one output, with its gradients as plain arrays.

    Where second derivatives are asked for, `reference` stands in: the same function out of Chainer's own.
    """

    finite = False
    """Whether the output is known to hold neither infinities nor NaN."""

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own functions."""
        raise NotImplementedError

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients of the inputs with these numbers."""
        raise NotImplementedError

    def backward(self, wanted: Sequence[int], grad_outputs: Any) -> Any:
        """Return the gradients as variables; see chainer.FunctionNode.backward."""
        if chainer.config.enable_backprop:
            inputs = self.get_retained_inputs()
            if any(x.dtype != numpy.float32 for x in (*inputs, *grad_outputs)):
                raise TypeError(f'{self.label}: second derivatives are computed in float32 only')
            chosen = [inputs[i] for i in wanted]
            y = self.reference(*inputs)
            return chainer.grad([y], chosen, grad_outputs, enable_double_backprop=True)
        return tuple(map(chainer.as_variable, self.gradients(wanted, grad_outputs[0].array)))


class Convolution(Node):
    """Convolution; the bias's gradient falls out of the weights'.

    Args:
        stride, pad, dilate: pairs (rows, columns).
        groups: into how many groups the channels are cut.
        dtype: what is multiplied and returned, float32 or bfloat16.
    """

    def __init__(self, stride: Pair, pad: Pair, dilate: Pair, groups: int, dtype: Any) -> None:
        self.stride, self.pad, self.dilate, self.groups, self.dtype = stride, pad, dilate, groups, dtype

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x (N, C, H, W), W (out, C / groups, rows, columns) and perhaps b (out,)."""
        self.retain_inputs(tuple(range(len(inputs))))
        x, weights, *bias = inputs
        self._x = canonical(x, self.dtype)
        y_shape, self._moves = convolution.moved(
            x.shape, weights.shape, self.stride, self.pad, self.dilate, self.groups
        )
        return (convolution.forward(self._x, weights, bias[0] if bias else None, y_shape, self._moves),)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x, weights, *bias = (variable.array for variable in self.get_retained_inputs())
        found: dict[int, Array | None] = {}
        if 0 in wanted:
            gx = convolution.backward_data(weights, gy, x.shape, self._moves)
            found[0] = canonical(gx, x.dtype)
        if 1 in wanted or 2 in wanted:
            found[1], found[2] = convolution.backward_weights(
                self._x, gy, weights.shape, self._moves, bool(bias)
            )
        return [found[i] for i in wanted]  # type: ignore[misc]

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own functions."""
        return F.convolution_2d(
            *inputs, stride=self.stride, pad=self.pad, dilate=self.dilate, groups=self.groups
        )


class BatchNormalizationReLU(Node):
    """Batch normalisation over all axes but the second, by the batch's statistics, then ReLU.

    Args:
        eps: added to the variance.
        running_mean, running_var: float32 arrays (C,), updated in place; the variance is the unbiased one.
        decay: how much of them stays.
    """

    def __init__(self, eps: float, running_mean: Array, running_var: Array, decay: float) -> None:
        self.eps, self.decay = eps, decay
        self.running_mean, self.running_var = running_mean, running_var

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x (N, C, H, W), gamma (C,) and beta (C,)."""
        self.retain_inputs((0, 1, 2))
        x, gamma, beta = inputs
        found = normalization.batch_forward(x, gamma, beta, self.eps, relu=True)
        y, self.mean, self.var, self._positive = found
        # Whatever is wrong in x makes its channel's statistics wrong.
        self.finite = all(numpy.isfinite(v).all() for v in (self.mean, self.var, gamma, beta))
        if not self.finite:
            y = elementwise.relu(normalization.batch_forward(x, gamma, beta, self.eps).y)
        m = x.size // gamma.size
        self.running_mean *= self.decay
        self.running_mean += (1 - self.decay) * self.mean
        self.running_var *= self.decay
        self.running_var += (1 - self.decay) * (m / max(m - 1, 1)) * self.var
        return (y,)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x, gamma, _ = (variable.array for variable in self.get_retained_inputs())
        found = normalization.batch_backward(x, gy, self.mean, self.var, gamma, self.eps, self._positive)
        return [found[i] for i in wanted]

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own functions."""
        return F.relu(F.batch_normalization(*inputs, eps=self.eps))


class ReLU(Node):
    """ReLU of float32 or bfloat16."""

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x of any shape."""
        self.retain_inputs((0,))
        self._y = elementwise.relu(inputs[0])
        return (self._y,)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        return (elementwise.relu_backward(self._y, gy),)

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        return F.relu(*inputs)


class Dropout(Node):
    """Dropout with a mask of bytes, drawn from a fast generator that NumPy's global one seeds."""

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio

    def _times_mask(self, x: Array) -> Array:
        return elementwise.multiply(x, self._mask, 1 / (1 - self.ratio))

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x of any shape."""
        self.retain_inputs((0,))
        x = elementwise.dense(inputs[0])
        self._mask = elementwise.empty_like(x, numpy.uint8)
        elementwise.flat(self._mask)[...] = noise.keep(x.size, self.ratio)
        return (self._times_mask(x),)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        return (self._times_mask(elementwise.like(gy, self._mask)),)

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        return inputs[0] * (self._mask / numpy.float32(1 - self.ratio))


class Pooling(Node):
    """Max or average pooling of float32 or bfloat16, without `cover_all`.

    Args:
        kind: 'max' or 'average'.
        size, stride, pad: pairs (rows, columns).
        finite: whether the input is known to hold neither infinities nor NaN.
    """

    def __init__(self, kind: str, size: Pair, stride: Pair, pad: Pair, finite: bool = False) -> None:
        self.kind, self.size, self.stride, self.pad, self.finite = kind, size, stride, pad, finite

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x (N, C, H, W)."""
        self.retain_inputs((0,))
        (x,) = inputs
        self._x_shape = x.shape
        y_shape, self._windows = pooling.moved(x.shape, self.size, self.stride, self.pad)
        if self.kind == 'average':
            return (pooling.average_forward(x, y_shape, self._windows),)
        y, self._positions = pooling.max_forward(x, y_shape, self._windows, self.finite)
        return (y,)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x_shape = self._x_shape
        if self.kind == 'average':
            return (pooling.average_backward(gy, x_shape, self._windows),)
        return (pooling.max_backward(gy, self._positions, x_shape, self._windows),)

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        if self.kind == 'average':
            return F.average_pooling_2d(*inputs, self.size, self.stride, self.pad)
        return F.max_pooling_2d(*inputs, self.size, self.stride, self.pad, cover_all=False)


class Linear(Node):
    """Fully connected layer over all axes but the first; returns float32.

    Args:
        dtype: what is multiplied, float32 or bfloat16.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y (N, out) for x (N, ...), W (out, in) and perhaps b (out,)."""
        self.retain_inputs(tuple(range(len(inputs))))
        x, weights, *bias = inputs
        self._x = arrays.in_order(x, self.dtype).reshape(len(x), -1)
        return (linear.forward(self._x, weights, bias[0] if bias else None, self.dtype),)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x, weights, *bias = (variable.array for variable in self.get_retained_inputs())
        gy = arrays.in_order(gy, self.dtype)
        found: dict[int, Array | None] = {}
        if 0 in wanted:
            gx = linear.backward_data(weights, gy, self.dtype).reshape(x.shape)
            found[0] = canonical(gx, x.dtype)
        if 1 in wanted or 2 in wanted:
            found[1], found[2] = linear.backward_weights(self._x, gy, bool(bias), self.dtype)
        return [found[i] for i in wanted]  # type: ignore[misc]

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        return F.linear(*inputs)


class Cast(Node):
    """The input as float32, its gradient in the input's type."""

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return x as float32."""
        self.retain_inputs((0,))
        self._dtype = inputs[0].dtype
        return (canonical(inputs[0], numpy.float32),)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        return (canonical(gy, self._dtype),)
