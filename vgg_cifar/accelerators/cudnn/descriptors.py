"""cuDNN's descriptions of tensors, filters and operations; the tensors' and filters' are kept for reuse."""

import ctypes
import functools
import math
from collections.abc import Sequence
from typing import Any

import cupy

from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.accelerators.cudnn.library import Type

Shape = tuple[int, ...]

# The layouts by which Chainer calls the order of an array's axes in memory.
NCHW, NHWC = 0, 1

TYPES = {'f': Type.FLOAT, 'd': Type.DOUBLE, 'e': Type.HALF}

# A NaN is passed on, as Chainer's functions do on a CPU.
PROPAGATE_NAN = 1


class Descriptor:
    """One of cuDNN's objects, destroyed with this one; `value` is its address, as Chainer calls it."""

    def __init__(self, kind: str) -> None:
        self._library = library.load()
        self._kind = kind
        self.value = self._library.make(f'Create{kind}Descriptor')

    @property
    def _as_parameter_(self) -> ctypes.c_void_p:
        """What ctypes passes to cuDNN."""
        return ctypes.c_void_p(self.value)

    def __del__(self) -> None:
        value, self.value = getattr(self, 'value', 0), 0
        if value:
            getattr(self._library, f'Destroy{self._kind}Descriptor')(value)


def type_of(dtype: Any) -> Type:
    """Return cuDNN's number for a type of elements."""
    try:
        return TYPES[dtype.char]
    except KeyError:
        raise TypeError(f'cuDNN is used for float16, float32 and float64, not for {dtype}') from None


def compute_type(dtype: Any) -> Type:
    """Return the type to add up in: that of the elements, or float32 for float16."""
    return Type.DOUBLE if type_of(dtype) is Type.DOUBLE else Type.FLOAT


def number(dtype: Any, value: float) -> Any:
    """Return a factor by reference, as cuDNN takes it for arrays of `dtype`."""
    make = ctypes.c_double if type_of(dtype) is Type.DOUBLE else ctypes.c_float
    return ctypes.byref(make(value))


def integers(values: Sequence[int]) -> Any:
    """Return an array in C."""
    return (ctypes.c_int * len(values))(*values)


def channels_first(shape: Shape, layout: int) -> Shape:
    """Return the shape (N, C, ...) of an array whose own shape is this one, in the layout."""
    return shape if layout == NCHW else (shape[0], shape[-1], *shape[1:-1])


@functools.lru_cache(4096)
def tensor(shape: Shape, dtype: Any, layout: int = NCHW) -> Descriptor:
    """Return the descriptor of a C-contiguous array whose axes are arranged in this layout."""
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    made = Descriptor('Tensor')
    library.load().SetTensorNdDescriptor(
        made,
        type_of(dtype),
        len(shape),
        integers(channels_first(shape, layout)),
        integers(channels_first(tuple(strides), layout)),
    )
    return made


@functools.lru_cache(4096)
def filters(shape: Shape, dtype: Any, layout: int = NCHW) -> Descriptor:
    """Return the descriptor of a C-contiguous array of filters, (out, in, ...) or (out, ..., in)."""
    made = Descriptor('Filter')
    library.load().SetFilterNdDescriptor(
        made, type_of(dtype), layout, len(shape), integers(channels_first(shape, layout))
    )
    return made


def flat(x: cupy.ndarray) -> Descriptor:
    """Return a descriptor for what is done element by element: the rows of x, whatever its axes are."""
    rows = x.shape[0] if x.ndim else 1
    return tensor((rows, x.size // rows, 1, 1), x.dtype)


def contents(descriptor: int) -> tuple[Type, Shape]:
    """Return what type and shape a tensor's descriptor has."""
    kind, ndim = ctypes.c_int(), ctypes.c_int()
    shape, strides = (ctypes.c_int * 8)(), (ctypes.c_int * 8)()
    library.load().GetTensorNdDescriptor(
        descriptor, 8, ctypes.byref(kind), ctypes.byref(ndim), shape, strides
    )
    return Type(kind.value), tuple(shape[: ndim.value])


def address(x: cupy.ndarray | None) -> int | None:
    """Return where an array begins."""
    return None if x is None or x.size == 0 else x.data.ptr


def contiguous(x: cupy.ndarray) -> cupy.ndarray:
    """Return x, or a C-contiguous copy of it."""
    return cupy.ascontiguousarray(x)
