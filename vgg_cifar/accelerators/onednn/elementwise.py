"""Operations that treat each element on its own: rectifiers and products with a mask."""

import numpy

from vgg_cifar.accelerators.onednn import library
from vgg_cifar.accelerators.onednn.arrays import address, buffer
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg, Propagation, Type
from vgg_cifar.accelerators.onednn.primitives import Layout, Primitive, cached


def _flat(size: int, type: Type = Type.FLOAT32) -> Layout:
    return Layout((size,), (1,), type)


def dense(array: numpy.ndarray) -> numpy.ndarray:
    """Return the array itself where its elements fill one piece of memory, in any order; else a copy."""
    expected = array.itemsize
    for stride, n in sorted((s, n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride != expected:
            return array.copy()
        expected *= n
    return array


def flat(array: numpy.ndarray) -> numpy.ndarray:
    """Return the elements of a dense array in the order of memory, as a view."""
    order = numpy.argsort([-stride for stride in array.strides], kind='stable')
    return array.transpose(order).reshape(-1)


def like(array: numpy.ndarray, model: numpy.ndarray) -> numpy.ndarray:
    """Return the array where it is laid out as the dense array `model` of its shape, else such a copy."""
    same = all(a == b or n == 1 for a, b, n in zip(array.strides, model.strides, array.shape, strict=True))
    if same:
        return array
    copy = empty_like(model)
    copy[...] = array
    return copy


def empty_like(model: numpy.ndarray) -> numpy.ndarray:
    """Return an uninitialised aligned float32 array laid out as `model`, which is dense."""
    order = sorted(range(model.ndim), key=lambda axis: -model.strides[axis])
    flat = buffer(4 * model.size).view(numpy.float32)
    return flat.reshape([model.shape[axis] for axis in order]).transpose(numpy.argsort(order))


@cached
def _leaky(size: int, slope: float) -> Primitive:
    return Primitive(
        f'leaky ReLU of {size} elements',
        (Arg.SRC, Arg.DST),
        'eltwise_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        Algorithm.RELU,
        _flat(size),
        _flat(size),
        slope,
        0,
    )


@cached
def _leaky_backward(size: int, slope: float) -> Primitive:
    return Primitive(
        f'gradient of a leaky ReLU of {size} elements',
        (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_SRC),
        'eltwise_backward_primitive_desc_create',
        library.load().engine,
        Algorithm.RELU,
        _flat(size),
        _flat(size),
        _flat(size),
        slope,
        0,
        _leaky(size, slope),
    )


@cached
def _product(size: int) -> Primitive:
    return Primitive(
        f'product of {size} elements',
        (Arg.SRC, Arg.SRC_1, Arg.DST),
        'binary_primitive_desc_create',
        library.load().engine,
        Algorithm.MULTIPLY,
        _flat(size),
        _flat(size),
        _flat(size),
    )


def relu(x: numpy.ndarray, slope: float = 0) -> numpy.ndarray:
    """Return x where it is positive, slope * x elsewhere; NaN stays NaN."""
    x = dense(x)
    y = empty_like(x)
    if slope:
        _leaky(x.size, slope)(address(x), address(y))
    else:
        # oneDNN's plain ReLU turns NaN into 0, and a diverging network would look healthy.
        numpy.maximum(x, numpy.float32(0), out=y)
    return y


def relu_backward(sign: numpy.ndarray, gy: numpy.ndarray, slope: float = 0) -> numpy.ndarray:
    """Return gy where `sign` (the input, or for slope >= 0 the output) is positive, slope * gy elsewhere."""
    sign = dense(sign)
    gy = like(gy, sign)
    gx = empty_like(sign)
    _leaky_backward(sign.size, slope)(address(sign), address(gy), address(gx))
    return gx


def multiply(x: numpy.ndarray, factors: numpy.ndarray) -> numpy.ndarray:
    """Return the product of two arrays of the same shape."""
    x = dense(x)
    factors = like(factors, x)
    y = empty_like(x)
    _product(x.size)(address(x), address(factors), address(y))
    return y
