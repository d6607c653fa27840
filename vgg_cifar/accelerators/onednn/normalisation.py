"""Batch normalisation, alone or with a ReLU behind it."""

import math
from typing import NamedTuple

import numpy

from vgg_cifar.accelerators.onednn import arrays, library, memory
from vgg_cifar.accelerators.onednn.arrays import Shape, address, canonical, type_of
from vgg_cifar.accelerators.onednn.library import Arg, Normalisation, Propagation, Type
from vgg_cifar.accelerators.onednn.primitives import Primitive, cached

# Matrices of up to so many elements are normalised by NumPy, which is done before oneDNN has begun.
SMALL = 1 << 16

_AFFINE = Normalisation.SCALE | Normalisation.SHIFT


@cached
def _batch_forward(shape: Shape, eps: float, flags: Normalisation, type: Type) -> Primitive:
    given = Normalisation.GIVEN_STATISTICS in flags
    return Primitive(
        f'batch normalisation of {shape}',
        (Arg.SRC, Arg.MEAN, Arg.VARIANCE, Arg.SCALE, Arg.SHIFT, Arg.DST, Arg.WORKSPACE),
        'batch_normalization_forward_primitive_desc_create',
        library.load().engine,
        Propagation.INFERENCE if given else Propagation.TRAINING,
        arrays.layout(shape, type),
        arrays.layout(shape, type),
        eps,
        flags,
    )


@cached
def _batch_backward(shape: Shape, eps: float, flags: Normalisation, type: Type) -> Primitive:
    return Primitive(
        f'gradient of batch normalisation of {shape}',
        (
            Arg.SRC,
            Arg.MEAN,
            Arg.VARIANCE,
            Arg.DIFF_DST,
            Arg.SCALE,
            Arg.WORKSPACE,
            Arg.DIFF_SRC,
            Arg.DIFF_SCALE,
            Arg.DIFF_SHIFT,
        ),
        'batch_normalization_backward_primitive_desc_create',
        library.load().engine,
        Propagation.BACKWARD,
        arrays.layout(shape, type),
        arrays.layout(shape, type),
        arrays.layout(shape, type),
        eps,
        flags,
        _batch_forward(shape, eps, flags, type),
    )


class Normalised(NamedTuple):
    """What batch normalisation returns: statistics are per channel, `var` is the biased variance."""

    y: numpy.ndarray
    mean: numpy.ndarray
    var: numpy.ndarray
    positive: numpy.ndarray


def _vector(values: numpy.ndarray) -> numpy.ndarray:
    return numpy.ascontiguousarray(values, numpy.float32)


def batch_forward(
    x: numpy.ndarray, gamma: numpy.ndarray, beta: numpy.ndarray, eps: float, relu: bool = False
) -> Normalised:
    """Normalise x (N, C, H, W) or (N, C) by the statistics of its channels; then, if asked to, clip at zero.

    `positive` is oneDNN's record of what the ReLU let through; it is empty without one. The ReLU does not
    keep NaN: the caller looks at the statistics first.
    """
    x, gamma, beta = canonical(x), _vector(gamma), _vector(beta)
    if _is_small(x):
        mean = numpy.add.reduce(x, axis=0)
        mean /= len(x)
        y = x - mean
        var = numpy.add.reduce(y * y, axis=0)
        var /= len(x)
        y *= gamma / numpy.sqrt(var + numpy.float32(eps))
        y += beta
        if relu:
            numpy.maximum(y, 0, out=y)
        # What the ReLU lets through is what is left.
        return Normalised(y, mean, var, y)
    flags = _AFFINE | Normalisation.RELU if relu else _AFFINE
    primitive = _batch_forward(x.shape, eps, flags, type_of(x.dtype))
    mean, var = numpy.empty_like(gamma), numpy.empty_like(gamma)
    y = arrays.empty(x.shape, x.dtype)
    positive = memory.buffer(primitive.size(Arg.WORKSPACE))
    inputs = (x, mean, var, gamma, beta)
    primitive(*map(address, inputs), address(y), address(positive))
    return Normalised(y, mean, var, positive)


def bound(
    n: int, mean: numpy.ndarray, var: numpy.ndarray, gamma: numpy.ndarray, beta: numpy.ndarray, eps: float
) -> float:
    """Return what no result exceeds in magnitude, where statistics are of n numbers each.

    Whatever is wrong among them makes their statistics wrong. Lengths of vectors are found sooner than their
    largest elements, and are no smaller.
    """
    with numpy.errstate(all='ignore'):
        of_mean, of_var, of_gamma, of_beta = (float(v.dot(v)) for v in (mean, var, gamma, beta))
    if not (math.isfinite(of_mean + of_var) and (numpy.float32(eps) > 0 or var.all())):
        return math.inf
    return math.sqrt(n * of_gamma) + math.sqrt(of_beta)


def batch_given(
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    beta: numpy.ndarray,
    mean: numpy.ndarray,
    var: numpy.ndarray,
    eps: float,
) -> numpy.ndarray:
    """Normalise x (N, C, H, W) by given statistics of its channels."""
    x = canonical(x)
    flags = _AFFINE | Normalisation.GIVEN_STATISTICS
    primitive = _batch_forward(x.shape, eps, flags, type_of(x.dtype))
    vectors = [_vector(values) for values in (mean, var, gamma, beta)]
    y = arrays.empty(x.shape, x.dtype)
    primitive(address(x), *map(address, vectors), address(y), 0)
    return y


def batch_backward(
    x: numpy.ndarray,
    gy: numpy.ndarray,
    mean: numpy.ndarray,
    var: numpy.ndarray,
    gamma: numpy.ndarray,
    eps: float,
    positive: numpy.ndarray | None = None,
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Return the gradients of x, gamma and beta; `positive` is what `batch_forward` with a ReLU recorded."""
    x, gy, gamma = canonical(x), canonical(gy), _vector(gamma)
    if _is_small(x):
        gy = gy if positive is None else gy * (positive > 0)
        scale = 1 / numpy.sqrt(var + numpy.float32(eps))
        normalised = (x - mean) * scale
        ggamma, gbeta = numpy.add.reduce(gy * normalised, axis=0), numpy.add.reduce(gy, axis=0)
        normalised *= ggamma / len(x)
        gx = gy - normalised
        gx -= gbeta / len(x)
        gx *= gamma * scale
        return gx, ggamma, gbeta
    flags = _AFFINE if positive is None else _AFFINE | Normalisation.RELU
    primitive = _batch_backward(x.shape, eps, flags, type_of(x.dtype))
    gx = arrays.empty(x.shape, x.dtype)
    ggamma, gbeta = numpy.empty_like(gamma), numpy.empty_like(gamma)
    inputs = (x, _vector(mean), _vector(var), gy, gamma, positive)
    primitive(*map(address, inputs), address(gx), address(ggamma), address(gbeta))
    return gx, ggamma, gbeta


def _is_small(x: numpy.ndarray) -> bool:
    return x.ndim == 2 and x.size <= SMALL and x.dtype == numpy.float32
