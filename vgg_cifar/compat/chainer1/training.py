"""What the trainer, its extensions, iterators and converters took in Chainer 1.11 to 1.24."""

from collections.abc import Callable
from typing import Any

import chainer.training
from chainer import iterators
from chainer.dataset import convert
from chainer.training import Extension, Trainer, extensions

from vgg_cifar.compat.chainer1.adaption import instead_of, note


def _settable(now: property, name: str) -> property:
    def fset(self: Any, value: Any) -> None:
        file = 'chainer/iterators/serial_iterator.py'
        note(f'iterator.{name} = ...', file, '5', "set in the iterator's state")
        self._state = self._state._replace(**{name: value})

    return property(now.fget, fset, doc=now.__doc__)


for _iterator in (iterators.SerialIterator, iterators.MultithreadIterator):
    for _name in ('epoch', 'current_position', 'is_new_epoch'):
        setattr(_iterator, _name, _settable(getattr(_iterator, _name), _name))


@instead_of(convert.concat_examples, 'base_callable')
def _concat_examples(now: Callable, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Take an array for a batch, as chainer/dataset/convert.py did up to Chainer 6."""
    return now(list(batch) if isinstance(batch, chainer.get_array_types()) else batch, *args, **kwargs)


@instead_of(extensions, 'snapshot')
@instead_of(extensions, 'snapshot_object')
def _snapshot(now: Callable, *args: Any, trigger: Any = None, **kwargs: Any) -> Any:
    extension = now(*args, **kwargs)
    if trigger is not None:
        file = 'chainer/training/extensions/_snapshot.py'
        note('snapshot(trigger)', file, '1.24', "set as the extension's trigger")
        extension.trigger = trigger
    return extension


@instead_of(Trainer, 'extend')
def _extend(
    now: Callable, self: Any, extension: Any, *args: Any, invoke_before_training: Any = None, **kwargs: Any
) -> None:
    if invoke_before_training is None:
        invoke_before_training = getattr(extension, 'invoke_before_training', False)
    # Those of Chainer's own that need it have theirs.
    initialize = getattr(type(extension), 'initialize', Extension.initialize)
    if invoke_before_training and initialize is Extension.initialize:
        file = 'chainer/training/trainer.py'
        note('invoke_before_training', file, '1.24', "called where today's initialize is")
        extension.initialize = extension
    now(self, extension, *args, **kwargs)


@instead_of(chainer.training, 'make_extension')
def _make_extension(
    now: Callable, *args: Any, invoke_before_training: bool = False, **kwargs: Any
) -> Callable:
    def decorate(extension: Any) -> Any:
        extension.invoke_before_training = invoke_before_training
        return now(*args, **kwargs)(extension)

    return decorate
