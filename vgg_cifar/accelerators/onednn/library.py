"""Finds libdnnl, the shared library of oneDNN 3, and calls its C API through ctypes.

All numbers are those of its header dnnl_types.h.
"""

import ctypes
import enum
import functools
import platform
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vgg_cifar.accelerators.onednn import signal_stack, threads

NAME = 'libdnnl.so.3'

# Arguments of the calls used: p pointer, i int, u unsigned, q 64-bit integer, f float, c character. Every
# call returns a status, unless RETURNS says otherwise.
SIGNATURES = {
    'engine_create': 'piq',
    'stream_create': 'ppu',
    'stream_wait': 'p',
    'memory_desc_create_with_strides': 'pipip',
    'memory_desc_create_with_tag': 'pipii',
    'memory_desc_get_size': 'p',
    'memory_desc_equal': 'pp',
    'memory_desc_destroy': 'p',
    'memory_create': 'pppp',
    'memory_set_data_handle': 'pp',
    'memory_destroy': 'p',
    'primitive_create': 'pp',
    'primitive_execute': 'ppip',
    'primitive_destroy': 'p',
    'primitive_desc_query_md': 'pii',
    'primitive_desc_query': 'piip',
    'primitive_desc_next_impl': 'p',
    'primitive_desc_destroy': 'p',
    'primitive_attr_create': 'p',
    'primitive_attr_set_post_ops': 'pp',
    'primitive_attr_destroy': 'p',
    'post_ops_create': 'p',
    'post_ops_append_eltwise': 'piff',
    'post_ops_append_sum': 'pfii',
    'post_ops_append_binary': 'pip',
    'post_ops_destroy': 'p',
    'reorder_primitive_desc_create': 'pppppp',
    'binary_primitive_desc_create': 'ppipppp',
    'eltwise_forward_primitive_desc_create': 'ppiippffp',
    'eltwise_backward_primitive_desc_create': 'ppipppffpp',
    'convolution_forward_primitive_desc_create': 'ppii' + 'pppp' + 'pppp' + 'p',
    'convolution_backward_data_primitive_desc_create': 'ppi' + 'ppp' + 'pppp' + 'pp',
    'convolution_backward_weights_primitive_desc_create': 'ppi' + 'pppp' + 'pppp' + 'pp',
    'matmul_primitive_desc_create': 'pp' + 'pppp' + 'p',
    'inner_product_forward_primitive_desc_create': 'ppi' + 'pppp' + 'p',
    'inner_product_backward_data_primitive_desc_create': 'pp' + 'ppp' + 'pp',
    'inner_product_backward_weights_primitive_desc_create': 'pp' + 'pppp' + 'pp',
    'pooling_forward_primitive_desc_create': 'ppii' + 'pp' + 'ppppp' + 'p',
    'pooling_backward_primitive_desc_create': 'ppi' + 'pp' + 'ppppp' + 'pp',
    'batch_normalization_forward_primitive_desc_create': 'ppi' + 'pp' + 'fu' + 'p',
    'batch_normalization_backward_primitive_desc_create': 'ppi' + 'ppp' + 'fu' + 'pp',
    'sgemm': 'cc' + 'qqq' + 'f' + 'pq' + 'pq' + 'f' + 'pq',
    'get_effective_cpu_isa': '',
    'version': '',
}
RETURNS: dict[str, Any] = {
    'memory_desc_get_size': ctypes.c_size_t,
    # Its status tells whether there is another.
    'primitive_desc_next_impl': ctypes.c_int,
    'primitive_desc_query_md': ctypes.c_void_p,
    'version': ctypes.POINTER(ctypes.c_int * 3),
}
TYPES: dict[str, Any] = {
    'p': ctypes.c_void_p,
    'i': ctypes.c_int,
    'u': ctypes.c_uint,
    'q': ctypes.c_int64,
    'f': ctypes.c_float,
    'c': ctypes.c_char,
}
STATUS = {
    1: 'out of memory',
    2: 'invalid arguments',
    3: 'not implemented',
    4: 'no further implementation',
    5: 'runtime error',
    6: 'not required',
}
# The instruction sets that matter here, widest first, by the bits of dnnl_cpu_isa_t.
AVX512 = 0x27
AVX512_BFLOAT16 = 0xE7
INSTRUCTION_SETS = {
    0xFEF: 'AMX',
    AVX512_BFLOAT16: 'AVX-512 with bfloat16',
    AVX512: 'AVX-512',
    0x7: 'AVX2',
    0x3: 'AVX',
    0x1: 'SSE4.1',
}


class Arg(enum.IntEnum):
    """Which argument of a primitive a memory object is."""

    SRC = 1
    SRC_1 = 2
    DST = 17
    WEIGHTS = 33
    BIAS = 41
    MEAN = 49
    VARIANCE = 50
    SCALE = 51
    SHIFT = 52
    WORKSPACE = 64
    DIFF_SRC = 129
    DIFF_DST = 145
    DIFF_WEIGHTS = 161
    DIFF_BIAS = 169
    DIFF_SCALE = 255
    DIFF_SHIFT = 256
    # Of an operation that follows, as Attributes counts them.
    AFTER_0 = 32768 | SRC_1
    AFTER_1 = 2 * 32768 | SRC_1
    AFTER_2 = 3 * 32768 | SRC_1


class Algorithm(enum.IntEnum):
    """Which variant of an operation."""

    CONVOLUTION = 0x1
    RELU = 0x20
    SQUARE_ROOT = 0x25
    LINEAR = 0x26
    MAX_POOLING = 0x1FF
    AVERAGE_POOLING = 0x2FF
    ADD = 0x1FFF0
    MULTIPLY = 0x1FFF1
    SUBTRACT = 0x1FFF5


class Propagation(enum.IntEnum):
    """What a primitive is for."""

    TRAINING = 64
    INFERENCE = 96
    BACKWARD = 128


class Normalisation(enum.IntFlag):
    """Switches of batch normalisation."""

    GIVEN_STATISTICS = 1
    SCALE = 2
    SHIFT = 4
    RELU = 8


class Type(enum.IntEnum):
    """Types of elements."""

    BFLOAT16 = 2
    FLOAT32 = 3
    INT32 = 4
    UINT8 = 6


class Query(enum.IntEnum):
    """What can be asked of a primitive's descriptor."""

    IMPLEMENTATION = 8
    ARGUMENT = 255


class Unavailable(RuntimeError):
    """The library cannot be used here; the message says why and what to do."""


class OneDNNError(RuntimeError):
    """A call of oneDNN failed; the message names the operation, its shapes and oneDNN's status."""


class Library:
    """The calls of SIGNATURES as methods, and the one engine and stream that everything runs on.

    A method raises OneDNNError where oneDNN reports a status other than success.
    """

    def __init__(self, path: str) -> None:
        with threads.limited():
            self._library = ctypes.CDLL(path)
        signal_stack.provide()
        self.path = path
        for name, letters in SIGNATURES.items():
            try:
                call = self._library['dnnl_' + name]
            except AttributeError:
                raise Unavailable(f'{path} has no dnnl_{name}: not oneDNN 3') from None
            call.argtypes = [TYPES[letter] for letter in letters]
            call.restype = RETURNS.get(name, ctypes.c_int)
            if name not in RETURNS and letters and name != 'memory_desc_equal':
                call.errcheck = _check  # type: ignore[assignment]
            setattr(self, name, call)
        self.version_numbers = tuple(self.version().contents)
        if self.version_numbers[0] != 3:
            raise Unavailable(f'{path} is oneDNN {self.version_numbers[0]}, not 3')
        self.isa = self.get_effective_cpu_isa()
        self.engine = self.make('engine_create', 1, 0)
        self.stream = self.make('stream_create', self.engine, 1)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def make(self, call: str, *arguments: Any) -> ctypes.c_void_p:
        """Call a function that stores a new object in its first argument, and return that object."""
        made = ctypes.c_void_p()
        getattr(self, call)(ctypes.byref(made), *arguments)
        return made

    @property
    def isa_name(self) -> str:
        """The widest instruction set that oneDNN uses on this machine."""
        return next(
            (name for bits, name in INSTRUCTION_SETS.items() if self.isa & bits == bits), 'plain x86-64'
        )

    @property
    def has_avx512(self) -> bool:
        """Whether oneDNN uses AVX-512 on this machine."""
        return self.isa & AVX512 == AVX512

    @property
    def has_bfloat16(self) -> bool:
        """Whether this CPU multiplies bfloat16 in hardware."""
        return self.isa & AVX512_BFLOAT16 == AVX512_BFLOAT16


def _check(status: int, call: Any, arguments: tuple) -> int:
    if status:
        raise OneDNNError(f'{call.__name__}: {STATUS.get(status, f"status {status}")}')
    return status


def _candidates() -> Iterator[str]:
    """Where the library may lie: the folders that pip installs it into, then wherever the loader looks."""
    for prefix in (sys.prefix, sysconfig.get_path('data'), site.getuserbase()):
        path = Path(prefix, 'lib', NAME)
        if path.exists():
            yield str(path)
    yield NAME


@functools.cache
def _load() -> Library | Unavailable:
    system, processor = platform.system(), platform.machine()
    if (system, processor) != ('Linux', 'x86_64'):
        return Unavailable(f'oneDNN is used on x86-64 Linux only, this is {system} on {processor}')
    reasons = []
    for path in _candidates():
        try:
            return Library(path)
        except (OSError, Unavailable, OneDNNError) as error:
            reasons.append(str(error))
    found = '; '.join(dict.fromkeys(reasons))
    if 'musl' in (sysconfig.get_config_var('HOST_GNU_TYPE') or ''):
        return Unavailable(f'{found} (onednn-cpu-gomp is built for glibc, and this Linux has musl)')
    return Unavailable(f'{found} (pip install onednn-cpu-gomp)')


def load() -> Library:
    """Return the loaded library, the same one each time; raise Unavailable where there is none."""
    found = _load()
    if isinstance(found, Unavailable):
        raise found
    return found
