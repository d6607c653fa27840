"""What Chainer 7 knows as cupy.cuda.cudnn, which CuPy no longer has from 14 on: cuDNN's own calls.

Names and arguments are those of CuPy 13, the numbers those of cuDNN's headers.
"""

from vgg_cifar.accelerators.cudnn import library, recurrent
from vgg_cifar.accelerators.cudnn.library import CuDNNError

__all__ = [
    'CuDNNError',
    'getRNNParamsSize',
    'getVersion',
    'spatialTfGridGeneratorBackward',
    'spatialTfGridGeneratorForward',
    'spatialTfSamplerBackward',
    'spatialTfSamplerForward',
]

CUDNN_TENSOR_NCHW = 0
CUDNN_TENSOR_NHWC = 1

CUDNN_ACTIVATION_SIGMOID = 0
CUDNN_ACTIVATION_RELU = 1
CUDNN_ACTIVATION_TANH = 2
CUDNN_ACTIVATION_CLIPPED_RELU = 3

CUDNN_SOFTMAX_ACCURATE = 1
CUDNN_SOFTMAX_LOG = 2

CUDNN_POOLING_MAX = 0
CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING = 1
CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING = 2
CUDNN_POOLING_MAX_DETERMINISTIC = 3

CUDNN_BATCHNORM_PER_ACTIVATION = 0
CUDNN_BATCHNORM_SPATIAL = 1
CUDNN_BATCHNORM_SPATIAL_PERSISTENT = 2
CUDNN_BN_MIN_EPSILON = 0.0

CUDNN_SAMPLER_BILINEAR = 0

CUDNN_LINEAR_INPUT = 0
CUDNN_UNIDIRECTIONAL = 0
CUDNN_BIDIRECTIONAL = 1
CUDNN_RNN_RELU = 0
CUDNN_RNN_TANH = 1
CUDNN_LSTM = 2
CUDNN_GRU = 3

getRNNParamsSize = recurrent.params_size


def spatialTfGridGeneratorForward(*arguments: int) -> None:
    """Make a grid of points: handle, descriptor, theta, grid."""
    library.load().SpatialTfGridGeneratorForward(*arguments)


def spatialTfGridGeneratorBackward(*arguments: int) -> None:
    """Compute the gradient of theta: handle, descriptor, gradient of the grid, gradient of theta."""
    library.load().SpatialTfGridGeneratorBackward(*arguments)


def spatialTfSamplerForward(*arguments: int) -> None:
    """Sample images at a grid's points; arguments in cuDNN's order."""
    library.load().SpatialTfSamplerForward(*arguments)


def spatialTfSamplerBackward(*arguments: int) -> None:
    """Compute the gradients of images and grid; arguments in cuDNN's order."""
    library.load().SpatialTfSamplerBackward(*arguments)


def getVersion() -> int:
    """Return cuDNN's version, such as 91900 for 9.19.0."""
    return library.load().version
