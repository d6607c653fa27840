"""Chainer's accelerator for GPUs, cuDNN, for CuPy 14, which has none: no compiler, no change to a script."""

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from vgg_cifar.accelerators.onednn import VARIABLE, switched_off

STAND_INS = {
    'cupy.cuda.cudnn': str(Path(__file__).with_name('cupy_cuda_cudnn.py')),
    'cupy.cudnn': str(Path(__file__).with_name('cupy_cudnn.py')),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Finds CuPy's two modules for cuDNN where CuPy has none and cuDNN can be loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in STAND_INS:
            return None
        from vgg_cifar.accelerators.cudnn import library

        try:
            library.load()
        except library.Unavailable:
            return None
        return importlib.util.spec_from_file_location(name, STAND_INS[name])


def enable() -> None:
    """Put cuDNN where Chainer looks for it in CuPy.

    Imports nothing. To be called before Chainer is imported: it looks for cuDNN then, once. With
    VGG_CIFAR_ACCELERATOR=off this does nothing. Again changes nothing. `status` says what came of it.
    """
    if switched_off() or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    # The last one to be asked: CuPy's own modules go first.
    sys.meta_path.append(_Finder())


def live() -> bool:
    """Whether Chainer has cuDNN for GPUs, and our layers its graphs."""
    from chainer.backends import cuda

    return bool(cuda.cudnn_enabled) and importlib.util.find_spec('cudnn') is not None


def obstacle() -> str:
    """Return '' where Chainer can compute on a GPU here, else in one line what is missing and how to get it.

    It tells apart: no CuPy; CuPy without CUDA's libraries; no GPU.
    """
    if importlib.util.find_spec('cupy') is None:
        return 'CuPy is not installed: pip install ".[gpu]"'
    from chainer.backends import cuda

    if not cuda.available:
        reason = str(getattr(cuda, '_resolution_error', '')).strip().partition('\n')[0]
        return (
            f"CuPy is installed, but not CUDA's libraries{reason and f' ({reason})'}: "
            'pip install ".[gpu]", or "cupy-cuda12x[ctk]" for CUDA 12'
        )
    import cupy

    if not cupy.cuda.is_available():
        return f'CuPy {cupy.__version__} finds no GPU here, or no driver for one'
    return ''


def status() -> str:
    """Return in one line whether Chainer has cuDNN for GPUs, from where, or why not."""
    from chainer.backends import cuda

    if cuda.cudnn_enabled:
        version = cuda.libcudnn.getVersion()
        by = '' if getattr(cuda.cudnn, '__file__', None) == STAND_INS['cupy.cudnn'] else ", CuPy's own"
        live_as = f'cuDNN: live, version {version // 10000}.{version // 100 % 100}.{version % 100}{by}'
        return live_as if live() else f'{live_as}, without its graphs (pip install "vgg-cifar[gpu]")'
    if switched_off():
        return f'cuDNN: off, switched off by {VARIABLE}={os.environ[VARIABLE]}'
    if os.environ.get('CHAINER_CUDNN', '1') == '0':
        return 'cuDNN: off, switched off by CHAINER_CUDNN=0'
    from vgg_cifar.accelerators.cudnn import library

    try:
        library.load()
    except library.Unavailable as reason:
        return f'cuDNN: off, {reason}'
    return 'cuDNN: off, Chainer was imported first: import vgg_cifar before it'
