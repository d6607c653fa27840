"""The fully connected layer and its gradients."""

import numpy

from vgg_cifar.accelerators.onednn import arrays, library
from vgg_cifar.accelerators.onednn.arrays import address
from vgg_cifar.accelerators.onednn.library import Arg, Propagation
from vgg_cifar.accelerators.onednn.primitives import Primitive, cached


def _layouts(n: int, n_in: int, n_out: int, bias: bool) -> tuple:
    matrices = [arrays.layout(shape) for shape in ((n, n_in), (n_out, n_in), (n, n_out))]
    return (*matrices[:2], arrays.layout((n_out,)) if bias else None, matrices[2])


@cached
def _forward(n: int, n_in: int, n_out: int, bias: bool) -> Primitive:
    return Primitive(
        f'linear layer of x {(n, n_in)}, W {(n_out, n_in)}',
        (Arg.SRC, Arg.WEIGHTS, Arg.BIAS, Arg.DST),
        'inner_product_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        *_layouts(n, n_in, n_out, bias),
    )


@cached
def _backward_data(n: int, n_in: int, n_out: int) -> Primitive:
    gx, weights, _, gy = _layouts(n, n_in, n_out, False)
    return Primitive(
        f'gradient of the input of a linear layer of x {(n, n_in)}, W {(n_out, n_in)}',
        (Arg.WEIGHTS, Arg.DIFF_DST, Arg.DIFF_SRC),
        'inner_product_backward_data_primitive_desc_create',
        library.load().engine,
        gx,
        weights,
        gy,
        _forward(n, n_in, n_out, False),
    )


@cached
def _backward_weights(n: int, n_in: int, n_out: int, bias: bool) -> Primitive:
    return Primitive(
        f'gradient of the weights of a linear layer of x {(n, n_in)}, W {(n_out, n_in)}',
        (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_WEIGHTS, Arg.DIFF_BIAS),
        'inner_product_backward_weights_primitive_desc_create',
        library.load().engine,
        *_layouts(n, n_in, n_out, bias),
        _forward(n, n_in, n_out, bias),
    )


def forward(x: numpy.ndarray, weights: numpy.ndarray, bias: numpy.ndarray | None) -> numpy.ndarray:
    """Return x (N, in) times the transposed weights (out, in), plus bias (out,)."""
    x, weights = numpy.ascontiguousarray(x), numpy.ascontiguousarray(weights)
    bias = None if bias is None else numpy.ascontiguousarray(bias)
    y = arrays.empty((len(x), len(weights)))
    primitive = _forward(len(x), x.shape[1], len(weights), bias is not None)
    primitive(address(x), address(weights), address(bias), address(y))
    return y


def backward_data(weights: numpy.ndarray, gy: numpy.ndarray) -> numpy.ndarray:
    """Return the gradient of the input, of shape (N, in)."""
    weights, gy = numpy.ascontiguousarray(weights), numpy.ascontiguousarray(gy)
    n_out, n_in = weights.shape
    gx = arrays.empty((len(gy), n_in))
    _backward_data(len(gy), n_in, n_out)(address(weights), address(gy), address(gx))
    return gx


def backward_weights(
    x: numpy.ndarray, gy: numpy.ndarray, bias: bool = False
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return the gradients of the weights, of shape (out, in), and where asked for of the bias."""
    x, gy = numpy.ascontiguousarray(x), numpy.ascontiguousarray(gy)
    n_out = gy.shape[1]
    gw = arrays.empty((n_out, x.shape[1]))
    gb = arrays.empty((n_out,)) if bias else None
    _backward_weights(len(x), x.shape[1], n_out, bias)(address(x), address(gy), address(gw), address(gb))
    return gw, gb
