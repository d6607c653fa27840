"""Finds libcudnn, the shared library of cuDNN 9, and calls its C API through ctypes.

All numbers are those of its headers cudnn_graph.h, cudnn_ops.h, cudnn_cnn.h and cudnn_adv.h.
"""

import ctypes
import enum
import functools
from collections.abc import Callable
from typing import Any

# Arguments of the calls used: p pointer, i int or enum, z size_t, q unsigned long long, f float, d double.
# Every call returns a status, unless RETURNS says otherwise.
SIGNATURES = {
    'GetVersion': '',
    'GetErrorString': 'i',
    'GetLastErrorString': 'pz',
    'Create': 'p',
    'SetStream': 'pp',
    'CreateTensorDescriptor': 'p',
    'SetTensorNdDescriptor': 'piipp',
    'GetTensorNdDescriptor': 'pipppp',
    'DestroyTensorDescriptor': 'p',
    'CreateFilterDescriptor': 'p',
    'SetFilterNdDescriptor': 'piiip',
    'DestroyFilterDescriptor': 'p',
    'CreateConvolutionDescriptor': 'p',
    'SetConvolutionNdDescriptor': 'pi' + 'ppp' + 'ii',
    'SetConvolutionGroupCount': 'pi',
    'SetConvolutionMathType': 'pi',
    'DestroyConvolutionDescriptor': 'p',
    'GetConvolutionForwardAlgorithm_v7': 'ppppp' + 'ipp',
    'GetConvolutionBackwardDataAlgorithm_v7': 'ppppp' + 'ipp',
    'GetConvolutionBackwardFilterAlgorithm_v7': 'ppppp' + 'ipp',
    'FindConvolutionForwardAlgorithmEx': 'p' + 'pp' + 'pp' + 'p' + 'pp' + 'ipp' + 'pz',
    'FindConvolutionBackwardDataAlgorithmEx': 'p' + 'pp' + 'pp' + 'p' + 'pp' + 'ipp' + 'pz',
    'FindConvolutionBackwardFilterAlgorithmEx': 'p' + 'pp' + 'pp' + 'p' + 'pp' + 'ipp' + 'pz',
    'ConvolutionForward': 'pp' + 'pp' + 'pp' + 'pi' + 'pz' + 'p' + 'pp',
    'ConvolutionBackwardData': 'pp' + 'pp' + 'pp' + 'pi' + 'pz' + 'p' + 'pp',
    'ConvolutionBackwardFilter': 'pp' + 'pp' + 'pp' + 'pi' + 'pz' + 'p' + 'pp',
    'AddTensor': 'pp' + 'pp' + 'p' + 'pp',
    'CreatePoolingDescriptor': 'p',
    'SetPoolingNdDescriptor': 'piii' + 'ppp',
    'DestroyPoolingDescriptor': 'p',
    'PoolingForward': 'ppp' + 'pp' + 'p' + 'pp',
    'PoolingBackward': 'ppp' + 'pp' + 'pp' + 'pp' + 'p' + 'pp',
    'CreateActivationDescriptor': 'p',
    'SetActivationDescriptor': 'piid',
    'DestroyActivationDescriptor': 'p',
    'ActivationForward': 'ppp' + 'pp' + 'p' + 'pp',
    'ActivationBackward': 'ppp' + 'pp' + 'pp' + 'pp' + 'p' + 'pp',
    'SoftmaxForward': 'piip' + 'pp' + 'p' + 'pp',
    'SoftmaxBackward': 'piip' + 'pp' + 'pp' + 'p' + 'pp',
    'DeriveBNTensorDescriptor': 'ppi',
    'GetBatchNormalizationForwardTrainingExWorkspaceSize': 'pii' + 'pppp' + 'pp',
    'GetBatchNormalizationTrainingExReserveSpaceSize': 'pii' + 'ppp',
    'GetBatchNormalizationBackwardExWorkspaceSize': 'pii' + 'ppppp' + 'ppp',
    'BatchNormalizationForwardTrainingEx': 'pii' + 'pp' + 'pp' * 3 + 'ppp' + 'dppd' + 'pp' + 'p' + 'pzpz',
    'BatchNormalizationForwardInference': 'pi' + 'pp' + 'pp' * 2 + 'ppppp' + 'd',
    'BatchNormalizationBackwardEx': 'pii' + 'pppp' + 'pp' * 5 + 'ppppp' + 'd' + 'pp' + 'p' + 'pzpz',
    'CreateDropoutDescriptor': 'p',
    'DropoutGetStatesSize': 'pp',
    'DropoutGetReserveSpaceSize': 'pp',
    'SetDropoutDescriptor': 'ppfpzq',
    'RestoreDropoutDescriptor': 'ppfpzq',
    'DestroyDropoutDescriptor': 'p',
    'DropoutForward': 'pp' + 'pp' + 'pp' + 'pz',
    'DropoutBackward': 'pp' + 'pp' + 'pp' + 'pz',
    'CreateSpatialTransformerDescriptor': 'p',
    'SetSpatialTransformerNdDescriptor': 'piiip',
    'DestroySpatialTransformerDescriptor': 'p',
    'SpatialTfGridGeneratorForward': 'pppp',
    'SpatialTfGridGeneratorBackward': 'pppp',
    'SpatialTfSamplerForward': 'ppp' + 'pp' + 'p' + 'p' + 'pp',
    'SpatialTfSamplerBackward': 'ppp' + 'pp' + 'p' + 'pp' + 'p' + 'pp' + 'p' + 'pp',
    'CreateRNNDescriptor': 'p',
    'SetRNNDescriptor_v8': 'piiiiiiii' + 'iiii' + 'pi',
    'DestroyRNNDescriptor': 'p',
    'CreateRNNDataDescriptor': 'p',
    'SetRNNDataDescriptor': 'piiiii' + 'pp',
    'DestroyRNNDataDescriptor': 'p',
    'GetRNNWeightSpaceSize': 'ppp',
    'GetRNNWeightParams': 'ppi' + 'zp' + 'i' + 'pp' + 'pp',
    'GetRNNTempSpaceSizes': 'ppi' + 'p' + 'pp',
    'RNNForward': 'ppip' + 'pp' + 'pp' + 'ppp' + 'ppp' + 'zp' * 3,
    'RNNBackwardData_v8': 'ppp' + 'ppp' + 'pp' + 'pppp' + 'pppp' + 'zp' * 3,
    'RNNBackwardWeights_v8': 'ppip' + 'pp' + 'pp' + 'pp' + 'zp' * 3,
}
RETURNS: dict[str, Any] = {
    'GetVersion': ctypes.c_size_t,
    'GetErrorString': ctypes.c_char_p,
    'GetLastErrorString': None,
}
TYPES: dict[str, Any] = {
    'p': ctypes.c_void_p,
    'i': ctypes.c_int,
    'z': ctypes.c_size_t,
    'q': ctypes.c_ulonglong,
    'f': ctypes.c_float,
    'd': ctypes.c_double,
}


class Type(enum.IntEnum):
    """Types of elements."""

    FLOAT = 0
    DOUBLE = 1
    HALF = 2


class Math(enum.IntEnum):
    """What a convolution may multiply with: the default allows float32 to be rounded to TF32."""

    DEFAULT = 0
    TENSOR_OP = 1
    FMA = 3


class Perf(ctypes.Structure):
    """How an algorithm for a convolution does, or would do."""

    _fields_ = [
        ('algo', ctypes.c_int),
        ('status', ctypes.c_int),
        ('time', ctypes.c_float),
        ('memory', ctypes.c_size_t),
        ('determinism', ctypes.c_int),
        ('mathType', ctypes.c_int),
        ('reserved', ctypes.c_int * 3),
    ]


class Unavailable(RuntimeError):
    """The library cannot be used here; the message says why and what to do."""


class CuDNNError(RuntimeError):
    """A call of cuDNN failed; the message names the call, cuDNN's status and reason, and the shapes."""


class Library:
    """The calls of SIGNATURES as methods.

    A method raises CuDNNError where cuDNN reports a status other than success.

    Args:
        functions: the loaded library, or what gives ctypes' functions by their names as it does.

    """

    def __init__(self, functions: Any) -> None:
        for name, letters in SIGNATURES.items():
            try:
                call = functions['cudnn' + name]
            except AttributeError:
                raise Unavailable(f'libcudnn has no cudnn{name}: not cuDNN 9') from None
            call.argtypes = [TYPES[letter] for letter in letters]
            call.restype = RETURNS.get(name, ctypes.c_int)
            setattr(self, name, call if name in RETURNS else self._checked(name, call))
        self.version = self.GetVersion()
        if not 90000 <= self.version < 100000:
            raise Unavailable(f'libcudnn is cuDNN {self.version // 10000}, not 9')

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def make(self, call: str, *arguments: Any) -> int:
        """Call a function that stores a new object in its first argument, and return that object."""
        made = ctypes.c_void_p()
        getattr(self, call)(ctypes.byref(made), *arguments)
        return made.value or 0

    def size(self, call: str, *arguments: Any) -> int:
        """Call a function that stores a number of bytes in its last argument, and return that number."""
        size = ctypes.c_size_t()
        getattr(self, call)(*arguments, ctypes.byref(size))
        return size.value

    def _checked(self, name: str, call: Callable) -> Callable:
        def checked(*arguments: Any) -> None:
            status = call(*arguments)
            if status:
                raise CuDNNError(f'cudnn{name}: {self._reason(status)}')

        return checked

    def _reason(self, status: int) -> str:
        text = ctypes.create_string_buffer(1024)
        self.GetLastErrorString(text, len(text))
        # The message lists what was checked, from the failed condition outwards.
        reason = text.value.decode(errors='replace').strip().partition('\n')[0]
        return f'{self.GetErrorString(status).decode()}{f" ({reason})" if reason else ""}'


@functools.cache
def _load() -> Library | Unavailable:
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return Unavailable('CuPy 14 or newer is not installed (pip install ".[gpu]")')
    try:
        # cuDNN opens these two by itself when it first needs them; where it does not find cublasLt it ends
        # the process, and without nvrtc it has fewer algorithms.
        for name in ('cublasLt', 'nvrtc'):
            load_nvidia_dynamic_lib(name)
        return Library(ctypes.CDLL(load_nvidia_dynamic_lib('cudnn').abs_path))
    # Pathfinder's own errors and the loader's, of which there is no common type but RuntimeError.
    except (RuntimeError, OSError) as error:
        reason = str(error).partition('\n')[0]
        return Unavailable(f'{reason} (pip install nvidia-cudnn-cu13, or nvidia-cudnn-cu12 for cupy-cuda12x)')


def load() -> Library:
    """Return the loaded library, the same one each time; raise Unavailable where there is none."""
    found = _load()
    if isinstance(found, Unavailable):
        raise found
    return found
