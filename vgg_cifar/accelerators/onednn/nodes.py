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
    normalisation,
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
            return self.gradients_with_a_graph(wanted, inputs, grad_outputs)
        return tuple(map(chainer.as_variable, self.gradients(wanted, grad_outputs[0].array)))

    def gradients_with_a_graph(self, wanted: Sequence[int], inputs: Any, grad_outputs: Any) -> Any:
        """Return the gradients as variables with a graph. No input may depend on another."""
        chosen = [inputs[i] for i in wanted]
        return chainer.grad([self.reference(*inputs)], chosen, grad_outputs, enable_double_backprop=True)


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


class BatchNormalization(Node):
    """Batch normalisation over all axes but the second, by the batch's statistics, and perhaps a ReLU.

    Args:
        eps: added to the variance.
        running_mean, running_var: float32 arrays (C,), updated in place; the variance is the unbiased one.
        decay: how much of them stays.
        relu: whether a ReLU follows.
    """

    def __init__(self, eps: float, running_mean: Array, running_var: Array, decay: float, relu: bool) -> None:
        self.eps, self.decay, self.relu = eps, decay, relu
        self.running_mean, self.running_var = running_mean, running_var

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x (N, C, H, W), gamma (C,) and beta (C,)."""
        self.retain_inputs((0, 1, 2))
        x, gamma, beta = inputs
        found = normalisation.batch_forward(x, gamma, beta, self.eps, self.relu)
        y, self.mean, self.var, positive = found
        self._positive = positive if self.relu else None
        # Whatever is wrong in x makes its channel's statistics wrong.
        self.finite = all(numpy.isfinite(v).all() for v in (self.mean, self.var, gamma, beta))
        if self.relu and not self.finite:
            y = elementwise.relu(normalisation.batch_forward(x, gamma, beta, self.eps).y)
        m = x.size // gamma.size
        self.running_mean *= self.decay
        self.running_mean += (1 - self.decay) * self.mean
        self.running_var *= self.decay
        self.running_var += (1 - self.decay) * (m / max(m - 1, 1)) * self.var
        return (y,)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x, gamma, _ = (variable.array for variable in self.get_retained_inputs())
        found = normalisation.batch_backward(x, gy, self.mean, self.var, gamma, self.eps, self._positive)
        return [found[i] for i in wanted]

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own functions."""
        h = F.batch_normalization(*inputs, eps=self.eps)
        return F.relu(h) if self.relu else h


class ReLU(Node):
    """ReLU of x, or of x + shortcut, float32 or bfloat16.

    Args:
        slope: below zero, 0 or more.
    """

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def forward(self, inputs: Sequence[Array]) -> tuple[Array]:
        """Return y for x of any shape, and perhaps a shortcut of the same."""
        self.retain_inputs(tuple(range(len(inputs))))
        x, *shortcut = inputs
        self._y = elementwise.relu(x, self.slope, *shortcut)
        return (self._y,)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        gx = elementwise.relu_backward(self._y, gy, self.slope)
        dtypes = [variable.dtype for variable in self.get_retained_inputs()]
        return [canonical(gx, dtypes[i]) if gx.dtype != dtypes[i] else gx for i in wanted]

    def gradients_with_a_graph(self, wanted: Sequence[int], inputs: Any, grad_outputs: Any) -> Any:
        """Return the gradients; see Node. What is added may have come from the shortcut."""
        factors = numpy.where(self._y > 0, numpy.float32(1), numpy.float32(self.slope))
        return (grad_outputs[0] * factors,) * len(wanted)


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
