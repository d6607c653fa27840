"""cuDNN's graphs, through nvidia-cudnn-frontend: a plan is built once for equal cases.

A pattern is a function of a graph, of its input tensors and of options; it returns the output tensor.
Types and strides are those of the arrays: images are (N, C, H, W) with the channels last in memory.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chainer
import cudnn
import cupy

from vgg_cifar.accelerators.cudnn.descriptors import address
from vgg_cifar.accelerators.cudnn.handles import Space, get_handle
from vgg_cifar.accelerators.cudnn.library import CuDNNError

Pair = tuple[int, int]
Pattern = Callable[..., Any]

TYPES = {
    'float32': cudnn.data_type.FLOAT,
    'float16': cudnn.data_type.HALF,
    'bfloat16': cudnn.data_type.BFLOAT16,
}


class Tensor(NamedTuple):
    """What a plan depends on of an array; strides count elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    def describe(self, tensor: Any, number: int) -> Any:
        """Tell a graph's tensor; it is called by its number when the graph runs."""
        tensor.set_dim(self.shape).set_stride(self.strides).set_data_type(TYPES[self.dtype])
        return tensor.set_uid(number)


class Plan(NamedTuple):
    """A graph that can run, its tensors numbered from 1, and the bytes that it takes beside them."""

    graph: Any
    workspace: int


def run(
    pattern: Pattern,
    inputs: Sequence[cupy.ndarray],
    output: cupy.ndarray,
    *options: Any,
) -> None:
    """Write what a pattern makes of the inputs over `output`."""
    tf32 = getattr(chainer.config, 'compute', 'float32') == 'tf32'
    tensors = tuple(map(_tensor, inputs))
    plan = planned(pattern, tensors, _tensor(output), options, tf32, cupy.cuda.runtime.getDevice())
    space = Space(plan.workspace)
    places = dict(enumerate(map(address, (*inputs, output)), start=1))
    try:
        plan.graph.execute(places, space.address or 0, get_handle())
    except Exception as error:
        raise _refused(error, pattern, tensors, _tensor(output), options) from None


def _tensor(array: cupy.ndarray) -> Tensor:
    return Tensor(array.shape, tuple(s // array.itemsize for s in array.strides), array.dtype.name)


@functools.lru_cache(1024)
def planned(
    pattern: Pattern, inputs: tuple[Tensor, ...], output: Tensor, options: tuple, tf32: bool, device: int
) -> Plan:
    """Return the plan for a case: the first that cuDNN proposes among those that repeat their bits."""
    graph = new_graph()
    tensors = [
        each.describe(graph.tensor(dim=each.shape, stride=each.strides), number)
        for number, each in enumerate(inputs, start=1)
    ]
    try:
        output.describe(pattern(graph, *tensors, *options), len(inputs) + 1).set_output(True)
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        unwanted = [cudnn.numerical_note.NONDETERMINISTIC]
        if inputs[0].dtype == 'float32' and not tf32:
            unwanted.append(cudnn.numerical_note.TENSOR_CORE)
        graph.deselect_numeric_notes(unwanted)
        graph.build_plans()
    except Exception as error:
        raise _refused(error, pattern, inputs, output, options) from None
    return Plan(graph, graph.get_workspace_size())


def _refused(
    error: Exception, pattern: Pattern, inputs: tuple[Tensor, ...], output: Tensor, options: tuple
) -> CuDNNError:
    reason = str(error).partition('\n')[0]
    return CuDNNError(f'{pattern.__name__} of {inputs} to {output}, {options}: {reason}')


def new_graph() -> Any:
    """Return an empty graph for the current device, which adds up in float32."""
    single = cudnn.data_type.FLOAT
    return cudnn.pygraph(intermediate_data_type=single, compute_data_type=single, handle=get_handle())


def convolution(g: Any, x: Any, weights: Any, stride: Pair, pad: Pair, dilate: Pair) -> Any:
    """Convolve."""
    return g.conv_fprop(image=x, weight=weights, padding=pad, stride=stride, dilation=dilate)


def convolution_with_bias(
    g: Any, x: Any, weights: Any, bias: Any, stride: Pair, pad: Pair, dilate: Pair
) -> Any:
    """Convolve and add."""
    return g.bias(input=convolution(g, x, weights, stride, pad, dilate), bias=bias)


def rectified_convolution(
    g: Any, x: Any, weights: Any, bias: Any, stride: Pair, pad: Pair, dilate: Pair
) -> Any:
    """Convolve, add, and cut what is below 0."""
    return g.relu(input=convolution_with_bias(g, x, weights, bias, stride, pad, dilate))


def data_gradient(g: Any, gy: Any, weights: Any, stride: Pair, pad: Pair, dilate: Pair) -> Any:
    """Return a convolution's gradient of its images."""
    return g.conv_dgrad(loss=gy, filter=weights, padding=pad, stride=stride, dilation=dilate)


def weight_gradient(g: Any, x: Any, gy: Any, stride: Pair, pad: Pair, dilate: Pair) -> Any:
    """Return a convolution's gradient of its weights."""
    return g.conv_wgrad(image=x, loss=gy, padding=pad, stride=stride, dilation=dilate)
