"""cuDNN's graphs without a device: the real library infers and checks, NumPy computes."""

from typing import Any, ClassVar

import chainer
import chainer.functions as F
import ml_dtypes
import numpy
import pytest
from host_memory import at

cudnn = pytest.importorskip('cudnn', reason='cuDNN has no graphs without pip install nvidia-cudnn-frontend')
from vgg_cifar.accelerators.cudnn.plans import TYPES  # noqa: E402

DTYPES = {
    number: numpy.dtype(ml_dtypes.bfloat16 if name == 'bfloat16' else name) for name, number in TYPES.items()
}

OPERATIONS = (
    'conv_fprop',
    'conv_dgrad',
    'conv_wgrad',
    'bias',
    'relu',
)


class Graph:
    """What stands for a pygraph; `executed` counts, for all of them, what has run."""

    executed: ClassVar[dict[str, int]] = {}

    def __init__(self) -> None:
        single = cudnn.data_type.FLOAT
        self.real = cudnn.pygraph(intermediate_data_type=single, compute_data_type=single)
        self.inputs: list[Any] = []
        self.steps: list[tuple] = []

    def tensor(self, **named: Any) -> Any:
        self.inputs.append(self.real.tensor(**named))
        return self.inputs[-1]

    def __getattr__(self, name: str) -> Any:
        assert name in OPERATIONS, name

        def operation(**named: Any) -> Any:
            made = getattr(self.real, name)(**named)
            self.steps.append((name, named, made))
            return made

        return operation

    def validate(self) -> None:
        self.real.validate()

    def build_operation_graph(self) -> None:
        pass

    def create_execution_plans(self, modes: Any) -> None:
        assert modes

    def deselect_numeric_notes(self, notes: Any) -> None:
        assert cudnn.numerical_note.NONDETERMINISTIC in notes
        self.notes = notes

    def build_plans(self) -> None:
        pass

    def get_workspace_size(self) -> int:
        return 96

    def execute(self, places: dict[int, int], workspace: int, handle: int) -> None:
        # Who watches Chainer's functions is not to see those that compute here.
        hooks = chainer.get_function_hooks()
        watching = dict(hooks)
        hooks.clear()
        try:
            self._compute(places, workspace)
        finally:
            hooks.update(watching)

    def _compute(self, places: dict[int, int], workspace: int) -> None:
        at(workspace, (96,), 'u1')[...] = 0xAB
        values = {}
        for tensor in self.inputs:
            where = places[tensor.get_uid()]
            values[id(tensor)] = self.seen(tensor, where).astype('f8')
        for name, named, made in self.steps:
            given = {
                key: values[id(value)] if hasattr(value, 'get_uid') else value for key, value in named.items()
            }
            results = made if isinstance(made, list) else [made]
            with chainer.force_backprop_mode(), chainer.using_config('use_ideep', 'never'):
                found = globals()[name](results, **given)
            for tensor, value in zip(results, found, strict=False):
                values[id(tensor)] = value
                if not tensor.get_is_virtual():
                    self.seen(tensor, places[tensor.get_uid()])[...] = value
            self.executed[name] = self.executed.get(name, 0) + 1

    @staticmethod
    def seen(tensor: Any, where: int) -> numpy.ndarray:
        return at(where, tensor.get_dim(), DTYPES[tensor.get_data_type()], tensor.get_stride())


def conv_fprop(results, image, weight, padding, stride, dilation):
    groups = image.shape[1] // weight.shape[1]
    return [F.convolution_2d(image, weight, None, stride, padding, dilate=dilation, groups=groups).array]


def _gradients(x, weight, gy, padding, stride, dilation):
    x, weight = chainer.Variable(x), chainer.Variable(weight)
    groups = x.shape[1] // weight.shape[1]
    y = F.convolution_2d(x, weight, None, stride, padding, dilate=dilation, groups=groups)
    y.grad = gy
    y.backward()
    return x.grad, weight.grad


def conv_dgrad(results, loss, filter, padding, stride, dilation):
    return [_gradients(numpy.zeros(results[0].get_dim()), filter, loss, padding, stride, dilation)[0]]


def conv_wgrad(results, image, loss, padding, stride, dilation):
    return [_gradients(image, numpy.zeros(results[0].get_dim()), loss, padding, stride, dilation)[1]]


def bias(results, input, bias):
    return [input + bias]


def relu(results, input):
    return [numpy.maximum(input, 0)]
