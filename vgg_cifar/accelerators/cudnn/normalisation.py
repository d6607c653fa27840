"""Batch normalisation."""

from typing import Any, NamedTuple

import cupy
import numpy

from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.accelerators.cudnn.descriptors import (
    NCHW,
    Descriptor,
    address,
    contents,
    contiguous,
    number,
    tensor,
)
from vgg_cifar.accelerators.cudnn.handles import Space, get_handle, reported
from vgg_cifar.accelerators.cudnn.library import Type

ALONE = 0
"""Neither a sum before nor a ReLU after the normalisation."""


class _Case(NamedTuple):
    x: Descriptor
    parameters: Descriptor
    dtype: Any
    """The type in which cuDNN keeps the parameters and statistics of such an x."""


def _described(x: cupy.ndarray, is_for_conv2d: bool, mode: int, layout: int) -> _Case:
    if is_for_conv2d:
        images = tensor(x.shape, x.dtype, layout)
    else:
        images = tensor((x.size // x.shape[-1], x.shape[-1], 1, 1), x.dtype)
    parameters = Descriptor('Tensor')
    library.load().DeriveBNTensorDescriptor(parameters, images, mode)
    kind, _ = contents(parameters.value)
    return _Case(images, parameters, numpy.dtype('f8' if kind is Type.DOUBLE else 'f4'))


def _prepared(array: cupy.ndarray, dtype: Any) -> cupy.ndarray:
    return contiguous(array.astype(dtype, copy=False))


@reported
def batch_normalization_forward_training_ex(
    x: cupy.ndarray,
    gamma: cupy.ndarray,
    beta: cupy.ndarray,
    running_mean: cupy.ndarray,
    running_var: cupy.ndarray,
    mean: None,
    inv_std: None,
    eps: float,
    decay: float,
    is_for_conv2d: bool,
    cudnn_mode: int,
    debug: bool,
    d_layout: int = NCHW,
) -> tuple[Space, cupy.ndarray, cupy.ndarray, cupy.ndarray]:
    """Return what the backward pass needs, y, and the batch's mean and 1 / standard deviation.

    The running statistics are updated in place. `mean` and `inv_std` were once where to store the batch's.
    """
    if mean is not None or inv_std is not None:
        raise ValueError('mean and inv_std are returned: pass None')
    x = contiguous(x)
    y = cupy.ndarray(x.shape, x.dtype)
    case = _described(x, is_for_conv2d, cudnn_mode, d_layout)
    gamma, beta = _prepared(gamma, case.dtype), _prepared(beta, case.dtype)
    averages = [_prepared(average, case.dtype) for average in (running_mean, running_var)]
    mean_of_batch, inv_std_of_batch = (cupy.ndarray(gamma.shape, case.dtype) for _ in range(2))
    dnn, handle = library.load(), get_handle()
    space = Space(
        dnn.size(
            'GetBatchNormalizationForwardTrainingExWorkspaceSize',
            *(handle, cudnn_mode, ALONE, case.x, None, case.x, case.parameters, None),
        )
    )
    reserve = Space(
        dnn.size('GetBatchNormalizationTrainingExReserveSpaceSize', handle, cudnn_mode, ALONE, None, case.x)
    )
    dnn.BatchNormalizationForwardTrainingEx(
        *(handle, cudnn_mode, ALONE),
        *(number(x.dtype, 1), number(x.dtype, 0)),
        *(case.x, address(x), None, None, case.x, address(y)),
        *(case.parameters, address(gamma), address(beta)),
        *(1 - decay, address(averages[0]), address(averages[1]), eps),
        *(address(mean_of_batch), address(inv_std_of_batch), None),
        *(space.address, space.size, reserve.address, reserve.size),
    )
    for average, updated in zip((running_mean, running_var), averages, strict=True):
        if updated is not average:
            average[...] = updated
    return reserve, y, mean_of_batch, inv_std_of_batch


def batch_normalization_forward_training(
    *arguments: Any, **named: Any
) -> tuple[cupy.ndarray, cupy.ndarray, cupy.ndarray]:
    """Return y, and the batch's mean and 1 / standard deviation."""
    _, *results = batch_normalization_forward_training_ex(*arguments, **named)
    return tuple(results)


@reported
def batch_normalization_forward_inference(
    x: cupy.ndarray,
    gamma: cupy.ndarray,
    beta: cupy.ndarray,
    mean: cupy.ndarray,
    var: cupy.ndarray,
    eps: float,
    is_for_conv2d: bool,
    cudnn_mode: int,
    d_layout: int = NCHW,
) -> cupy.ndarray:
    """Return x normalised by given statistics."""
    x = contiguous(x)
    y = cupy.ndarray(x.shape, x.dtype)
    case = _described(x, is_for_conv2d, cudnn_mode, d_layout)
    vectors = [_prepared(vector, case.dtype) for vector in (gamma, beta, mean, var)]
    library.load().BatchNormalizationForwardInference(
        *(get_handle(), cudnn_mode),
        *(number(x.dtype, 1), number(x.dtype, 0)),
        *(case.x, address(x), case.x, address(y)),
        *(case.parameters, *map(address, vectors), eps),
    )
    return y


@reported
def batch_normalization_backward(
    x: cupy.ndarray,
    gamma: cupy.ndarray,
    gy: cupy.ndarray,
    mean: cupy.ndarray,
    inv_std: cupy.ndarray,
    eps: float,
    is_for_conv2d: bool,
    cudnn_mode: int,
    debug: bool,
    d_layout: int = NCHW,
    *,
    reserve_space: Space | None = None,
) -> tuple[cupy.ndarray, cupy.ndarray, cupy.ndarray]:
    """Return the gradients of x, gamma and beta."""
    x, gy = contiguous(x), contiguous(gy)
    gx = cupy.ndarray(x.shape, x.dtype)
    case = _described(x, is_for_conv2d, cudnn_mode, d_layout)
    scale = _prepared(gamma, case.dtype)
    mean, inv_std = _prepared(mean, case.dtype), _prepared(inv_std, case.dtype)
    ggamma, gbeta = (cupy.ndarray(gamma.shape, case.dtype) for _ in range(2))
    reserve = reserve_space or Space(0)
    dnn, handle = library.load(), get_handle()
    space = Space(
        dnn.size(
            'GetBatchNormalizationBackwardExWorkspaceSize',
            *(handle, cudnn_mode, ALONE, case.x, case.x, case.x, None, case.x, case.parameters, None),
        )
    )
    dnn.BatchNormalizationBackwardEx(
        *(handle, cudnn_mode, ALONE),
        *(number(x.dtype, 1), number(x.dtype, 0), number(x.dtype, 1), number(x.dtype, 0)),
        *(case.x, address(x), None, None, case.x, address(gy), None, None, case.x, address(gx)),
        *(case.parameters, address(scale), None, address(ggamma), address(gbeta), eps),
        *(address(mean), address(inv_std), None),
        *(space.address, space.size, reserve.address, reserve.size),
    )
    return gx, ggamma.astype(gamma.dtype, copy=False), gbeta.astype(gamma.dtype, copy=False)
