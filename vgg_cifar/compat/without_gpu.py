"""Runs on the CPU what asks Chainer or CuPy for a GPU: `vgg-cifar run --cpu`.

NumPy stands in for CuPy, and a device that does nothing for the GPU. CUDA kernels that
a script brings itself have no counterpart on a CPU.
"""

import functools
import multiprocessing
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vgg_cifar.compat.chainer7 import when_loaded


def pretend() -> None:
    """Have what asks for a GPU get the CPU, and say so once."""

    @functools.cache
    def say() -> None:
        # A process that the script starts need not repeat it.
        if multiprocessing.parent_process() is None:
            script = Path(sys.argv[0]).name
            print(f'{script}: it asks for a GPU, and runs on the CPU (--cpu)', file=sys.stderr)

    cupy = _CuPy(say)
    # For `import cupy`, be it installed or not. Chainer finds parts missing, and does without.
    sys.modules['cupy'] = cupy
    when_loaded('chainer.backends.cuda', lambda cuda: _replace_cuda(cuda, cupy, say))
    when_loaded('chainer.backend', _replace_devices)


class _Device:
    """A GPU that is none: cupy.cuda.Device, and what is like it."""

    def __init__(self, device: Any = 0, **options: Any) -> None:
        self.id = int(getattr(device, 'id', device) or 0)

    def __enter__(self) -> '_Device':
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(name)
        # use, synchronize, record, free_all_blocks, set_limit, ...
        return lambda *arguments, **options: None


class _NoArray:
    """The class of arrays on a GPU: there are none."""


class _Random:
    """NumPy's random numbers, in a type that CuPy would be asked for."""

    def __getattr__(self, name: str) -> Any:
        import numpy

        draw = getattr(numpy.random, name)
        if not callable(draw) or isinstance(draw, type):
            return draw

        def of_type(*arguments: Any, dtype: Any = None, **options: Any) -> Any:
            drawn = draw(*arguments, **options)
            return drawn if dtype is None else numpy.asarray(drawn, dtype)

        return of_type


class _CuPy(types.ModuleType):
    """NumPy in the part of CuPy."""

    ndarray = _NoArray

    def __init__(self, say: Callable[[], None]) -> None:
        super().__init__('cupy')
        import numpy

        self.__version__ = '0'
        self._numpy, self._say = numpy, say
        self.cuda = types.SimpleNamespace(
            Device=_Device,
            Event=_Device,
            MemoryPool=_Device,
            Stream=type('Stream', (_Device,), {'null': _Device()}),
            get_device_id=lambda: 0,
            is_available=lambda: True,
            runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
            set_allocator=lambda *allocator: None,
        )
        self.asnumpy = numpy.asarray
        self.random = _Random()
        self.get_array_module = lambda *arrays: numpy
        self.get_default_memory_pool = self.get_default_pinned_memory_pool = _Device

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        if name in ('ElementwiseKernel', 'ReductionKernel', 'RawKernel', 'RawModule', 'fuse'):
            raise RuntimeError(f'cupy.{name} holds code for a GPU, which --cpu cannot run')
        value = getattr(self._numpy, name)
        self._say()
        return value


def _replace_cuda(cuda: types.ModuleType, cupy: _CuPy, say: Callable[[], None]) -> None:
    from chainer import _backend
    from chainer.backends._cpu import CpuDevice

    class Gpu(CpuDevice):
        """Chainer's device for a GPU, by whose name a script may ask for it."""

        device = _Device()

        def __init__(self, device: Any = None) -> None:
            super().__init__()
            say()

        def __reduce__(self) -> tuple:
            # A model holds its device, and is pickled.
            return CpuDevice, ()

        @staticmethod
        def from_device_id(number: int) -> 'Gpu':
            return Gpu()

        @staticmethod
        def from_array(array: Any) -> None:
            return None

    def to_gpu(array: Any, device: Any = None, stream: Any = None) -> Any:
        say()
        # A copy, as on a GPU: the script may change one of the two.
        return _backend._convert_arrays(array, lambda one: None if one is None else one.copy())

    vars(cuda).update(
        available=False,
        cudnn_enabled=False,
        check_cuda_available=say,
        cuda=cupy.cuda,
        cupy=cupy,
        Device=_Device,
        Event=_Device,
        Stream=cupy.cuda.Stream,
        GpuDevice=Gpu,
        memory_pool=_Device(),
        pinned_memory_pool=_Device(),
        to_gpu=to_gpu,
    )


def _replace_devices(backend: types.ModuleType) -> None:
    by_name = backend.get_device

    @functools.wraps(by_name)
    def get_device(device: Any) -> Any:
        return backend.cuda.GpuDevice() if isinstance(device, _Device) else by_name(device)

    backend.get_device = get_device  # type: ignore[attr-defined]
