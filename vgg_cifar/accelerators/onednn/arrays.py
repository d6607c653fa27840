"""Arrays as oneDNN likes them: plain ndarrays (N, C, H, W) whose channels lie next to each other."""

import ctypes
import functools
import math
from typing import Any

import numpy

from vgg_cifar.accelerators.onednn import library
from vgg_cifar.accelerators.onednn.library import Arg, Type
from vgg_cifar.accelerators.onednn.memory import buffer
from vgg_cifar.accelerators.onednn.primitives import Layout, Primitive, cached

Shape = tuple[int, ...]

_Bytes = ctypes.c_char * 0


def address(array: numpy.ndarray | None) -> int:
    """Return where the array's first element lies; 0 for None."""
    if array is None:
        return 0
    lying: Any = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    flags = lying.flags
    # ctypes takes a third of the time, but what is read-only, has gaps or is bfloat16 it does not take.
    if flags.c_contiguous and flags.writeable and array.dtype.kind != 'V':
        return ctypes.addressof(_Bytes.from_buffer(lying))
    return array.__array_interface__['data'][0]


@functools.cache
def type_of(dtype: Any) -> Type:
    """Return oneDNN's name of a NumPy type: float32, bfloat16, uint8 or int32.

    Raises:
        TypeError: it is another type.

    """
    try:
        return Type[numpy.dtype(dtype).name.upper()]
    except KeyError:
        raise TypeError(f'the array holds {dtype}; oneDNN takes float32 or bfloat16') from None


def strides(shape: Shape) -> Shape:
    """Return the distances in elements at which the canonical layout of `shape` keeps its axes.

    (N, C, H, W) lies in the order N, H, W, C; all other shapes lie in the order of their axes.
    """
    if len(shape) == 4:
        _, c, h, w = shape
        return (h * w * c, 1, w * c, c)
    return _in_order(shape)


def _in_order(shape: Shape) -> Shape:
    result = [1]
    for n in reversed(shape[1:]):
        result.append(result[-1] * n)
    return tuple(reversed(result))


def layout(shape: Shape, type: Type = Type.FLOAT32) -> Layout:
    """Return the canonical layout of `shape`."""
    return Layout(shape, strides(shape), type)


def empty(shape: Shape, dtype: Any = numpy.float32) -> numpy.ndarray:
    """Return an uninitialised array in the canonical layout."""
    if len(shape) == 4:
        n, c, h, w = shape
        return empty_in_order((n, h, w, c), dtype).transpose(0, 3, 1, 2)
    return empty_in_order(shape, dtype)


def empty_in_order(shape: Shape, dtype: Any = numpy.float32) -> numpy.ndarray:
    """Return an uninitialised array in C order."""
    dtype = numpy.dtype(dtype)
    array: numpy.ndarray = buffer(math.prod(shape) * dtype.itemsize).view(dtype)
    return array.reshape(shape)


@cached
def _reorder(shape: Shape, source: Shape, from_type: Type, target: Shape, to_type: Type) -> Primitive:
    engine = library.load().engine
    return Primitive(
        f'reorder {shape} from {from_type.name} {source} to {to_type.name} {target}',
        (Arg.SRC, Arg.DST),
        'reorder_primitive_desc_create',
        Layout(shape, source, from_type),
        engine,
        Layout(shape, target, to_type),
        engine,
    )


def _places(array: numpy.ndarray) -> Shape | None:
    """Return the strides in elements, or None where oneDNN would not take them.

    Sorted, each stride must be at least the one before times its axis's length: axes neither overlap nor
    interleave. An axis of length 1 may be placed anywhere.
    """
    reach, strides = 1, {}
    axes = [axis for axis in range(array.ndim) if array.shape[axis] > 1]
    for step, axis in sorted((array.strides[axis], axis) for axis in axes):
        strides[axis], rest = divmod(step, array.itemsize)
        if rest or strides[axis] < reach:
            return None
        reach = strides[axis] * array.shape[axis]
    return tuple(strides.get(axis, reach) for axis in range(array.ndim))


def _copy(array: numpy.ndarray, target: numpy.ndarray) -> None:
    """Copy between arrays of one shape, of any two of oneDNN's types and any strides."""
    types = type_of(array.dtype), type_of(target.dtype)
    source, places = _places(array), _places(target)
    if source is None or places is None:
        target[...] = array
    else:
        _reorder(array.shape, source, types[0], places, types[1])(address(array), address(target))


def canonical(array: numpy.ndarray, dtype: Any = None) -> numpy.ndarray:
    """Return the array in the canonical layout, and in `dtype` if given: itself where it is, else a copy."""
    rows = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    if (dtype is None or array.dtype == dtype) and rows.flags.c_contiguous:
        # A wrong type must not reach oneDNN as if it were a right one.
        type_of(array.dtype)
        return array
    copy = empty(array.shape, array.dtype if dtype is None else dtype)
    _copy(array, copy)
    return copy


def in_order(array: numpy.ndarray, dtype: Any = None) -> numpy.ndarray:
    """Return the array in C order, and in `dtype` where given: itself where it is, else a copy."""
    dtype = array.dtype if dtype is None else numpy.dtype(dtype)
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    copy = empty_in_order(array.shape, dtype)
    _copy(array, copy)
    return copy
