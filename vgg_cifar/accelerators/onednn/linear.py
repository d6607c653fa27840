"""The fully connected layer and its gradients: float32 by oneDNN's sgemm, bfloat16 by its inner products."""

from typing import Any, NamedTuple

import numpy

from vgg_cifar.accelerators.onednn import arrays, library
from vgg_cifar.accelerators.onednn.arrays import address, in_order
from vgg_cifar.accelerators.onednn.library import Arg, Propagation, Type
from vgg_cifar.accelerators.onednn.matrices import multiplied
from vgg_cifar.accelerators.onednn.primitives import Layout, Primitive, cached
from vgg_cifar.accelerators.onednn.weights import Weights


class _Case(NamedTuple):
    """What a primitive is made for: inputs and weights in bfloat16, results in float32."""

    n: int
    n_in: int
    n_out: int

    def __str__(self) -> str:
        return f'x {(self.n, self.n_in)}, W {(self.n_out, self.n_in)}, bfloat16'

    def weights(self) -> Layout:
        return Layout((self.n_out, self.n_in), None, Type.BFLOAT16)

    def bias(self, wanted: bool) -> Layout | None:
        return arrays.layout((self.n_out,)) if wanted else None


@cached
def _forward(case: _Case, bias: bool) -> tuple[Primitive, Weights]:
    primitive = Primitive(
        f'linear layer of {case}',
        (Arg.SRC, Arg.WEIGHTS, Arg.BIAS, Arg.DST),
        'inner_product_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        arrays.layout((case.n, case.n_in), Type.BFLOAT16),
        case.weights(),
        case.bias(bias),
        arrays.layout((case.n, case.n_out)),
    )
    return primitive, Weights(primitive, Arg.WEIGHTS, (case.n_out, case.n_in))


@cached
def _backward_data(case: _Case) -> tuple[Primitive, Weights]:
    hint, _ = _forward(case, False)
    primitive = Primitive(
        f'gradient of the input of a linear layer of {case}',
        (Arg.WEIGHTS, Arg.DIFF_DST, Arg.DIFF_SRC),
        'inner_product_backward_data_primitive_desc_create',
        library.load().engine,
        arrays.layout((case.n, case.n_in)),
        case.weights(),
        arrays.layout((case.n, case.n_out), Type.BFLOAT16),
        hint,
    )
    return primitive, Weights(primitive, Arg.WEIGHTS, (case.n_out, case.n_in))


@cached
def _backward_weights(case: _Case, bias: bool) -> tuple[Primitive, Weights]:
    hint, _ = _forward(case, bias)
    primitive = Primitive(
        f'gradient of the weights of a linear layer of {case}',
        (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_WEIGHTS, Arg.DIFF_BIAS),
        'inner_product_backward_weights_primitive_desc_create',
        library.load().engine,
        arrays.layout((case.n, case.n_in), Type.BFLOAT16),
        case.weights(),
        case.bias(bias),
        arrays.layout((case.n, case.n_out), Type.BFLOAT16),
        hint,
    )
    return primitive, Weights(primitive, Arg.DIFF_WEIGHTS, (case.n_out, case.n_in))


def forward(
    x: numpy.ndarray, weights: numpy.ndarray, bias: numpy.ndarray | None, dtype: Any = numpy.float32
) -> numpy.ndarray:
    """Return x (N, in) times the transposed weights (out, in), plus bias (out,).

    `dtype` is what is multiplied, float32 or bfloat16; the result is float32.

    Raises:
        ValueError: x and the weights do not fit together.

    """
    x, weights = in_order(x, dtype), in_order(weights)
    if x.shape[1] != weights.shape[1]:
        raise ValueError(
            f'linear layer of x {x.shape} and W {weights.shape}: each row of x has {x.shape[1]} numbers, '
            f'expected {weights.shape[1]}'
        )
    if dtype == numpy.float32:
        y = multiplied(x, weights.T)
        return y if bias is None else numpy.add(y, bias, out=y)
    bias = None if bias is None else in_order(bias)
    y = arrays.empty((len(x), len(weights)))
    primitive, order = _forward(_Case(len(x), x.shape[1], len(weights)), bias is not None)
    blocks = order.read(weights)
    primitive(address(x), address(blocks), address(bias), address(y))
    return y


def backward_data(weights: numpy.ndarray, gy: numpy.ndarray, dtype: Any = numpy.float32) -> numpy.ndarray:
    """Return the gradient of the input, of shape (N, in), in float32; `dtype` as in `forward`."""
    weights, gy = in_order(weights), in_order(gy, dtype)
    if dtype == numpy.float32:
        return multiplied(gy, weights)
    n_out, n_in = weights.shape
    gx = arrays.empty((len(gy), n_in))
    primitive, order = _backward_data(_Case(len(gy), n_in, n_out))
    blocks = order.read(weights)
    primitive(address(blocks), address(gy), address(gx))
    return gx


def backward_weights(
    x: numpy.ndarray, gy: numpy.ndarray, bias: bool = False, dtype: Any = numpy.float32
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return the gradients of the weights (out, in), and if asked for of the bias; see `forward`."""
    x, gy = in_order(x, dtype), in_order(gy, dtype)
    if dtype == numpy.float32:
        return multiplied(gy.T, x), gy.sum(axis=0) if bias else None
    n_out = gy.shape[1]
    gw = arrays.empty((n_out, x.shape[1]))
    gb = arrays.empty((n_out,)) if bias else None
    primitive, order = _backward_weights(_Case(len(x), x.shape[1], n_out), bias)
    blocks = order.target(gw)
    primitive(address(x), address(gy), address(blocks), address(gb))
    order.written(blocks, gw)
    return gw, gb
