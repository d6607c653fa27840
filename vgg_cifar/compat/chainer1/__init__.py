"""Chainer 1's calls, and what they meant, on Chainer 7.8.1: for `vgg-cifar run` alone.

Two layers. `accept` has Chainer take what 7 refuses, in any script; no script that works changes by it.
`restore_meanings` has what 7 takes and understands otherwise mean what it meant; it is for a program that is
known to be Chainer 1. Where versions within 1.x differ, 1.24, the last, is given.

Nothing here imports Chainer before the script does; then the modules adapt it when they are imported.
"""

import importlib
import types

from vgg_cifar.compat import chainer7
from vgg_cifar.compat.chainer1.adaption import used

__all__ = ['accept', 'restore_meanings', 'used']


def accept() -> None:
    """Have Chainer take what it refuses since Chainer 2; changes nothing for scripts that already work."""
    for name in ('arguments', 'volatile', 'names', 'training'):
        _adapt(name)


def restore_meanings() -> None:
    """Have what Chainer 7 takes and understands otherwise mean and compute what it did in Chainer 1.24.

    `accept` comes first.
    """
    _adapt('meanings')


def _adapt(name: str) -> None:
    def load(chainer: types.ModuleType) -> None:
        importlib.import_module(f'{__name__}.{name}')

    chainer7.when_loaded('chainer', load)
