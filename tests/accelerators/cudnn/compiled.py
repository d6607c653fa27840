"""Compiles CUDA C for an H100 without having one."""

import re
from collections.abc import Iterable
from typing import Any

import cupy
import numpy
from cupy._core import _kernel, core
from cupy.cuda import compiler


def cubin(source: str) -> bytes:
    """Return the machine code of a source for compute capability 9.0; raise CompileException."""
    options = (*core.assemble_cupy_compiler_options(()), '-arch=sm_90', '--device-as-default-execution-space')
    # What NVRTC warns of is Chainer's.
    options = (*options, '-ftz=true', '-w')
    program = compiler._NVRTCProgram(source, 'kernels.cu', method='cubin')
    compiled, _ = program.compile(options)
    return compiled


def source(kernel: Any, integers: str = '') -> str:
    """Return what CuPy would compile for arrays of float32, and of integers where the letters are these."""
    axes = {
        array: 1 + found.group(1).count(',')
        for array, index in re.findall(r'(\w+)\[(\w*ind\w*)\]', kernel.operation)
        if (found := re.search(rf'\b{index}\[\] = \{{(.*?)\}}', kernel.operation))
    }
    types, infos = {}, []
    for parameter in kernel.params:
        if parameter.name == '_ind':
            infos.append(_kernel._ArgInfo(2, cupy._core._carray.Indexer, None, 1, True, True))
            continue
        dtype = parameter.dtype
        if dtype is None:
            dtype = numpy.dtype('u8' if parameter.ctype in integers else 'f4')
            dtype = numpy.dtype('i4') if parameter.ctype in integers and parameter.ctype != 'P' else dtype
            types[parameter.ctype] = dtype
        ndim = axes.get(parameter.name, 1)
        infos.append(_kernel._ArgInfo(1, cupy.ndarray, numpy.dtype(dtype), ndim, True, True))
    code: str = _kernel._get_elementwise_kernel_code(
        tuple(infos),
        _kernel._TypeMap(tuple(sorted(types.items()))),
        *(kernel.params, kernel.operation, kernel.name, kernel.preamble),
        **kernel.kwargs,
    )
    return code.replace('extern "C" ', '')


def together(sources: Iterable[str]) -> bytes:
    """Compile kernels as one source: reading CuPy's headers takes longer than compiling one."""
    headers = ['float16.cuh', 'bfloat16.cuh', 'complex.cuh', 'carray.cuh', 'atomics.cuh', 'math_constants.h']
    text = '\n'.join(f'#include <cupy/{name}>' for name in headers)
    for number, code in enumerate(sources):
        text += f'\nnamespace kernel_{number} {{\n{code}\n}}'
    try:
        return cubin(text)
    except compiler.CompileException as error:
        raise AssertionError(error.get_message()[:3000]) from None
