"""Pooling over windows of two or three dimensions."""

import functools

import cupy

from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.accelerators.cudnn.descriptors import (
    PROPAGATE_NAN,
    Descriptor,
    Shape,
    address,
    contiguous,
    integers,
    number,
    tensor,
)
from vgg_cifar.accelerators.cudnn.handles import get_handle, reported


@functools.lru_cache(1024)
def _windows(size: Shape, stride: Shape, pad: Shape, mode: int) -> Descriptor:
    made = Descriptor('Pooling')
    library.load().SetPoolingNdDescriptor(
        made, mode, PROPAGATE_NAN, len(size), integers(size), integers(pad), integers(stride)
    )
    return made


@reported
def pooling_forward(
    x: cupy.ndarray, y: cupy.ndarray, ksize: Shape, stride: Shape, pad: Shape, mode: int
) -> cupy.ndarray:
    """Write the pooled x into y, and return y; its shape says how many windows there are."""
    x = contiguous(x)
    if y.size:
        library.load().PoolingForward(
            *(get_handle(), _windows(tuple(ksize), tuple(stride), tuple(pad), mode)),
            number(x.dtype, 1),
            *(tensor(x.shape, x.dtype), address(x)),
            number(x.dtype, 0),
            *(tensor(y.shape, y.dtype), address(y)),
        )
    return y


@reported
def pooling_backward(
    x: cupy.ndarray,
    y: cupy.ndarray,
    gy: cupy.ndarray,
    ksize: Shape,
    stride: Shape,
    pad: Shape,
    mode: int,
) -> cupy.ndarray:
    """Return the gradient of x."""
    x, y, gy = contiguous(x), contiguous(y), contiguous(gy)
    gx = cupy.ndarray(x.shape, x.dtype)
    if y.size:
        outer, inner = tensor(y.shape, y.dtype), tensor(x.shape, x.dtype)
        library.load().PoolingBackward(
            *(get_handle(), _windows(tuple(ksize), tuple(stride), tuple(pad), mode)),
            number(x.dtype, 1),
            *(outer, address(y), outer, address(gy), inner, address(x)),
            number(x.dtype, 0),
            *(inner, address(gx)),
        )
    return gx
