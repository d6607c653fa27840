"""What the trainer and its extensions took in Chainer 1.11 to 1.24."""

import functools
from collections.abc import Callable
from typing import Any

import chainer.training
from chainer import iterators
from chainer.training import Extension, Trainer, extensions

from vgg_cifar.compat.chainer1.adaption import Adaption

_BEFORE = Adaption(
    'invoke_before_training', 'chainer/training/trainer.py', '1.24', "called where today's initialize is"
)
_TRIGGER = Adaption(
    'snapshot(trigger)', 'chainer/training/extensions/_snapshot.py', '1.24', "set as the extension's trigger"
)
_RESET = Adaption(
    'iterator.epoch = 0', 'chainer/iterators/serial_iterator.py', '5', "set in the iterator's state"
)


def accept() -> None:
    """Have them take it."""
    for name in ('snapshot', 'snapshot_object'):
        setattr(extensions, name, _with_trigger(getattr(extensions, name)))
    Trainer.extend = _before_training(Trainer.extend)
    chainer.training.make_extension = _make_extension(chainer.training.make_extension)
    for iterator in (iterators.SerialIterator, iterators.MultithreadIterator):
        for name in ('epoch', 'current_position', 'is_new_epoch'):
            setattr(iterator, name, _settable(getattr(iterator, name), name))


def _settable(now: property, name: str) -> property:
    def fset(self: Any, value: Any) -> None:
        _RESET.note()
        self._state = self._state._replace(**{name: value})

    return property(now.fget, fset, doc=now.__doc__)


def _with_trigger(now: Callable) -> Callable:
    @functools.wraps(now)
    def call(*args: Any, trigger: Any = None, **kwargs: Any) -> Any:
        extension = now(*args, **kwargs)
        if trigger is not None:
            _TRIGGER.note()
            extension.trigger = trigger
        return extension

    return call


def _before_training(now: Callable) -> Callable:
    @functools.wraps(now)
    def extend(self: Any, extension: Any, *args: Any, **kwargs: Any) -> None:
        # In Chainer 1 the fifth; today's fifth is by name only.
        given = dict(zip(('name', 'trigger', 'priority', 'invoke_before_training'), args, strict=False))
        before = kwargs.pop('invoke_before_training', given.pop('invoke_before_training', None))
        if before is None:
            before = getattr(extension, 'invoke_before_training', False)
        if before:
            _BEFORE.note()
            # Those of Chainer's own that need it have theirs.
            if getattr(type(extension), 'initialize', Extension.initialize) is Extension.initialize:
                extension.initialize = extension
        now(self, extension, **given, **kwargs)

    return extend


def _make_extension(now: Callable) -> Callable:
    @functools.wraps(now)
    def make_extension(*args: Any, invoke_before_training: bool = False, **kwargs: Any) -> Callable:
        decorate = now(*args, **kwargs)

        def decorator(extension: Any) -> Any:
            decorate(extension).invoke_before_training = invoke_before_training
            return extension

        return decorator

    return make_extension
