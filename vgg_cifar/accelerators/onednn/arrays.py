"""Arrays as oneDNN likes them: plain ndarrays (N, C, H, W) whose channels lie next to each other."""

import numpy

from vgg_cifar.accelerators.onednn import library
from vgg_cifar.accelerators.onednn.library import Arg, Type
from vgg_cifar.accelerators.onednn.primitives import Layout, Primitive, cached

# One cache line: vector instructions that straddle two are slower.
ALIGNMENT = 64

Shape = tuple[int, ...]


def buffer(n_bytes: int) -> numpy.ndarray:
    """Return uninitialised aligned memory, as bytes."""
    raw = numpy.empty(n_bytes + ALIGNMENT, numpy.uint8)
    start = -address(raw) % ALIGNMENT
    return raw[start : start + n_bytes]


def address(array: numpy.ndarray | None) -> int:
    """Return where the array's first element lies; 0 for None."""
    return 0 if array is None else array.__array_interface__['data'][0]


def strides(shape: Shape) -> Shape:
    """Return the distances in elements at which the canonical layout of `shape` keeps its axes.

    (N, C, H, W) lies in the order N, H, W, C; all other shapes lie in the order of their axes.
    """
    if len(shape) == 4:
        _, c, h, w = shape
        return (h * w * c, 1, w * c, c)
    result = [1]
    for n in reversed(shape[1:]):
        result.append(result[-1] * n)
    return tuple(reversed(result))


def layout(shape: Shape, type: Type = Type.FLOAT32) -> Layout:
    """Return the canonical layout of `shape`."""
    return Layout(shape, strides(shape), type)


def empty(shape: Shape, dtype: type = numpy.float32) -> numpy.ndarray:
    """Return an uninitialised array in the canonical layout."""
    size = numpy.dtype(dtype).itemsize
    n_bytes = size
    for n in shape:
        n_bytes *= n
    flat: numpy.ndarray = buffer(n_bytes).view(dtype)
    if len(shape) == 4:
        n, c, h, w = shape
        return flat.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return flat.reshape(shape)


def is_canonical(array: numpy.ndarray) -> bool:
    """Whether the array lies in the canonical layout; the strides of axes of length 1 do not matter."""
    size = array.itemsize
    return all(
        have == want * size or n == 1
        for n, have, want in zip(array.shape, array.strides, strides(array.shape), strict=True)
    )


@cached
def _reorder(shape: Shape, have: Shape) -> Primitive:
    engine = library.load().engine
    return Primitive(
        f'reorder {shape}',
        (Arg.SRC, Arg.DST),
        'reorder_primitive_desc_create',
        Layout(shape, have),
        engine,
        layout(shape),
        engine,
    )


def canonical(array: numpy.ndarray) -> numpy.ndarray:
    """Return a float32 array in the canonical layout: the array itself where it is, else a copy."""
    if is_canonical(array):
        return array
    copy = empty(array.shape)
    if array.flags.c_contiguous and array.ndim == 4:
        _, c, h, w = array.shape
        _reorder(array.shape, (c * h * w, h * w, w, 1))(address(array), address(copy))
    else:
        copy[...] = array
    return copy
