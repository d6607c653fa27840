"""Recurrent networks of several layers: LSTM, GRU, and plain ones.

Chainer speaks cuDNN 5's language: a batch of sequences, longest first, as one array of all first elements,
then all second ones, ..., with the number of sequences that reach each step. cuDNN 9 asks for the length of
each sequence.
"""

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cupy

from vgg_cifar.accelerators.cudnn import descriptors, library
from vgg_cifar.accelerators.cudnn.descriptors import (
    Descriptor,
    Shape,
    address,
    contents,
    contiguous,
    integers,
    tensor,
)
from vgg_cifar.accelerators.cudnn.dropout import DropoutStates
from vgg_cifar.accelerators.cudnn.handles import Space, get_handle, reported
from vgg_cifar.accelerators.cudnn.library import Math, Type

STANDARD_ALGORITHM = 0
TWO_BIASES = 2
LINEAR_INPUT = 0
PACKED = 1
INFERENCE, TRAINING = 0, 1
ADD_TO_GRADIENT = 0
BIDIRECTIONAL = 1
BY_TYPE = {Type.FLOAT: 'f4', Type.DOUBLE: 'f8', Type.HALF: 'f2'}


class RNN(NamedTuple):
    """What cuDNN 5 calls an RNN's descriptor; cuDNN 9's needs the size of the input as well."""

    hidden: int
    layers: int
    dropout: Descriptor
    direction: int
    mode: int
    type: Type

    @property
    def value(self) -> 'RNN':
        """Itself: what Chainer hands on as the descriptor's address."""
        return self

    def of_inputs(self, size: int) -> Descriptor:
        """Return cuDNN 9's descriptor."""
        made = Descriptor('RNN')
        precision = Type.DOUBLE if self.type is Type.DOUBLE else Type.FLOAT
        library.load().SetRNNDescriptor_v8(
            *(made, STANDARD_ALGORITHM, self.mode, TWO_BIASES, self.direction, LINEAR_INPUT),
            *(self.type, precision, Math.DEFAULT),
            *(size, self.hidden, self.hidden, self.layers, self.dropout, 0),
        )
        return made


def create_rnn_descriptor(
    hidden_size: int,
    num_layers: int,
    dropout_desc: Descriptor,
    input_mode: int,
    direction: int,
    mode: int,
    data_type: int,
) -> RNN:
    """Describe a network."""
    return RNN(hidden_size, num_layers, dropout_desc, direction, mode, Type(data_type))


def params_size(handle: int, rnn: RNN, x_desc: int, data_type: int) -> int:
    """Return how many bytes a network's weights and biases take; x_desc's second axis is the input's size."""
    _, (_, inputs, *_) = contents(x_desc)
    return library.load().size('GetRNNWeightSpaceSize', handle, rnn.of_inputs(inputs))


def _parameters(
    handle: int, rnn: RNN, layer: int, x_desc: Descriptor, w: cupy.ndarray, lin_layer_id: int
) -> tuple[cupy.ndarray, cupy.ndarray]:
    """Return a layer's matrix and bias: views of w."""
    _, (_, inputs, *_) = contents(x_desc.value)
    addresses = ctypes.c_void_p(), ctypes.c_void_p()
    matrix, bias = Descriptor('Tensor'), Descriptor('Tensor')
    library.load().GetRNNWeightParams(
        *(handle, rnn.of_inputs(inputs), layer, w.nbytes, address(w), lin_layer_id),
        *(matrix, ctypes.byref(addresses[0]), bias, ctypes.byref(addresses[1])),
    )
    return tuple(
        _part(w, where.value or 0, contents(described.value)[1])
        for where, described in zip(addresses, (matrix, bias), strict=True)
    )


def _part(w: cupy.ndarray, where: int, shape: Shape) -> cupy.ndarray:
    first = (where - w.data.ptr) // w.itemsize
    return w.reshape(-1)[first : first + math.prod(shape)]


def get_rnn_lin_layer_matrix_params(
    handle: int,
    rnn_desc: RNN,
    layer: int,
    x_desc: Descriptor,
    w_desc: Descriptor,
    w: cupy.ndarray,
    lin_layer_id: int,
) -> cupy.ndarray:
    """Return the elements of one of a layer's matrices: a view of w."""
    return _parameters(handle, rnn_desc, layer, x_desc, w, lin_layer_id)[0]


def get_rnn_lin_layer_bias_params(
    handle: int,
    rnn_desc: RNN,
    layer: int,
    x_desc: Descriptor,
    w_desc: Descriptor,
    w: cupy.ndarray,
    lin_layer_id: int,
) -> cupy.ndarray:
    """Return one of a layer's biases: a view of w."""
    return _parameters(handle, rnn_desc, layer, x_desc, w, lin_layer_id)[1]


def _sequences(vector: int, dtype: Any, lengths: Sequence[int]) -> Descriptor:
    """Describe a batch of sequences of vectors, of which lengths[t] reach step t."""
    each = [sum(n > k for n in lengths) for k in range(lengths[0])]
    made = Descriptor('RNNData')
    library.load().SetRNNDataDescriptor(
        *(made, descriptors.type_of(dtype), PACKED, len(lengths), len(each), vector),
        *(integers(each), None),
    )
    return made


class _Case:
    """All that the four calls below pass alike."""

    def __init__(
        self,
        states: DropoutStates,
        direction: int,
        mode: int,
        hx: cupy.ndarray,
        xs: cupy.ndarray,
        lengths: Sequence[int],
    ) -> None:
        directions = 2 if direction == BIDIRECTIONAL else 1
        lengths = [int(n) for n in lengths]
        layers, _, hidden = hx.shape
        rnn = RNN(hidden, layers // directions, states._desc, direction, mode, descriptors.type_of(xs.dtype))
        self.rnn = rnn.of_inputs(xs.shape[1])
        self.x = _sequences(xs.shape[1], xs.dtype, lengths)
        self.y = _sequences(hidden * directions, xs.dtype, lengths)
        self.y_shape = (xs.shape[0], hidden * directions)
        self.h = tensor(hx.shape, hx.dtype)

    def spaces(self, mode: int) -> tuple[Space, Space]:
        """Return room to work in, and for what the backward pass needs."""
        sizes = ctypes.c_size_t(), ctypes.c_size_t()
        library.load().GetRNNTempSpaceSizes(
            get_handle(), self.rnn, mode, self.x, *(ctypes.byref(size) for size in sizes)
        )
        return Space(sizes[0].value), Space(sizes[1].value)


def _forward(
    training: int,
    states: DropoutStates,
    direction_mode: int,
    rnn_mode: int,
    hx: cupy.ndarray,
    cx: cupy.ndarray | None,
    w: cupy.ndarray,
    xs: cupy.ndarray,
    lengths: Sequence[int],
) -> tuple[Space, cupy.ndarray, cupy.ndarray | None, cupy.ndarray]:
    hx, w, xs = contiguous(hx), contiguous(w), contiguous(xs)
    cx = None if cx is None else contiguous(cx)
    case = _Case(states, direction_mode, rnn_mode, hx, xs, lengths)
    space, reserve = case.spaces(training)
    ys = cupy.ndarray(case.y_shape, xs.dtype)
    hy = cupy.ndarray(hx.shape, hx.dtype)
    cy = None if cx is None else cupy.ndarray(cx.shape, cx.dtype)
    library.load().RNNForward(
        *(get_handle(), case.rnn, training, None),
        *(case.x, address(xs), case.y, address(ys)),
        *(case.h, address(hx), address(hy)),
        *(None if cx is None else case.h, address(cx), address(cy)),
        *(w.nbytes, address(w), space.size, space.address, reserve.size, reserve.address),
    )
    return reserve, hy, cy, ys


@reported
def rnn_forward_inference(
    states: DropoutStates,
    direction_mode: int,
    rnn_mode: int,
    hx: cupy.ndarray,
    cx: cupy.ndarray | None,
    w: cupy.ndarray,
    xs: cupy.ndarray,
    lengths: Sequence[int],
) -> tuple[cupy.ndarray, cupy.ndarray | None, cupy.ndarray]:
    """Return the last hidden states and cells, and all outputs."""
    _, *results = _forward(INFERENCE, states, direction_mode, rnn_mode, hx, cx, w, xs, lengths)
    return tuple(results)


@reported
def rnn_forward_training(
    states: DropoutStates,
    direction_mode: int,
    rnn_mode: int,
    hx: cupy.ndarray,
    cx: cupy.ndarray | None,
    w: cupy.ndarray,
    xs: cupy.ndarray,
    lengths: Sequence[int],
) -> tuple[Space, cupy.ndarray, cupy.ndarray | None, cupy.ndarray]:
    """Return what the backward pass needs, the last hidden states and cells, and all outputs."""
    return _forward(TRAINING, states, direction_mode, rnn_mode, hx, cx, w, xs, lengths)


@reported
def rnn_backward_data(
    states: DropoutStates,
    direction_mode: int,
    rnn_mode: int,
    hx: cupy.ndarray,
    cx: cupy.ndarray | None,
    w: cupy.ndarray,
    xs: cupy.ndarray,
    ys: cupy.ndarray,
    reserve_space: Space,
    dhy: cupy.ndarray,
    dcy: cupy.ndarray | None,
    dys: cupy.ndarray,
    lengths: Sequence[int],
) -> tuple[cupy.ndarray, cupy.ndarray | None, cupy.ndarray]:
    """Return the gradients of the first hidden states, of the first cells, and of the inputs."""
    hx, w, xs, ys = contiguous(hx), contiguous(w), contiguous(xs), contiguous(ys)
    dhy, dys = contiguous(dhy), contiguous(dys)
    case = _Case(states, direction_mode, rnn_mode, hx, xs, lengths)
    space, _ = case.spaces(TRAINING)
    dxs, dhx = cupy.ndarray(xs.shape, xs.dtype), cupy.ndarray(hx.shape, hx.dtype)
    dcx = None
    if cx is not None:
        cx, dcy, dcx = contiguous(cx), contiguous(dcy), cupy.ndarray(cx.shape, cx.dtype)
    library.load().RNNBackwardData_v8(
        *(get_handle(), case.rnn, None),
        *(case.y, address(ys), address(dys), case.x, address(dxs)),
        *(case.h, address(hx), address(dhy), address(dhx)),
        *(None if cx is None else case.h, address(cx), address(dcy), address(dcx)),
        *(w.nbytes, address(w), space.size, space.address),
        *(reserve_space.size, reserve_space.address),
    )
    return dhx, dcx, dxs


@reported
def rnn_backward_weights(
    states: DropoutStates,
    direction_mode: int,
    rnn_mode: int,
    xs: cupy.ndarray,
    hx: cupy.ndarray,
    ys: cupy.ndarray,
    w: cupy.ndarray,
    reserve_space: Space,
    lengths: Sequence[int],
) -> cupy.ndarray:
    """Return the gradient of w; to be called after `rnn_backward_data`."""
    hx, xs, ys = contiguous(hx), contiguous(xs), contiguous(ys)
    case = _Case(states, direction_mode, rnn_mode, hx, xs, lengths)
    space, _ = case.spaces(TRAINING)
    dw = cupy.ndarray(w.shape, w.dtype)
    # cuDNN only adds to it.
    dw.fill(0)
    library.load().RNNBackwardWeights_v8(
        *(get_handle(), case.rnn, ADD_TO_GRADIENT, None),
        *(case.x, address(xs), case.h, address(hx), case.y, address(ys)),
        *(dw.nbytes, address(dw), space.size, space.address),
        *(reserve_space.size, reserve_space.address),
    )
    return dw
