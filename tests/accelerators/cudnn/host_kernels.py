"""Our kernels on the host: the CUDA C++ that CuPy compiles for a device, by g++, thread by thread."""

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest
from host_memory import cupy, host, unharmed

from vgg_cifar.accelerators.cudnn import kernels

GXX = shutil.which('g++')
# Batches are gathered by a thread of their own, and which thread of a block runs, host_cuda.h knows once.
ONE_AT_A_TIME = threading.Lock()
HEADERS = Path(__file__).with_name('host_cuda')
# What the types in a kernel's head are to NumPy.
NAMES = {
    'float': 'float32',
    '__half': 'float16',
    '__nv_bfloat16': 'bfloat16',
    'unsigned char': 'uint8',
    'int': 'int32',
    'long long': 'int64',
    'unsigned': 'uint32',
    'unsigned int': 'uint32',
    'unsigned long long': 'uint64',
}
NUMBERS = {
    'float32': ctypes.c_float,
    'int32': ctypes.c_int,
    'uint32': ctypes.c_uint,
    'int64': ctypes.c_longlong,
    'uint64': ctypes.c_ulonglong,
}


def _gxx(*options: Any) -> str:
    if GXX is None:
        pytest.skip('our kernels are run by g++, which is not installed: apt-get install g++')
    return subprocess.run([GXX, *map(str, options)], check=True, stdout=subprocess.PIPE, text=True).stdout


@functools.cache
def compiled(code: str) -> tuple[Any, dict[str, list[tuple[str, bool]]]]:
    """Return a library of a source's kernels, and each one's parameters: type, and whether an array."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'kernels.cpp')
        path.write_text(code)
        source = _gxx('-E', '-P', '-I', HEADERS, '-include', 'host_cuda.h', path)
        types = {letter: name for name, letter in re.findall(r'typedef ([\w ]+) ([TP]);', source)}
        parameters = {}
        for name, head in re.findall(r'extern "C"\s+void\s+([a-z]\w*)\(([^)]*)\)\s*{', source):
            declared = [
                each.split() for each in re.sub(r'\bconst\b|\b__restrict__\b|\*', ' ', head).split(',')
            ]
            kinds = [' '.join(words[:-1]) for words in declared]
            arrays = ['*' in each for each in head.split(',')]
            parameters[name] = [
                (NAMES[types.get(kind, kind)], is_array) for kind, is_array in zip(kinds, arrays, strict=True)
            ]
            source += (
                f'extern "C" const char *run_{name}(unsigned grid_x, unsigned grid_y, unsigned block_x, '
                f'unsigned block_y, {head}) {{ return launch({{grid_x, grid_y}}, {{block_x, block_y}}, '
                f'[&] {{ {name}({", ".join(words[-1] for words in declared)}); }}); }}\n'
            )
        path.write_text(source)
        made, library = path.with_suffix('.o'), path.with_suffix('.so')
        _gxx('-O1', '-w', '-mf16c', '-fPIC', '-fsanitize=alignment,bounds', '-c', '-o', made, path)
        # What the sanitizer calls is in host_cuda.h.
        _gxx('-shared', '-o', library, made)
        return ctypes.CDLL(str(library)), parameters


class HostModule:
    """Stands for a cupy.RawModule; all arrays that its kernels are given are C-contiguous."""

    def __init__(self, *, code: str) -> None:
        self.library, self.parameters = compiled(code)

    def get_function(self, name: str) -> Any:
        """Return what stands for a cupy.RawKernel."""
        parameters, function = self.parameters[name], getattr(self.library, f'run_{name}')
        function.restype = ctypes.c_char_p

        def launch(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple) -> None:
            # A card's limits, and that of these kernels.
            assert 0 < grid[0] < 2**31 and all(0 < size < 2**16 for size in grid[1:]), f'{name}: {grid}'
            assert numpy.prod(block) == kernels.THREADS, f'{name}: {block}'
            given = [
                _argument(f'{name}, {number}', *each)
                for number, each in enumerate(zip(parameters, arguments, strict=True))
            ]
            sizes = (*grid, 1)[:2] + (*block, 1)[:2]
            with ONE_AT_A_TIME:
                failure = function(*map(ctypes.c_uint, sizes), *given)
            assert failure is None, f'{name}: {failure.decode()}'
            assert all(map(unharmed, arguments)), f'{name} writes beyond the end of an array'

        return launch


def _argument(what: str, parameter: tuple[str, bool], argument: Any) -> Any:
    dtype, is_array = parameter
    assert isinstance(argument, cupy.ndarray) == is_array, f'{what} is {argument!r}'
    if not is_array:
        # Of Python's numbers CuPy makes those of 64 bits, as NumPy does.
        found = numpy.dtype(type(argument)).name
        assert found == dtype, f'{what} is {found}, not {dtype}'
        return NUMBERS[dtype](argument.item() if isinstance(argument, numpy.generic) else argument)
    assert argument.dtype.name == dtype, f'{what} is {argument.dtype}, not {dtype}'
    assert argument.flags.c_contiguous, what
    host(argument)
    return ctypes.c_void_p(argument.data.ptr)
