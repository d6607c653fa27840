"""Chainer's accelerator for CPUs, ideep4py, played by oneDNN: no compiler, no change to a script."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from typing import Any

from vgg_cifar.accelerators.onednn import library, process, threads

VARIABLE = 'VGG_CIFAR_ACCELERATOR'
STAND_IN = 'vgg_cifar.accelerators.onednn.ideep4py'


def _obstacle() -> str | None:
    """Return why oneDNN is not to be used in this process; None where it is."""
    if os.environ.get(VARIABLE, '').lower() in ('off', '0', 'no', 'false', 'never'):
        return f'switched off by {VARIABLE}={os.environ[VARIABLE]}'
    if 'ideep4py' in sys.modules:
        if sys.modules['ideep4py'].__name__ != STAND_IN:
            return 'the real ideep4py is installed, and is used'
    elif importlib.util.find_spec('ideep4py') is not None:
        return 'the real ideep4py is installed, and is used'
    try:
        library.load()
    except library.Unavailable as reason:
        return str(reason)
    return None


def enable() -> bool:
    """Put the accelerator where Chainer looks for ideep4py, and have Chainer use it.

    Does not import Chainer; it may be imported before or after. Where CHAINER_USE_IDEEP is set it decides
    whether Chainer uses the accelerator; else chainer.global_config.use_ideep becomes 'auto'.
    VGG_CIFAR_ACCELERATOR=off makes this do nothing. Again changes nothing.

    Returns:
        bool: whether the accelerator is in place; `status` says why not.

    """
    if _obstacle() is not None:
        return False
    if 'ideep4py' not in sys.modules:
        sys.modules['ideep4py'] = importlib.import_module(STAND_IN)
        if 'chainer' in sys.modules:
            _complete_backend(sys.modules['chainer'])
        # What Chainer reads when it is imported.
        os.environ.setdefault('CHAINER_USE_IDEEP', 'auto')
    return True


def status() -> str:
    """Return in one line whether the accelerator is live, on what, or why not."""
    obstacle = _obstacle()
    if obstacle is None and 'ideep4py' not in sys.modules:
        obstacle = 'not enabled'
    if obstacle is None and not process.usable():
        obstacle = 'this process was forked, and OpenMP does not survive that: start workers by spawn'
    chainer = sys.modules.get('chainer')
    if obstacle is None and chainer is not None and chainer.config.use_ideep == 'never':
        obstacle = "chainer.config.use_ideep is 'never'"
    if obstacle is not None:
        return f'oneDNN: off, {obstacle}'
    dnnl = library.load()
    version = '.'.join(map(str, dnnl.version_numbers))
    return f'oneDNN: live, version {version}, {dnnl.isa_name}, {threads.used()} threads, {dnnl.path}'


def _complete_backend(chainer: Any) -> None:
    """Give Chainer the stand-in where it was imported before `enable` was called, and found no ideep4py."""
    intel64 = chainer.backends.intel64
    if intel64._ideep_version is None:
        stand_in = sys.modules['ideep4py']
        intel64.ideep, intel64.mdarray, intel64._ideep_version = stand_in, stand_in.mdarray, 2
        n_dimensional, _ = intel64.Intel64Device.supported_array_types
        intel64.Intel64Device.supported_array_types = (n_dimensional, stand_in.mdarray)
        # Chainer lists the types of arrays when it first needs them; have it list them again.
        chainer._array_types = chainer._cpu_array_types = None
    if 'CHAINER_USE_IDEEP' not in os.environ:
        chainer.global_config.use_ideep = 'auto'
