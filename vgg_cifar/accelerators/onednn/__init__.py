"""Chainer's accelerator for CPUs, ideep4py, answered by oneDNN: no compiler, no change to a script."""

import importlib
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from vgg_cifar.accelerators.onednn import library, process, threads
from vgg_cifar.counting import counted

VARIABLE = 'VGG_CIFAR_ACCELERATOR'
STAND_IN = str(Path(__file__).with_name('ideep4py.py'))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ideep4py where no real one is installed and oneDNN can be loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != 'ideep4py':
            return None
        try:
            library.load()
        except library.Unavailable:
            return None
        return importlib.util.spec_from_file_location(name, STAND_IN)


def enable() -> None:
    """Put the accelerator where Chainer looks for ideep4py, and have Chainer use it.

    Imports nothing; Chainer may be imported before or after. Where CHAINER_USE_IDEEP is set, it decides
    whether Chainer uses the accelerator; else chainer.global_config.use_ideep becomes 'auto'. With
    VGG_CIFAR_ACCELERATOR=off this does nothing. Again changes nothing. `status` says what came of it.
    """
    if switched_off() or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    # The last one to be asked: a real ideep4py goes first.
    sys.meta_path.append(_Finder())
    if 'chainer' in sys.modules:
        _complete_backend(sys.modules['chainer'])
    # What Chainer reads when it is imported.
    os.environ.setdefault('CHAINER_USE_IDEEP', 'auto')


def live() -> bool:
    """Whether Chainer has the accelerator and may use it, in this process and thread."""
    if 'chainer' not in sys.modules or not _is_stand_in(sys.modules.get('ideep4py')):
        return False
    from chainer.backends import intel64

    return process.usable() and intel64.should_use_ideep('>=auto')


def status() -> str:
    """Return in one line whether the accelerator is live, on what, or why not."""
    import chainer

    if live():
        dnnl = library.load()
        version = '.'.join(map(str, dnnl.version_numbers))
        return f'oneDNN: live, version {version}, {dnnl.isa_name}, {counted(threads.used(), "thread")}'
    if switched_off():
        reason = f'switched off by {VARIABLE}={os.environ[VARIABLE]}'
    elif 'ideep4py' in sys.modules and not _is_stand_in(sys.modules['ideep4py']):
        reason = 'the real ideep4py is installed, and is used'
    elif not process.usable():
        reason = 'this process was forked, and OpenMP does not survive that: start workers by spawn'
    elif 'ideep4py' in sys.modules:
        reason = f'chainer.config.use_ideep is {chainer.config.use_ideep!r}'
    else:
        reason = 'not enabled'
        try:
            library.load()
        except library.Unavailable as obstacle:
            reason = str(obstacle)
    return f'oneDNN: off, {reason}'


def switched_off() -> bool:
    """Whether VGG_CIFAR_ACCELERATOR says that no accelerator is to be used."""
    return os.environ.get(VARIABLE, '').lower() in ('off', '0', 'no', 'false', 'never')


def _is_stand_in(module: ModuleType | None) -> bool:
    return getattr(module, '__file__', None) == STAND_IN


def _complete_backend(chainer: Any) -> None:
    """Give Chainer the stand-in where it was imported before `enable` was called, and found no ideep4py."""
    intel64 = chainer.backends.intel64
    if intel64._ideep_version is not None:
        return
    try:
        stand_in = importlib.import_module('ideep4py')
    except ImportError:
        return
    intel64.ideep, intel64.mdarray, intel64._ideep_version = stand_in, stand_in.mdarray, 2
    n_dimensional, _ = intel64.Intel64Device.supported_array_types
    intel64.Intel64Device.supported_array_types = (n_dimensional, stand_in.mdarray)
    # Chainer lists the types of arrays when it first needs them; have it list them again.
    chainer._array_types = chainer._cpu_array_types = None
    if 'CHAINER_USE_IDEEP' not in os.environ:
        chainer.global_config.use_ideep = 'auto'
