"""Variable(x, volatile=...): in Chainer 1 what was computed from a volatile variable kept no graph."""

import functools
from typing import Any

import chainer
from chainer import function_node, variable

from vgg_cifar.compat.chainer1.adaption import Adaption
from vgg_cifar.compat.chainer1.flag import OFF, ON, Flag

_ADAPTION = Adaption('Variable(volatile)', 'chainer/variable.py', '1.24', 'no_backprop_mode for what uses it')


def accept() -> None:
    """Have variables take it, as an argument, also by position, and as an attribute."""
    create = variable.Variable.__init__

    @functools.wraps(create)
    def __init__(self: Any, data: Any = None, *args: Any, **kwargs: Any) -> None:
        if args or 'volatile' in kwargs:
            kwargs.update(zip(('volatile', 'name', 'grad'), args, strict=False))
            volatile = kwargs.pop('volatile', OFF)
            create(self, data, **kwargs)
            self.volatile = volatile
        else:
            create(self, data, **kwargs)

    variable.Variable.__init__ = __init__
    variable.Variable.volatile = property(_volatile, _set_volatile)


def _volatile(self: Any) -> Flag:
    return vars(self).get('_volatile', OFF)


def _set_volatile(self: Any, value: object) -> None:
    vars(self)['_volatile'] = Flag(value)
    if self.volatile is ON:
        _ADAPTION.note()
        _follow()


@functools.cache
def _follow() -> None:
    # Only once a script has a volatile variable: all others compute as they did.
    apply = function_node.FunctionNode.apply

    @functools.wraps(apply)
    def apply_volatile(self: Any, inputs: Any) -> Any:
        if not any(getattr(x, 'volatile', OFF) is ON for x in inputs):
            return apply(self, inputs)
        with chainer.no_backprop_mode():
            outputs = apply(self, inputs)
        for y in outputs:
            vars(y)['_volatile'] = ON
        return outputs

    function_node.FunctionNode.apply = apply_volatile
