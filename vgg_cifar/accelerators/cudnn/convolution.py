"""Convolution of any dimension, its two gradients, and with them deconvolution."""

import ctypes
from typing import Any, NamedTuple

import cupy

from vgg_cifar.accelerators.cudnn import descriptors, handles, library
from vgg_cifar.accelerators.cudnn.descriptors import (
    NCHW,
    Descriptor,
    Shape,
    address,
    contiguous,
    integers,
    number,
)
from vgg_cifar.accelerators.cudnn.handles import Space, get_handle, reported
from vgg_cifar.accelerators.cudnn.library import CuDNNError, Math, Perf

CROSS_CORRELATION = 1

# So many candidates are asked for; there are fewer than ten algorithms, some with two kinds of arithmetic.
CANDIDATES = 16


class _Moves(NamedTuple):
    """How a window moves over an image."""

    pad: Shape
    stride: Shape
    dilation: Shape
    groups: int


class _How(NamedTuple):
    """What an algorithm must be like, and how it is chosen."""

    tensor_core: str
    deterministic: bool
    auto_tune: bool
    limit: int


class _Case(NamedTuple):
    """All that the choice of an algorithm depends on: for equal cases it is made once.

    `x`, `filters` and `y` are the shapes of a convolution's input, weights and result, each in its layout,
    also where one of them is computed from the others.
    """

    direction: str
    device: int
    x: Shape
    filters: Shape
    y: Shape
    dtype: Any
    x_layout: int
    w_layout: int
    moves: _Moves
    how: _How


def _case(
    direction: str,
    x: Shape,
    filters: Shape,
    y: Shape,
    dtype: Any,
    x_layout: int,
    w_layout: int,
    moves: _Moves,
    how: _How,
) -> _Case:
    device = cupy.cuda.runtime.getDevice()
    return _Case(direction, device, x, filters, y, dtype, x_layout, w_layout, moves, how)


class _Plan(NamedTuple):
    x: Descriptor
    filters: Descriptor
    y: Descriptor
    convolution: Descriptor
    algorithm: int
    workspace: int


_plans: dict[_Case, _Plan] = {}


@reported
def convolution_forward(
    x: cupy.ndarray,
    W: cupy.ndarray,
    b: cupy.ndarray | None,
    y: cupy.ndarray,
    pad: Shape,
    stride: Shape,
    dilation: Shape,
    groups: int,
    *,
    auto_tune: bool,
    tensor_core: str,
    d_layout: int = NCHW,
    w_layout: int = NCHW,
) -> None:
    """Write W * x + b into y."""
    x, W = contiguous(x), contiguous(W)
    if y.size == 0:
        return
    moves = _Moves(tuple(pad), tuple(stride), tuple(dilation), groups)
    how = _How(tensor_core, False, auto_tune, handles.get_max_workspace_size())
    case = _case('Forward', x.shape, W.shape, y.shape, x.dtype, d_layout, w_layout, moves, how)
    _run(case, x, W, y)
    _add_bias(b, y, d_layout)


@reported
def convolution_backward_data(
    W: cupy.ndarray,
    x: cupy.ndarray,
    b: cupy.ndarray | None,
    y: cupy.ndarray,
    pad: Shape,
    stride: Shape,
    dilation: Shape,
    groups: int,
    *,
    deterministic: bool,
    auto_tune: bool,
    tensor_core: str,
    d_layout: int = NCHW,
    w_layout: int = NCHW,
) -> None:
    """Write the deconvolution of x, plus b, into y: the gradient of what a convolution makes x of."""
    x, W = contiguous(x), contiguous(W)
    if y.size == 0:
        return
    moves = _Moves(tuple(pad), tuple(stride), tuple(dilation), groups)
    how = _How(tensor_core, deterministic, auto_tune, handles.get_max_workspace_size())
    case = _case('BackwardData', y.shape, W.shape, x.shape, x.dtype, d_layout, w_layout, moves, how)
    _run(case, W, x, y)
    _add_bias(b, y, d_layout)


@reported
def convolution_backward_filter(
    x: cupy.ndarray,
    gy: cupy.ndarray,
    gW: cupy.ndarray,
    pad: Shape,
    stride: Shape,
    dilation: Shape,
    groups: int,
    *,
    deterministic: bool,
    auto_tune: bool,
    tensor_core: str,
    d_layout: int = NCHW,
    w_layout: int = NCHW,
) -> None:
    """Write the gradient of the weights into gW."""
    x, gy = contiguous(x), contiguous(gy)
    if x.size == 0 or gy.size == 0:
        gW.fill(0)
        return
    moves = _Moves(tuple(pad), tuple(stride), tuple(dilation), groups)
    how = _How(tensor_core, deterministic, auto_tune, handles.get_max_workspace_size())
    case = _case('BackwardFilter', x.shape, gW.shape, gy.shape, x.dtype, d_layout, w_layout, moves, how)
    _run(case, x, gy, gW)


def _run(case: _Case, first: cupy.ndarray, second: cupy.ndarray, result: cupy.ndarray) -> None:
    plan = _plans.get(case)
    if plan is None:
        plan = _plans[case] = _planned(case, first, second, result)
    d_first, d_second, d_result = _in_order(case, plan.x, plan.filters, plan.y)
    space = Space(plan.workspace)
    getattr(library.load(), f'Convolution{case.direction}')(
        get_handle(),
        number(case.dtype, 1),
        *(d_first, address(first), d_second, address(second)),
        *(plan.convolution, plan.algorithm, space.address, space.size),
        number(case.dtype, 0),
        *(d_result, address(result)),
    )


def _in_order(case: _Case, x: Any, filters: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return the two inputs and the result in the order in which cuDNN takes them."""
    if case.direction == 'Forward':
        return x, filters, y
    return (filters, y, x) if case.direction == 'BackwardData' else (x, y, filters)


def _planned(case: _Case, first: cupy.ndarray, second: cupy.ndarray, result: cupy.ndarray) -> _Plan:
    x = descriptors.tensor(case.x, case.dtype, case.x_layout)
    y = descriptors.tensor(case.y, case.dtype, case.x_layout)
    filters = descriptors.filters(case.filters, case.dtype, case.w_layout)
    convolution = Descriptor('Convolution')
    dnn = library.load()
    dnn.SetConvolutionNdDescriptor(
        convolution,
        len(case.moves.pad),
        *(integers(case.moves.pad), integers(case.moves.stride), integers(case.moves.dilation)),
        *(CROSS_CORRELATION, descriptors.compute_type(case.dtype)),
    )
    dnn.SetConvolutionGroupCount(convolution, case.moves.groups)
    dnn.SetConvolutionMathType(convolution, _math(case))
    described = _in_order(case, x, filters, y)
    if case.how.auto_tune:
        found = _measured(case, described, (first, second, result), convolution)
    else:
        found = _estimated(case, described, convolution)
    usable = [perf for perf in found if perf.status == 0 and (perf.determinism or not case.how.deterministic)]
    chosen = next((perf for perf in usable if perf.memory <= case.how.limit), None)
    if chosen is None:
        needed = min((perf.memory for perf in usable), default=None)
        raise CuDNNError(
            f'cudnnConvolution{case.direction}: no algorithm'
            + (' is deterministic' if case.how.deterministic and needed is None else '')
            + ('' if needed is None else f' takes less than {needed} bytes beside the arrays, and ')
            + (
                ''
                if needed is None
                else f'chainer.backends.cuda.set_max_workspace_size allows {case.how.limit}'
            )
        )
    # The arithmetic with which this algorithm was listed.
    dnn.SetConvolutionMathType(convolution, chosen.mathType)
    return _Plan(x, filters, y, convolution, chosen.algo, chosen.memory)


def _math(case: _Case) -> Math:
    if case.how.tensor_core == 'never':
        return Math.FMA
    return Math.TENSOR_OP if case.dtype.char == 'e' else Math.DEFAULT


def _estimated(case: _Case, described: tuple, convolution: Descriptor) -> list[Perf]:
    """Return the algorithms in the order in which cuDNN guesses them to be fast."""
    count, perfs = ctypes.c_int(), (Perf * CANDIDATES)()
    first, second, result = described
    getattr(library.load(), f'GetConvolution{case.direction}Algorithm_v7')(
        get_handle(), first, second, convolution, result, CANDIDATES, ctypes.byref(count), perfs
    )
    return perfs[: count.value]


def _measured(case: _Case, described: tuple, arrays: tuple, convolution: Descriptor) -> list[Perf]:
    """Return the algorithms in the order in which they are fast here; the result's memory is overwritten."""
    count, perfs = ctypes.c_int(), (Perf * CANDIDATES)()
    space = Space(case.how.limit)
    first, second, result = (
        (described_as, address(array)) for described_as, array in zip(described, arrays, strict=True)
    )
    getattr(library.load(), f'FindConvolution{case.direction}AlgorithmEx')(
        *(get_handle(), *first, *second, convolution, *result),
        *(CANDIDATES, ctypes.byref(count), perfs, space.address, space.size),
    )
    return perfs[: count.value]


def _add_bias(b: cupy.ndarray | None, y: cupy.ndarray, layout: int) -> None:
    if b is None:
        return
    b = contiguous(b)
    library.load().AddTensor(
        get_handle(),
        number(y.dtype, 1),
        *(descriptors.tensor((1, b.size, *(1,) * (y.ndim - 2)), b.dtype), address(b)),
        number(y.dtype, 1),
        *(descriptors.tensor(y.shape, y.dtype, layout), address(y)),
    )
