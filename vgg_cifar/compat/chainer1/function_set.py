"""chainer.function_set of Chainer 1.0 to 1.24: a model of links that are set as attributes at any time."""

from collections.abc import Iterable
from typing import Any

import chainer
from chainer import backend

from vgg_cifar.compat.chainer1.adaption import Adaption

_ADAPTION = Adaption('FunctionSet', 'chainer/function_set.py', '1.24', 'a Chain to add links to')


class FunctionSet(chainer.Chain):
    """A chain to which setting an attribute adds a link.

    `parameters` and `gradients` are tuples of arrays in the order of the links' names, as up to Chainer 1.4.
    """

    def __init__(self, **links: chainer.Link) -> None:
        super().__init__()
        _ADAPTION.note()
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

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The parameters' arrays."""
        return tuple(parameter.array for parameter in self.params())

    @parameters.setter
    def parameters(self, arrays: Iterable[Any]) -> None:
        for parameter, array in zip(self.params(), arrays, strict=True):
            parameter.array = array

    @property
    def gradients(self) -> tuple[Any, ...]:
        """The gradients' arrays."""
        return tuple(parameter.grad for parameter in self.params())

    @gradients.setter
    def gradients(self, arrays: Iterable[Any]) -> None:
        for parameter, array in zip(self.params(), arrays, strict=True):
            parameter.grad = array
