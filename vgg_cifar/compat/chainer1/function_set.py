"""chainer.function_set of Chainer 1.0 to 1.24: a model of links that are set as attributes at any time."""

from collections.abc import Iterable
from typing import Any

import chainer
from chainer import backend

from vgg_cifar.compat.chainer1.adaption import note


def _arrays(name: str) -> property:
    """Return the property that holds these arrays of all parameters."""

    def fget(self: Any) -> tuple[Any, ...]:
        return tuple(getattr(parameter, name) for parameter in self.params())

    def fset(self: Any, arrays: Iterable[Any]) -> None:
        for parameter, array in zip(self.params(), arrays, strict=True):
            setattr(parameter, name, array)

    return property(fget, fset)


class FunctionSet(chainer.Chain):
    """A chain to which setting an attribute adds a link.

    `parameters` and `gradients` are tuples of arrays in the order of the links' names, as up to Chainer 1.4.
    """

    def __init__(self, **links: chainer.Link) -> None:
        super().__init__()
        note('FunctionSet', 'chainer/function_set.py', '1.24', 'a Chain to add links to')
        for name, link in links.items():
            setattr(self, name, link)

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, chainer.Link):
            super().__setattr__(name, value)
            return
        if name in self._children:
            delattr(self, name)
        with self.init_scope():
            super().__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def collect_parameters(self) -> 'FunctionSet':
        """Return what an optimizer's setup takes."""
        return self

    def copy_parameters_from(self, params: Iterable[Any]) -> None:
        """Copy arrays, on any device, into the parameters' own."""
        for mine, other in zip(self.parameters, params, strict=False):
            backend.copyto(mine, other)

    parameters = _arrays('array')
    gradients = _arrays('grad')
