"""A call of Chainer 1 that is read as Chainer 1 read it, and the record of which were used."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

Values = dict[str, Any]

_used: dict[str, None] = {}


def note(call: str, file: str, until: str, answer: str) -> None:
    """Record that the script has used what Chainer 7 refuses or understands otherwise.

    `call` is how a script writes it, `file` the file of Chainer that took it, `until` the last version that
    did, `answer` what is done today.
    """
    _used.setdefault(f'{call}: {answer} ({file}, until Chainer {until})')


def used() -> list[str]:
    """Return in lines what the script has used so far, in the order of first use."""
    return list(_used)


meanings_of_then = False
"""Whether the script's calls mean what they meant in Chainer 1, also where Chainer 7 would take them."""


def by_script() -> bool:
    """Whether a call that may mean two things is to mean what it did in Chainer 1.

    What Chainer itself calls means what it means today.
    """
    if not meanings_of_then:
        return False
    frame: Any = sys._getframe(1)
    while frame.f_globals.get('__package__') == __package__:
        frame = frame.f_back
    return not frame.f_globals.get('__name__', '').startswith('chainer.')


def _put(owner: Any, name: str, call: Callable) -> None:
    if inspect.ismodule(owner):
        # Where pickle finds it again.
        call.__module__ = owner.__name__
    setattr(owner, name, call)


def instead_of(owner: Any, name: str) -> Callable:
    """Have the decorated function take the place of `owner.name`, which is its first argument."""

    def replace(then: Callable) -> Callable:
        now = getattr(owner, name)

        @functools.wraps(now)
        def call(*args: Any, **kwargs: Any) -> Any:
            return then(now, *args, **kwargs)

        _put(owner, name, call)
        return then

    return replace


MODES = frozenset(('train', 'test', 'use_cudnn', 'deterministic', 'volatile'))
"""Arguments for what is a configuration since Chainer 2."""

_DROPPED = MODES | {'wscale', 'bias'}


def configured(modes: Mapping[str, Any]) -> ExitStack:
    """Return a context in which Chainer's configuration says what these arguments of Chainer 1 said."""
    import chainer

    settings: dict[str, Any] = {}
    if 'train' in modes:
        settings['train'] = bool(modes['train'])
    if modes.get('test') is not None:
        settings['train'] = not modes['test']
    if not modes.get('use_cudnn', True):
        settings['use_cudnn'] = 'never'
    if modes.get('deterministic', False):
        settings['cudnn_deterministic'] = True
    if str(modes.get('volatile', 'off')).lower() in ('on', 'true'):
        settings['enable_backprop'] = False
    stack = ExitStack()
    for name, value in settings.items():
        stack.enter_context(chainer.using_config(name, value))
    return stack


def _file_of(function: Callable) -> str:
    """Return the file of Chainer that defines this, as 'chainer/functions/...'."""
    path = inspect.unwrap(function).__code__.co_filename.replace(os.sep, '/')
    return 'chainer/' + path.rpartition('/chainer/')[2]


def read_as_then(
    owner: Any,
    name: str,
    then: str,
    convert: Callable[[Values], None] | None = None,
    only_refused: bool = False,
) -> None:
    """Have `owner.name` also take the arguments that it took in Chainer 1.24, by position and by name.

    `then` are its parameters in Chainer 1.24. A call is read by them if Chainer 7 would refuse it, and,
    unless `only_refused`, whenever a script that is known to be Chainer 1 calls; it is also given the
    defaults of `then` that are others today. `convert` turns the values of then, by name, into those of
    now; what it leaves of MODES becomes a configuration.
    """
    now = getattr(owner, name)

    @functools.cache
    def signatures() -> tuple:
        # Only for what is called: all of them together would take a while at the start.
        import chainer

        today = inspect.signature(now).parameters
        formal = inspect.signature(eval(f'lambda {then}: None', {'F': chainer.functions})).parameters
        room = sum(each.kind is each.POSITIONAL_OR_KEYWORD for each in today.values())
        dropped = _DROPPED & formal.keys() - today.keys()
        others = {
            key: each.default
            for key, each in formal.items()
            if not (key in dropped or each.default is each.empty)
            and (key not in today or today[key].default != each.default)
        }
        return room, formal, dropped, others

    @functools.wraps(now)
    def call(*args: Any, **kwargs: Any) -> Any:
        room, formal, dropped, others = signatures()
        refused = len(args) > room or not dropped.isdisjoint(kwargs)
        if not refused and (only_refused or not by_script()):
            return now(*args, **kwargs)
        values = dict(zip(formal, args, strict=False))
        if len(args) > len(formal) or not values.keys().isdisjoint(kwargs):
            return now(*args, **kwargs)  # It was refused in Chainer 1 as well.
        values = {**others, **values, **kwargs}
        found = [key for key in formal if key in dropped and key in values]
        if found:
            called = now.__qualname__.removesuffix('.__init__')
            note(f'{called}({", ".join(found)})', _file_of(now), '1.24', 'read as in Chainer 1')
        if convert is not None:
            convert(values)
        with configured({key: values.pop(key) for key in found if key in MODES and key in values}):
            return now(**values)

    _put(owner, name, call)
