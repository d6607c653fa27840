"""Functions of single elements, and softmax."""

import functools
import math

import cupy

from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.accelerators.cudnn.descriptors import (
    PROPAGATE_NAN,
    Descriptor,
    address,
    contiguous,
    flat,
    number,
    tensor,
)
from vgg_cifar.accelerators.cudnn.handles import get_handle, reported

OVER_CHANNELS = 1


@functools.lru_cache(256)
def _function(mode: int, coef: float) -> Descriptor:
    made = Descriptor('Activation')
    library.load().SetActivationDescriptor(made, mode, PROPAGATE_NAN, coef)
    return made


@reported
def activation_forward(x: cupy.ndarray, mode: int, coef: float = 0.0) -> cupy.ndarray:
    """Return the function of x; `coef` is where a clipped ReLU ends."""
    x = contiguous(x)
    y = cupy.ndarray(x.shape, x.dtype)
    if x.size:
        described = flat(x)
        library.load().ActivationForward(
            *(get_handle(), _function(mode, coef)),
            number(x.dtype, 1),
            *(described, address(x)),
            number(x.dtype, 0),
            *(described, address(y)),
        )
    return y


@reported
def activation_backward(
    x: cupy.ndarray, y: cupy.ndarray, gy: cupy.ndarray, mode: int, coef: float = 0.0
) -> cupy.ndarray:
    """Return the gradient of x."""
    x, y, gy = contiguous(x), contiguous(y), contiguous(gy)
    gx = cupy.ndarray(x.shape, x.dtype)
    if x.size:
        described = flat(x)
        library.load().ActivationBackward(
            *(get_handle(), _function(mode, coef)),
            number(x.dtype, 1),
            *(described, address(y), described, address(gy), described, address(x)),
            number(x.dtype, 0),
            *(described, address(gx)),
        )
    return gx


def _over(x: cupy.ndarray, axis: int) -> Descriptor:
    """Return x with the axis to normalise over as its channels."""
    axis %= x.ndim
    before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    return tensor((before, x.shape[axis], after, 1), x.dtype)


@reported
def softmax_forward(x: cupy.ndarray, axis: int, algorithm: int) -> cupy.ndarray:
    """Return the softmax of x over an axis, or its logarithm."""
    x = contiguous(x)
    y = cupy.ndarray(x.shape, x.dtype)
    if x.size:
        described = _over(x, axis)
        library.load().SoftmaxForward(
            *(get_handle(), algorithm, OVER_CHANNELS),
            number(x.dtype, 1),
            *(described, address(x)),
            number(x.dtype, 0),
            *(described, address(y)),
        )
    return y


@reported
def softmax_backward(y: cupy.ndarray, gy: cupy.ndarray, axis: int, algorithm: int) -> cupy.ndarray:
    """Return the gradient of what y is the softmax of."""
    y, gy = contiguous(y), contiguous(gy)
    gx = cupy.ndarray(y.shape, y.dtype)
    if y.size:
        described = _over(y, axis)
        library.load().SoftmaxBackward(
            *(get_handle(), algorithm, OVER_CHANNELS),
            number(y.dtype, 1),
            *(described, address(y), described, address(gy)),
            number(y.dtype, 0),
            *(described, address(gx)),
        )
    return gx
