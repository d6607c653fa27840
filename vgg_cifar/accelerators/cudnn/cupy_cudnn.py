"""What Chainer 7 knows as cupy.cudnn, which CuPy no longer has from 14 on.

Names and arguments are those of CuPy 13 (chainer/backends/cuda.py, and the functions that use it).
"""

from typing import Any

import cupy

from vgg_cifar.accelerators.cudnn import descriptors, library
from vgg_cifar.accelerators.cudnn.activation import (
    activation_backward,
    activation_forward,
    softmax_backward,
    softmax_forward,
)
from vgg_cifar.accelerators.cudnn.convolution import (
    convolution_backward_data,
    convolution_backward_filter,
    convolution_forward,
)
from vgg_cifar.accelerators.cudnn.descriptors import Descriptor
from vgg_cifar.accelerators.cudnn.dropout import DropoutStates
from vgg_cifar.accelerators.cudnn.handles import (
    get_handle,
    get_max_workspace_size,
    set_max_workspace_size,
)
from vgg_cifar.accelerators.cudnn.normalisation import (
    batch_normalization_backward,
    batch_normalization_forward_inference,
    batch_normalization_forward_training,
    batch_normalization_forward_training_ex,
)
from vgg_cifar.accelerators.cudnn.pooling import pooling_backward, pooling_forward
from vgg_cifar.accelerators.cudnn.recurrent import (
    create_rnn_descriptor,
    get_rnn_lin_layer_bias_params,
    get_rnn_lin_layer_matrix_params,
    rnn_backward_data,
    rnn_backward_weights,
    rnn_forward_inference,
    rnn_forward_training,
)

__all__ = [
    'DropoutStates',
    'activation_backward',
    'activation_forward',
    'batch_normalization_backward',
    'batch_normalization_forward_inference',
    'batch_normalization_forward_training',
    'batch_normalization_forward_training_ex',
    'convolution_backward_data',
    'convolution_backward_filter',
    'convolution_forward',
    'create_filter_descriptor',
    'create_rnn_descriptor',
    'create_spatial_transformer_descriptor',
    'create_tensor_descriptor',
    'create_tensor_nd_descriptor',
    'get_data_type',
    'get_handle',
    'get_max_workspace_size',
    'get_rnn_lin_layer_bias_params',
    'get_rnn_lin_layer_matrix_params',
    'is_tensor_core_available',
    'pooling_backward',
    'pooling_forward',
    'rnn_backward_data',
    'rnn_backward_weights',
    'rnn_forward_inference',
    'rnn_forward_training',
    'set_max_workspace_size',
    'softmax_backward',
    'softmax_forward',
]

get_data_type = descriptors.type_of


def is_tensor_core_available(dtype: Any) -> bool:
    """Whether the device multiplies float16 matrices in hardware and this is that type."""
    return dtype.char == 'e' and int(cupy.cuda.Device().compute_capability) >= 70


def create_tensor_descriptor(arr: cupy.ndarray, format: int = descriptors.NCHW) -> Descriptor:
    """Describe a C-contiguous array."""
    if not arr.flags.c_contiguous:
        raise ValueError('cuDNN is given C-contiguous arrays only')
    return descriptors.tensor(arr.shape, arr.dtype, format)


create_tensor_nd_descriptor = create_tensor_descriptor


def create_filter_descriptor(arr: cupy.ndarray, format: int = descriptors.NCHW) -> Descriptor:
    """Describe a C-contiguous array of filters."""
    return descriptors.filters(arr.shape, arr.dtype, format)


def create_spatial_transformer_descriptor(
    sampler_type: int, dtype: Any, nb_dims: int, dim_A: int
) -> Descriptor:
    """Describe a sampler; dim_A is the address of nb_dims C integers, the shape of what it makes."""
    made = Descriptor('SpatialTransformer')
    library.load().SetSpatialTransformerNdDescriptor(
        made, sampler_type, descriptors.type_of(dtype), nb_dims, dim_A
    )
    return made
