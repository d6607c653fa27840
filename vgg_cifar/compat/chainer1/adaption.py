"""A call of Chainer 1 that is read as Chainer 1 read it, and the record of which were used."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

Values = dict[str, Any]


class Adaption(NamedTuple):
    """One call that Chainer 7 refuses or understands otherwise.

    `call` is how a script writes it, `file` the file of Chainer that took it, `until` the last version that
    did, `answer` what is done today.
    """

    call: str
    file: str
    until: str
    answer: str

    def note(self) -> None:
        """Record that the script has used this."""
        _used.setdefault(self)

    def __str__(self) -> str:
        return f'{self.call}: {self.answer} ({self.file}, until Chainer {self.until})'


_used: dict[Adaption, None] = {}


def used() -> list[Adaption]:
    """Return the adaptions that the script has used so far, in the order of first use."""
    return list(_used)


class Meaning:
    """Whether the script's calls mean what they meant in Chainer 1, also where Chainer 7 would take them."""

    of_then = False


def by_script(depth: int = 2) -> bool:
    """Whether a call that may mean two things is to mean what it did in Chainer 1.

    `depth` leads from here to the caller's frame: what Chainer itself calls means what it means today.
    """
    return Meaning.of_then and not sys._getframe(depth).f_globals.get('__name__', '').startswith('chainer.')


MODES = frozenset(('train', 'test', 'use_cudnn', 'deterministic', 'volatile'))
"""Arguments for what is a configuration since Chainer 2."""

_DROPPED = MODES | {'wscale', 'bias', 'filename', 'trigger', 'invoke_before_training', 'pooling_class'}


def configured(modes: Mapping[str, Any]) -> ExitStack:
    """Return a context in which Chainer's configuration says what these arguments of Chainer 1 said."""
    import chainer

    stack = ExitStack()
    if 'train' in modes:
        stack.enter_context(chainer.using_config('train', bool(modes['train'])))
    if modes.get('test') is not None:
        stack.enter_context(chainer.using_config('train', not modes['test']))
    if not modes.get('use_cudnn', True):
        stack.enter_context(chainer.using_config('use_cudnn', 'never'))
    if modes.get('deterministic', False):
        stack.enter_context(chainer.using_config('cudnn_deterministic', True))
    if str(modes.get('volatile', 'off')).lower() in ('on', 'true'):
        stack.enter_context(chainer.no_backprop_mode())
    return stack


def file_of(now: Callable) -> str:
    """Return the file of Chainer that defines this, as 'chainer/functions/...'."""
    path = inspect.unwrap(now).__code__.co_filename.replace(os.sep, '/')
    return 'chainer/' + path.rpartition('/chainer/')[2]


_NONE = object()


def _parameters(function: Callable) -> tuple[int, dict[str, Any]]:
    """Return how many arguments go by position, and the default of each; inspect is 20 times slower."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    by_name = dict.fromkeys(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], _NONE)
    by_name.update(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    return len(names), {**by_name, **(function.__kwdefaults__ or {})}


def read_as_then(
    now: Callable,
    then: str,
    name: str,
    convert: Callable[[Values], None] | None = None,
    only_refused: bool = False,
) -> Callable:
    """Return `now`, which also takes the arguments that it took in Chainer 1.24, by position and by name.

    `then` are its parameters in Chainer 1.24. A call is read by them if Chainer 7 would refuse it, and,
    unless `only_refused`, whenever a script that is known to be Chainer 1 calls; it is also given the
    defaults of `then` that are others today. `convert` turns the values of then, by name, into those of
    now; what it leaves of MODES becomes a configuration.
    """
    import chainer

    room, today = _parameters(now)
    _, formal = _parameters(eval(f'lambda {then}: None', {'F': chainer.functions}))
    order = list(formal)
    dropped = _DROPPED & formal.keys() - today.keys()
    others = {
        key: default
        for key, default in formal.items()
        if key not in dropped and default is not _NONE and default != today.get(key, _NONE)
    }
    noted: dict[tuple[str, ...], Adaption] = {}

    @functools.wraps(now)
    def call(*args: Any, **kwargs: Any) -> Any:
        refused = len(args) > room or not dropped.isdisjoint(kwargs)
        if not refused and (only_refused or not by_script()):
            return now(*args, **kwargs)
        values = dict(zip(order, args, strict=False))
        if len(args) > len(order) or not values.keys().isdisjoint(kwargs):
            return now(*args, **kwargs)  # It was refused in Chainer 1 as well.
        values = {**others, **values, **kwargs}
        found = tuple(key for key in order if key in dropped and key in values)
        if found:
            if found not in noted:
                arguments = ', '.join(found)
                noted[found] = Adaption(f'{name}({arguments})', file_of(now), '1.24', 'read as in Chainer 1')
            noted[found].note()
        if convert is not None:
            convert(values)
        modes = {key: values.pop(key) for key in found if key in MODES and key in values}
        if not modes:
            return now(**values)
        with configured(modes):
            return now(**values)

    return call
