"""chainer.flag of Chainer 1, and Variable(x, volatile=...): what came from such a variable kept no graph."""

import enum
import functools
from typing import Any

import chainer
from chainer import function_node, variable

from vgg_cifar.compat.chainer1.adaption import instead_of, note


class Flag(str, enum.Enum):
    """On, off or automatic, made of True, False and None as well."""

    ON = 'on'
    OFF = 'off'
    AUTO = 'auto'

    @classmethod
    def _missing_(cls, value: object) -> 'Flag | None':
        return cls.__members__.get({True: 'ON', False: 'OFF', None: 'AUTO'}.get(value, value))  # type: ignore[call-overload]

    def __bool__(self) -> bool:
        return self is Flag.ON


ON, OFF, AUTO = Flag


@instead_of(variable.Variable, '__init__')
def _create(now: Any, self: Any, data: Any = None, *args: Any, **kwargs: Any) -> None:
    """Take it also by position."""
    kwargs.update(zip(('volatile', 'name', 'grad'), args, strict=False))
    volatile = kwargs.pop('volatile', OFF)
    now(self, data, **kwargs)
    if volatile is not OFF:
        self.volatile = volatile


def _set_volatile(self: Any, value: object) -> None:
    vars(self)['_volatile'] = Flag(value)
    if self.volatile is ON:
        note('Variable(volatile)', 'chainer/variable.py', '1.24', 'no_backprop_mode for what uses it')
        _follow()


variable.Variable.volatile = property(lambda self: vars(self).get('_volatile', OFF), _set_volatile)


@functools.cache
def _follow() -> None:
    # Only once a script has a volatile variable: all others compute as they did.
    @instead_of(function_node.FunctionNode, 'apply')
    def apply(now: Any, self: Any, inputs: Any) -> Any:
        if not any(getattr(x, 'volatile', OFF) is ON for x in inputs):
            return now(self, inputs)
        with chainer.no_backprop_mode():
            outputs = now(self, inputs)
        for y in outputs:
            vars(y)['_volatile'] = ON
        return outputs
