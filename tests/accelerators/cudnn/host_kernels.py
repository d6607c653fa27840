"""Our kernels on the host: the C that CuPy compiles for a device, compiled by gcc and called in a loop."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from host_memory import cupy, host

GCC = shutil.which('g++')
NAMES = {
    'float32': 'float',
    'float16': 'float16',
    'bfloat16': 'bfloat16',
    'uint8': 'unsigned char',
    'int32': 'int',
    'int64': 'long long',
    'uint32': 'unsigned int',
    'uint64': 'unsigned long long',
}
PRELUDE = """
#define __device__ static inline
typedef unsigned int uint32_t;
typedef unsigned short uint16_t;
template <class T> T max(T a, T b) { return a < b ? b : a; }
template <class T> T min(T a, T b) { return b < a ? b : a; }
static float sqrt(float v) { return __builtin_sqrtf(v); }
static float exp(float v) { return __builtin_expf(v); }
static float log(float v) { return __builtin_logf(v); }
struct bfloat16 {
    uint16_t bits;
    bfloat16() {}
    explicit bfloat16(float v) {
        uint32_t u; __builtin_memcpy(&u, &v, 4);
        bits = v != v ? 0x7FC0 : uint16_t((u + 0x7FFF + (u >> 16 & 1)) >> 16);
    }
    operator float() const {
        uint32_t u = uint32_t(bits) << 16; float v;
        __builtin_memcpy(&v, &u, 4);
        return v;
    }
};
"""
HALF = """
typedef float floats __attribute__((vector_size(16)));
typedef short shorts __attribute__((vector_size(16)));
struct float16 {
    uint16_t bits;
    float16() {}
    explicit float16(float v) : bits(__builtin_ia32_vcvtps2ph(floats{v}, 0)[0]) {}
    operator float() const { return __builtin_ia32_vcvtph2ps(shorts{short(bits)})[0]; }
};
"""


@functools.cache
def compiled(source: str) -> Any:
    """Return the function `run` of a C++ source."""
    if GCC is None:
        pytest.skip('our kernels are run by g++, which is not installed: apt-get install g++')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'kernel.cpp')
        path.write_text(source)
        library = path.with_suffix('.so')
        command = [GCC, '-O1', '-w', '-mf16c', '-shared', '-fPIC', '-o', str(library), str(path)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library)).run


class HostKernel:
    """Stands for a cupy.ElementwiseKernel whose outputs are given, and all arrays C-contiguous."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __call__(self, *arguments: Any) -> None:
        kernel, types, declared, opened, values = self.kernel, {}, [], [], []
        size = next(a.size for p, a in zip(kernel.params, arguments, strict=False) if _is_whole(p, a))
        for parameter, argument in zip(kernel.params, arguments, strict=False):
            name, is_array = parameter.name, isinstance(argument, cupy.ndarray)
            dtype = argument.dtype if is_array and parameter.dtype is None else parameter.dtype
            if parameter.dtype is None:
                assert types.setdefault(parameter.ctype, dtype) == dtype, f'{kernel.name}: {parameter.ctype}'
            kind = NAMES[dtype.name]
            if not is_array:
                declared.append(f'{kind} {name}')
                values.append(ctypes.c_float(argument) if dtype.kind == 'f' else _integer(argument, dtype))
                continue
            assert argument.dtype == dtype, f'{kernel.name}: {name} is {argument.dtype}'
            assert argument.flags.c_contiguous, f'{kernel.name}: {name}'
            host(argument)
            declared.append(f'{kind} *{name}' if parameter.raw else f'{kind} *_{name}')
            values.append(ctypes.c_void_p(argument.data.ptr))
            if not parameter.raw:
                assert argument.size == size, f'{kernel.name}: {name} has {argument.size} elements of {size}'
                opened.append(f'{kind} &{name} = _{name}[i];')
        compiled(
            PRELUDE
            + (HALF if 'float16' in map(str, types.values()) else '')
            + ''.join(f'typedef {NAMES[dtype.name]} {letter};\n' for letter, dtype in types.items())
            + kernel.preamble
            + f'\nextern "C" void run(long long n, {", ".join(declared)}) {{'
            + f'for (long long i = 0; i < n; ++i) {{ {" ".join(opened)} {kernel.operation} ; }} }}'
        )(ctypes.c_longlong(size), *values)


def _is_whole(parameter: Any, argument: Any) -> bool:
    return isinstance(argument, cupy.ndarray) and not parameter.raw


def _integer(value: int, dtype: numpy.dtype) -> Any:
    assert numpy.iinfo(dtype).min <= value <= numpy.iinfo(dtype).max
    return (ctypes.c_longlong if dtype.itemsize == 8 else ctypes.c_int)(value)
