"""Operations that treat each element on its own: rectifiers and products with a mask."""

from typing import Any

import numpy

from vgg_cifar.accelerators.onednn import library
from vgg_cifar.accelerators.onednn.arrays import address, type_of
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg, Propagation, Type
from vgg_cifar.accelerators.onednn.memory import buffer
from vgg_cifar.accelerators.onednn.primitives import Attributes, Layout, Primitive, cached

# Below so many elements, NumPy is done before oneDNN has begun.
SMALL = 1 << 15


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
    size, model_size = array.itemsize, model.itemsize
    if all(
        a * model_size == b * size or n == 1
        for a, b, n in zip(array.strides, model.strides, array.shape, strict=True)
    ):
        return array
    copy = empty_like(model, array.dtype)
    copy[...] = array
    return copy


def empty_like(model: numpy.ndarray, dtype: Any = None) -> numpy.ndarray:
    """Return an uninitialised aligned array laid out as `model`, which is dense."""
    dtype = model.dtype if dtype is None else numpy.dtype(dtype)
    order = sorted(range(model.ndim), key=lambda axis: -model.strides[axis])
    elements: numpy.ndarray = buffer(dtype.itemsize * model.size).view(dtype)
    return elements.reshape([model.shape[axis] for axis in order]).transpose(numpy.argsort(order))


@cached
def _leaky(size: int, slope: float, type: Type) -> Primitive:
    return Primitive(
        f'leaky ReLU of {size} elements',
        (Arg.SRC, Arg.DST),
        'eltwise_forward_primitive_desc_create',
        library.load().engine,
        Propagation.TRAINING,
        Algorithm.RELU,
        _flat(size, type),
        _flat(size, type),
        slope,
        0,
    )


@cached
def _leaky_backward(size: int, slope: float, type: Type) -> Primitive:
    return Primitive(
        f'gradient of a leaky ReLU of {size} elements',
        (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_SRC),
        'eltwise_backward_primitive_desc_create',
        library.load().engine,
        Algorithm.RELU,
        _flat(size, type),
        _flat(size, type),
        _flat(size, type),
        slope,
        0,
        _leaky(size, slope, type),
    )


@cached
def _product(size: int, types: tuple[Type, Type], scale: float) -> Primitive:
    return Primitive(
        f'product of {size} elements',
        (Arg.SRC, Arg.SRC_1, Arg.DST),
        'binary_primitive_desc_create',
        library.load().engine,
        Algorithm.MULTIPLY,
        _flat(size, types[0]),
        _flat(size, types[1]),
        _flat(size, types[0]),
        attributes=Attributes(scale=scale),
    )


@cached
def _sum(size: int, types: tuple[Type, Type], slope: float) -> Primitive:
    """Return what adds, and multiplies by the slope what is negative."""
    return Primitive(
        f'sum of {size} elements',
        (Arg.SRC, Arg.SRC_1, Arg.DST),
        'binary_primitive_desc_create',
        library.load().engine,
        Algorithm.ADD,
        _flat(size, types[0]),
        _flat(size, types[1]),
        _flat(size, types[0]),
        attributes=Attributes(slope),
    )


def largest(x: numpy.ndarray) -> float:
    """Return the largest magnitude of an element; NaN where there is one."""
    return max(float(x.max()), -float(x.min()))


def harmless(bound: float) -> bool:
    """Whether what is bounded so has neither infinities nor NaN in it, nor in sums on the way to it.

    oneDNN's ReLU and its maxima take NaN for 0, and a diverging network would look healthy. Float32 ends at
    3e38; on the way, Winograd's method multiplies by hundreds.
    """
    return bound < 1e30


def add(x: numpy.ndarray, y: numpy.ndarray, in_place: bool = False) -> numpy.ndarray:
    """Return x + y, both of one shape and float32 or bfloat16; `in_place` lets it overwrite x."""
    x = dense(x)
    y = like(y, x)
    total = x if in_place else empty_like(x)
    if x.size < SMALL:
        return numpy.add(x, y, out=total)
    _sum(x.size, (type_of(x.dtype), type_of(y.dtype)), 1)(address(x), address(y), address(total))
    return total


def relu(x: numpy.ndarray, slope: float = 0, shortcut: numpy.ndarray | None = None) -> numpy.ndarray:
    """Return x, or x + shortcut, where that is positive, slope times it elsewhere; NaN stays NaN."""
    x = dense(x)
    y = empty_like(x)
    if shortcut is not None:
        shortcut = like(shortcut, x)
        types = type_of(x.dtype), type_of(shortcut.dtype)
        _sum(x.size, types, slope or 1)(address(x), address(shortcut), address(y))
        x = y
    # oneDNN's plain ReLU turns NaN into 0, and a diverging network would look healthy.
    if slope:
        if shortcut is None:
            _leaky(x.size, slope, type_of(x.dtype))(address(x), address(y))
    elif x.dtype == numpy.float32:
        numpy.maximum(x, numpy.float32(0), out=y)
    else:
        # The bits of bfloat16, with the sign turned over: up to 0x7F80 lie the negative numbers, then NaNs.
        bits = flat(x).view(numpy.uint16)
        numpy.multiply(bits, (bits ^ 0x8000) > 0x7F80, out=flat(y).view(numpy.uint16))
    return y


def relu_backward(sign: numpy.ndarray, gy: numpy.ndarray, slope: float = 0) -> numpy.ndarray:
    """Return gy where `sign` (the input, or for slope >= 0 the output) is positive, slope * gy elsewhere."""
    if sign.size < SMALL and sign.dtype == gy.dtype == numpy.float32:
        gx: numpy.ndarray = gy * (sign > 0)
        if slope:
            gx += gy * numpy.float32(slope) * (sign <= 0)
        return gx
    sign = dense(sign)
    gy = like(gy, sign)
    gx = empty_like(sign)
    _leaky_backward(sign.size, slope, type_of(sign.dtype))(address(sign), address(gy), address(gx))
    return gx


def multiply(x: numpy.ndarray, factors: numpy.ndarray, scale: float = 1) -> numpy.ndarray:
    """Return x times factors (of x's shape; float32, bfloat16 or bytes) times scale, in x's type."""
    x = dense(x)
    factors = like(factors, x)
    y = empty_like(x)
    types = type_of(x.dtype), type_of(factors.dtype)
    _product(x.size, types, scale)(address(x), address(factors), address(y))
    return y
