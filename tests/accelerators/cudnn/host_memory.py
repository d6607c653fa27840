"""Real CuPy arrays over the host's memory, where there is no GPU: views, strides, addresses are CuPy's own.

What would need a device is answered by NumPy (copies, arithmetic), or fails (kernels of which NumPy knows
nothing). All memory is filled with NaN when it is allocated, so that what nobody writes shows.
"""

import bisect
import contextlib
import ctypes
import functools
import types
from typing import Any, ClassVar

import numpy
import pytest

cupy = pytest.importorskip('cupy', reason='CuPy is not installed: pip install -e ".[gpu]"')
memory = cupy.cuda.memory

# Not a number in every type of float.
POISON = 0xFF
# Arrays begin where CUDA's would.
ALIGNMENT = 256


class _Block:
    """A piece of the host's memory that stands for one of the device's; it is known as long as it lives."""

    starts: ClassVar[list[int]] = []
    sizes: ClassVar[dict[int, int]] = {}

    def __init__(self, size: int) -> None:
        self.buffer = numpy.full(size + 2 * ALIGNMENT, POISON, numpy.uint8)
        self.start = self.buffer.ctypes.data + -self.buffer.ctypes.data % ALIGNMENT
        bisect.insort(self.starts, self.start)
        self.sizes[self.start] = size

    def __del__(self) -> None:
        self.starts.remove(self.start)
        del self.sizes[self.start]


def _allocate(size: int) -> Any:
    block = _Block(size)
    return memory.MemoryPointer(memory.UnownedMemory(block.start, size, block, 0), 0)


def at(address: int | None, shape: Any, dtype: Any, strides: Any = None) -> numpy.ndarray:
    """Return what lies at an address on the 'device'; fail if any of it is outside of what was allocated."""
    dtype = numpy.dtype(dtype)
    if strides is None:
        strides = [int(numpy.prod(shape[k + 1 :])) for k in range(len(shape))]
    extent = dtype.itemsize * (1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)))
    assert address, 'no address was given'
    start = _Block.starts[bisect.bisect_right(_Block.starts, address) - 1] if _Block.starts else 0
    assert start <= address, f'{address:#x} was not allocated'
    assert address + extent <= start + _Block.sizes.get(start, 0), (
        f'{extent} bytes at {address - start} of an allocation of {_Block.sizes.get(start)}'
    )
    raw = (ctypes.c_char * extent).from_address(address)
    return numpy.ndarray(shape, dtype, raw, 0, [step * dtype.itemsize for step in strides])


def unharmed(array: Any) -> bool:
    """Whether nobody has written behind the memory that a CuPy array is in; anything else is."""
    if not isinstance(array, cupy.ndarray) or not array.size:
        return True
    block = array.data.mem
    return bytes((ctypes.c_ubyte * ALIGNMENT).from_address(block.ptr + block.size)) == bytes(
        [POISON] * ALIGNMENT
    )


def host(array: Any) -> Any:
    """Return a NumPy view of a CuPy array's memory; anything else as it is."""
    if not isinstance(array, cupy.ndarray):
        return array
    if not array.size:
        return numpy.empty(array.shape, array.dtype)
    block = array.data.mem
    raw = (ctypes.c_char * block.size).from_address(block.ptr)
    return numpy.ndarray(array.shape, array.dtype, raw, array.data.ptr - block.ptr, array.strides)


def device(array: Any, dtype: Any = None) -> Any:
    """Return a new CuPy array with the values of a NumPy array, and arranged alike."""
    array = numpy.asarray(array, dtype)
    order = sorted(range(array.ndim), key=lambda axis: (-abs(array.strides[axis]), axis))
    made = cupy.ndarray([array.shape[axis] for axis in order], array.dtype)
    made = made.transpose(numpy.argsort(order)) if array.ndim else made
    host(made)[...] = array
    return made


def _wrapped(result: Any) -> Any:
    return device(result) if isinstance(result, (numpy.ndarray, numpy.generic)) else result


def _by_numpy(name: str) -> Any:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        named = {key: host(value) for key, value in named.items()}
        out = named.pop('out', None)
        result = getattr(host(self), name)(*map(host, arguments), **named)
        return result if result is NotImplemented else _wrapped(result if out is None else out)

    return method


def _in_place(name: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        getattr(host(self), name)(host(other))
        return self

    return method


def _astype(
    self: Any, dtype: Any, order: str = 'K', casting: Any = None, subok: Any = None, copy: bool = True
):
    return self if not copy and self.dtype == dtype else device(host(self).astype(dtype))


def _set_item(self: Any, key: Any, value: Any) -> None:
    host(self)[key] = host(value)


def _ascontiguousarray(array: Any, dtype: Any = None) -> Any:
    if array.flags.c_contiguous and dtype in (None, array.dtype):
        return array
    return device(numpy.ascontiguousarray(host(array), dtype))


BINARY = ('add', 'sub', 'mul', 'truediv')
METHODS = {
    **{f'__{name}__': _by_numpy(f'__{name}__') for name in (*BINARY, *(f'r{name}' for name in BINARY))},
    **{f'__{name}__': _by_numpy(f'__{name}__') for name in ('neg', 'gt', 'ge', 'lt', 'pow', 'rpow')},
    # Indexing is not among these: by slices it is a matter of addresses, and stays CuPy's.
    **{name: _by_numpy(name) for name in ('sum', 'mean', 'max', 'all', 'dot')},
    **{f'__i{name}__': _in_place(f'__i{name}__') for name in BINARY},
    '__array_ufunc__': lambda self, ufunc, method, *inputs: _wrapped(ufunc(*map(host, inputs))),
    'fill': lambda self, value: host(self).fill(value),
    'get': lambda self, *arguments, **named: host(self).copy(),
    'set': lambda self, values, *arguments: _set_item(self, Ellipsis, values),
    'astype': _astype,
    'copy': lambda self, order='C': device(host(self).copy()),
    '__setitem__': _set_item,
    '__float__': lambda self: float(host(self)),
    '__bool__': lambda self: bool(host(self)),
}


class Kernel:
    """Stands for a kernel made of C: fails when it is launched, unless NumPy's version is given here."""

    KNOWN: ClassVar[dict[str, Any]] = {}
    launched: ClassVar[list[str]] = []

    def __init__(self, *source: Any, **options: Any) -> None:
        self.name = next((text for text in reversed(source) if isinstance(text, str)), '?')

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        assert self.name in self.KNOWN, f'a kernel was launched: {self.name}'
        self.launched.append(self.name)
        return _wrapped(self.KNOWN[self.name](*map(host, arguments)))


def _group_norm(gamma: Any, beta: Any, y: Any) -> None:
    y[...] = y * gamma + beta


def _weight_decay(p: Any, decay: Any, g: Any) -> None:
    g += decay * p


def _sgd(grad: Any, lr: float, param: Any) -> None:
    param -= numpy.float32(lr) * grad


def _adam(grad: Any, alpha: float, share1: float, share2: float, eps: float, *more: Any) -> None:
    eta, rate, _, param, m, v = more
    m += numpy.float32(share1) * (grad - m)
    v += numpy.float32(share2) * (grad * grad - v)
    step = numpy.float32(alpha) * m / (numpy.sqrt(v) + numpy.float32(eps))
    param -= numpy.float32(eta) * (step + numpy.float32(rate) * param)


Kernel.KNOWN = {'groupnorm_y': _group_norm, 'weight_decay': _weight_decay, 'sgd': _sgd, 'adam': _adam}


class _Device(cupy.cuda.Device):
    def __enter__(self) -> '_Device':
        return self

    def __exit__(self, *arguments: object) -> None:
        pass


FUNCTIONS = {
    'ascontiguousarray': _ascontiguousarray,
    'asarray': lambda a, dtype=None, **named: a if isinstance(a, cupy.ndarray) else device(a, dtype),
    'array': lambda a, dtype=None, copy=True, **named: device(host(a), dtype),
    'zeros': lambda shape, dtype=float, order='C': device(numpy.zeros(shape, dtype)),
    'ones': lambda shape, dtype=float, order='C': device(numpy.ones(shape, dtype)),
    'zeros_like': lambda a, dtype=None, **named: device(numpy.zeros(a.shape, dtype or a.dtype)),
    'ones_like': lambda a, dtype=None, **named: device(numpy.ones(a.shape, dtype or a.dtype)),
    'concatenate': lambda arrays, axis=0: device(numpy.concatenate([*map(host, arrays)], axis)),
    'isfinite': lambda a: device(numpy.isfinite(host(a))),
    'all': lambda a: a.all(),
    'ElementwiseKernel': Kernel,
    'ReductionKernel': Kernel,
    'RawKernel': Kernel,
    'memoize': lambda for_each_device=False: functools.cache,
}


@contextlib.contextmanager
def in_use(patch: Any) -> Any:
    """Have CuPy, and Chainer on its first GPU, work on the host's memory; `patch` is pytest's monkeypatch."""
    from chainer.backends import cuda

    for name, method in METHODS.items():
        patch.setattr(cupy.ndarray, name, method, raising=False)
    for name, function in FUNCTIONS.items():
        patch.setattr(cupy, name, function)
    patch.setattr(cupy.ndarray, 'device', property(lambda self: _Device(0)), raising=False)
    patch.setattr(cupy.cuda.runtime, 'getDevice', lambda: 0)
    stream = types.SimpleNamespace(ptr=0x57, synchronize=lambda: None)
    patch.setattr(cupy.cuda, 'get_current_stream', lambda: stream)
    patch.setattr(cuda.GpuDevice, 'create_context', lambda self: contextlib.nullcontext())
    patch.setattr(cuda.GpuDevice, 'use', lambda self: None)
    patch.setattr(
        cuda,
        'get_cudnn_dropout_states_core',
        functools.cache(cuda.get_cudnn_dropout_states_core.__wrapped__),
    )
    patch.setattr(cuda, '_array_to_gpu', lambda array, where, stream: FUNCTIONS['asarray'](array))
    patch.setattr(cuda, 'elementwise', Kernel)
    patch.setattr(cuda, 'reduce', Kernel)
    before = cupy.cuda.get_allocator()
    cupy.cuda.set_allocator(_allocate)
    try:
        yield
    finally:
        cupy.cuda.set_allocator(before)
