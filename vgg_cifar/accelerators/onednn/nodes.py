"""What Chainer's own hook cannot express: functions fused, or in bfloat16, or with cheaper random numbers.

All take and return plain arrays, float32 or bfloat16; parameters and their gradients are float32.
"""

import math
import weakref
from collections.abc import Callable, Sequence
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

    `forward` and `gradients` do without Chainer's graph, so that a recorded step can call them by themselves;
    what the one leaves for the other is in `kept`.
    """

    bound: float = math.inf
    """What no element of the output exceeds in magnitude but by rounding; infinite or NaN if not known.

    The output has it as an attribute, too. Nobody else may change what is in it.
    """

    fresh = True
    """Whether no gradient is an array that is something else besides: then it may be added to in place."""

    kept: Any = None

    _source: Callable[[], Any] = staticmethod(lambda: None)
    _bound_given: float | None = None

    output: Callable[..., Array]
    """Returns the output for inputs as arrays, and keeps what `gradients` needs."""

    def apply(self, inputs: Any) -> Any:
        """Return the output as a variable; see chainer.FunctionNode.apply."""
        source = getattr(inputs[0], 'creator_node', None)
        # A weak reference: a graph that is cut is not to be kept.
        self._source = (lambda: None) if source is None else weakref.ref(source)
        self._bound_given = getattr(inputs[0], 'bound', None)
        (output,) = super().apply(inputs)
        output.bound = self.bound
        return (output,)

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Return the output; see chainer.FunctionNode.forward."""
        self.retain_inputs(tuple(range(len(inputs))))
        return (self.output(*inputs),)

    def bound_before(self, x: Array | None = None) -> float:
        """Return the bound of the first input, in this step; where none is known, x's own, or infinity."""
        # The node that has made it is called anew in each step, if this one is.
        found = getattr(self._source(), 'bound', self._bound_given)
        if found is None:
            return math.inf if x is None else elementwise.largest(x)
        return float(found)

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
        """Return the gradients as variables with a graph."""
        # One input may depend on another, but not here.
        apart = [F.identity(x) for x in inputs]
        chosen = [apart[i] for i in wanted]
        return chainer.grad([self.reference(*apart)], chosen, grad_outputs, enable_double_backprop=True)


class Convolution(Node):
    """Convolution, and perhaps a ReLU; the bias's gradient falls out of the weights'.

    Args:
        stride, pad, dilate: pairs (rows, columns).
        groups: into how many groups the channels are cut.
        dtype: what is multiplied and returned, float32 or bfloat16.
        slope: of the ReLU below zero, 0 or more; 1 for none.
    """

    def __init__(
        self, stride: Pair, pad: Pair, dilate: Pair, groups: int, dtype: Any, slope: float = 1
    ) -> None:
        self.stride, self.pad, self.dilate, self.groups, self.dtype = stride, pad, dilate, groups, dtype
        self.slope = slope

    def output(self, x: Array, weights: Array, bias: Array | None = None) -> Array:
        """Return y for x (N, C, H, W), W (out, C / groups, rows, columns) and perhaps b (out,)."""
        y_shape, moves = convolution.moved(
            x.shape, weights.shape, self.stride, self.pad, self.dilate, self.groups
        )
        image = canonical(x, self.dtype)
        pixel = self.bound_before(x)
        y, self.bound = convolution.rectified(image, pixel, weights, bias, y_shape, moves, self.slope)
        self.kept = x.dtype, image, weights, bias is not None, moves, y if self.slope != 1 else None
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        dtype, x, weights, has_bias, moves, y = self.kept
        if y is not None:
            gy = elementwise.relu_backward(y, gy, self.slope)
        found: dict[int, Array | None] = {}
        if 0 in wanted:
            found[0] = canonical(convolution.backward_data(weights, gy, x.shape, moves), dtype)
        if 1 in wanted or 2 in wanted:
            found[1], found[2] = convolution.backward_weights(x, gy, weights.shape, moves, has_bias)
        return [found[i] for i in wanted]  # type: ignore[misc]

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own functions."""
        h = F.convolution_2d(
            *inputs, stride=self.stride, pad=self.pad, dilate=self.dilate, groups=self.groups
        )
        return h if self.slope == 1 else F.leaky_relu(h, self.slope)


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

    def output(self, x: Array, gamma: Array, beta: Array) -> Array:
        """Return y for x (N, C, H, W) or (N, C), gamma (C,) and beta (C,)."""
        y, mean, var, positive = normalisation.batch_forward(x, gamma, beta, self.eps, self.relu)
        self.kept = x, mean, var, gamma, positive if self.relu else None
        m = x.size // gamma.size
        self.bound = normalisation.bound(m, mean, var, gamma, beta, self.eps)
        if self.relu and not elementwise.harmless(self.bound):
            y = elementwise.relu(normalisation.batch_forward(x, gamma, beta, self.eps).y)
        self.running_mean *= self.decay
        self.running_mean += (1 - self.decay) * mean
        self.running_var *= self.decay
        self.running_var += (1 - self.decay) * (m / max(m - 1, 1)) * var
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x, mean, var, gamma, positive = self.kept
        found = normalisation.batch_backward(x, gy, mean, var, gamma, self.eps, positive)
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

    fresh = False

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def output(self, x: Array, *shortcut: Array) -> Array:
        """Return y for x of any shape, and perhaps a shortcut of the same."""
        y = elementwise.relu(x, self.slope, *shortcut)
        self.bound = math.inf if shortcut else max(1, self.slope) * self.bound_before()
        self.kept = y, [each.dtype for each in (x, *shortcut)]
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        y, dtypes = self.kept
        gx = elementwise.relu_backward(y, gy, self.slope)
        return [canonical(gx, dtypes[i]) if gx.dtype != dtypes[i] else gx for i in wanted]

    def gradients_with_a_graph(self, wanted: Sequence[int], inputs: Any, grad_outputs: Any) -> Any:
        """Return the gradients; see Node. What is added may have come from the shortcut."""
        factors = numpy.where(self.kept[0] > 0, numpy.float32(1), numpy.float32(self.slope))
        return (grad_outputs[0] * factors,) * len(wanted)


class Dropout(Node):
    """Dropout with a mask of bytes, drawn from a fast generator that NumPy's global one seeds."""

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio

    def _times_mask(self, x: Array) -> Array:
        return elementwise.multiply(x, self.kept, 1 / (1 - self.ratio))

    def output(self, x: Array) -> Array:
        """Return y for x of any shape."""
        x = elementwise.dense(x)
        self.bound = self.bound_before() / (1 - self.ratio)
        self.kept = elementwise.empty_like(x, numpy.uint8)
        elementwise.flat(self.kept)[...] = noise.keep(x.size, self.ratio)
        return self._times_mask(x)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        return (self._times_mask(elementwise.like(gy, self.kept)),)

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        return inputs[0] * (self.kept / numpy.float32(1 - self.ratio))


class Pooling(Node):
    """Max or average pooling of float32 or bfloat16, without `cover_all`.

    Args:
        kind: 'max' or 'average'.
        size, stride, pad: pairs (rows, columns).
        relu: whether a ReLU follows the maxima.
    """

    def __init__(self, kind: str, size: Pair, stride: Pair, pad: Pair, relu: bool = False) -> None:
        self.kind, self.size, self.stride, self.pad, self.relu = kind, size, stride, pad, relu

    def output(self, x: Array) -> Array:
        """Return y for x (N, C, H, W)."""
        y_shape, windows = pooling.moved(x.shape, self.size, self.stride, self.pad)
        # The maximum of a window of padding alone is minus infinity.
        self.bound = self.bound_before() if windows.all_touch(x.shape, y_shape) else math.inf
        if self.kind == 'average':
            self.kept = x.shape, windows, None, None
            return pooling.average_forward(x, y_shape, windows)
        y, positions = pooling.max_forward(x, y_shape, windows, elementwise.harmless(self.bound), self.relu)
        self.kept = x.shape, windows, positions, y if self.relu else None
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        x_shape, windows, positions, y = self.kept
        if y is not None:
            gy = elementwise.relu_backward(y, gy)
        if self.kind == 'average':
            return (pooling.average_backward(gy, x_shape, windows),)
        return (pooling.max_backward(gy, positions, x_shape, windows),)

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        if self.kind == 'average':
            return F.average_pooling_2d(*inputs, self.size, self.stride, self.pad)
        y = F.max_pooling_2d(*inputs, self.size, self.stride, self.pad, cover_all=False)
        return F.relu(y) if self.relu else y


class Linear(Node):
    """Fully connected layer over all axes but the first, and perhaps a ReLU; returns float32.

    Args:
        dtype: what is multiplied, float32 or bfloat16.
        relu: whether a ReLU follows.
    """

    def __init__(self, dtype: Any, relu: bool) -> None:
        self.dtype, self.relu = dtype, relu

    def output(self, x: Array, weights: Array, bias: Array | None = None) -> Array:
        """Return y (N, out) for x (N, ...), W (out, in) and perhaps b (out,)."""
        rows = arrays.in_order(x, self.dtype).reshape(len(x), -1)
        y = linear.forward(rows, weights, bias, self.dtype)
        if self.relu:
            numpy.maximum(y, 0, out=y)
        self.kept = x.shape, x.dtype, rows, weights, bias is not None, y if self.relu else None
        return y

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        shape, dtype, rows, weights, has_bias, y = self.kept
        if y is not None:
            gy = elementwise.relu_backward(y, gy)
        gy = arrays.in_order(gy, self.dtype)
        found: dict[int, Array | None] = {}
        if 0 in wanted:
            found[0] = canonical(linear.backward_data(weights, gy, self.dtype).reshape(shape), dtype)
        if 1 in wanted or 2 in wanted:
            found[1], found[2] = linear.backward_weights(rows, gy, has_bias, self.dtype)
        return [found[i] for i in wanted]  # type: ignore[misc]

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own functions."""
        y = F.linear(*inputs)
        return F.relu(y) if self.relu else y


class CrossEntropy(Node):
    """The mean over a batch of the negative logarithm of each label's softmax.

    `accuracy`, of the last call, is the part of the batch whose label has the highest score, float32 ().
    """

    def output(self, scores: Array, labels: Array) -> Array:
        """Return the loss () of float32 scores (N, classes) and labels (N,), integers from 0."""
        n = len(labels)
        rows, best = numpy.arange(n), scores.argmax(axis=1)
        parts = scores - scores[rows, best, None]
        chosen = parts[rows, labels]
        numpy.exp(parts, out=parts)
        sums = numpy.add.reduce(parts, axis=1)
        parts /= sums[:, None]
        self.kept = parts, labels, rows
        self.accuracy = numpy.array(numpy.count_nonzero(best == labels) / n, numpy.float32)
        loss: Array = numpy.add.reduce(numpy.log(sums) - chosen, keepdims=True).reshape(())
        loss /= n
        return loss

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        parts, labels, rows = self.kept
        share = gy / numpy.float32(len(labels))
        gx = parts * share
        gx[rows, labels] -= share
        return (gx,)

    def reference(self, *inputs: Any) -> chainer.Variable:
        """Return the output by Chainer's own function."""
        return F.softmax_cross_entropy(*inputs, enable_double_backprop=True)


class Cast(Node):
    """The input as float32, its gradient in the input's type."""

    fresh = False

    def output(self, x: Array) -> Array:
        """Return x as float32."""
        self.kept = x.dtype
        return canonical(x, numpy.float32)

    def gradients(self, wanted: Sequence[int], gy: Array) -> Sequence[Array]:
        """Return the gradients; see Node."""
        return (canonical(gy, self.kept),)
