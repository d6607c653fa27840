"""The functions of a training step, called again in the same order without building Chainer's graph anew.

What is called are the nodes themselves, so results have the bits that Chainer's own loss.backward() gives.
The network must call the same functions in every step.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chainer
import numpy

from vgg_cifar.accelerators.onednn import elementwise
from vgg_cifar.accelerators.onednn.nodes import CrossEntropy, Node

Array = numpy.ndarray


class NotRecordable(Exception):
    """Says why a step cannot be called again: it calls something foreign, or begins at something unknown."""


class _Call(NamedTuple):
    """A node, the places of its inputs and of its output, and which of its inputs want a gradient."""

    node: Node
    inputs: tuple[int, ...]
    output: int
    wanted: tuple[int, ...]


class _Watch(chainer.FunctionHook):
    """Notes the functions in the order in which they are called forwards, and then backwards."""

    def __init__(self) -> None:
        self.forward: list[Any] = []
        self.backward: list[Any] = []

    def forward_postprocess(self, function: Any, in_data: Any) -> None:
        # What is called on the way back, such as a sum of gradients, is no part of the way there.
        if not self.backward:
            self.forward.append(function)

    def backward_preprocess(self, function: Any, in_data: Any, out_grad: Any) -> None:
        self.backward.append(function)


class Recording:
    """What `loss_of(*batch)` and the backward pass of its result call.

    Making one is a step like any other: it leaves the gradients in the parameters.

    Args:
        loss_of: returns the loss of a batch, which layers.classification has made.
        parameters: all that the loss depends on but for the batch.
        batch: arrays.
        scale: of the loss in the backward pass, as loss.backward() takes it.

    """

    def __init__(
        self,
        loss_of: Callable[..., chainer.Variable],
        parameters: Sequence[chainer.Parameter],
        batch: Sequence[Array],
        scale: float | None = None,
    ) -> None:
        with _Watch() as watch:
            loss = loss_of(*batch)
            for parameter in parameters:
                parameter.cleargrad()
            loss.backward(loss_scale=scale)
        self._n_parameters, self._n_given = len(parameters), len(parameters) + len(batch)
        self._calls: dict[Node, _Call] = {}
        self._backward: list[_Call] = []
        self.obstacle: str | None = None
        """Why the step cannot be called again; None where it can."""
        try:
            self._read(watch, [parameter.node for parameter in parameters], batch)
        except NotRecordable as obstacle:
            self.obstacle = str(obstacle)
        # The graph, and its nodes, would keep all of this step's arrays.
        for node in watch.forward:
            node.unchain()
            if isinstance(node, Node):
                node.kept = None

    def _read(self, watch: _Watch, parameters: Sequence[Any], batch: Sequence[Array]) -> None:
        """Give a place to each variable: first the parameters, then the batch, then the outputs."""
        places = {variable: place for place, variable in enumerate(parameters)}
        for number, node in enumerate(watch.forward, self._n_given):
            if not isinstance(node, Node) or node.inputs is None:
                raise NotRecordable(f'{node.label} is called')
            for variable in node.inputs:
                if variable not in places:
                    places[variable] = self._n_parameters + _index(variable, batch)
            (made,) = node.outputs
            places[made()] = number
            self._calls[node] = _Call(
                node,
                tuple(places[variable] for variable in node.inputs),
                number,
                tuple(i for i, variable in enumerate(node.inputs) if variable.requires_grad),
            )
        if not watch.forward or not isinstance(watch.forward[-1], CrossEntropy):
            raise NotRecordable('the loss is no cross entropy')
        self._loss = watch.forward[-1]
        self._backward = [self._calls[node] for node in watch.backward]

    def __call__(
        self, parameters: Sequence[Array], batch: Sequence[Array], gradient: Array
    ) -> tuple[Array, Array, list[Array | None]]:
        """Return the loss and the accuracy, both (), and the gradients of the parameters.

        `gradient`, float32 (), is the loss's own: what the others are scaled by.
        """
        values: list[Any] = [*parameters, *batch, *self._calls]
        for node, inputs, output, _ in self._calls.values():
            (values[output],) = node.forward(tuple([values[place] for place in inputs]))
        loss = values[-1]
        gradients: list[Any] = [None] * len(values)
        gradients[-1] = gradient
        # From here on, the nodes hold what is needed, each until its turn.
        del values
        for node, inputs, output, wanted in self._backward:
            found = node.gradients(wanted, gradients[output])
            gradients[output] = node.kept = None
            for i, gradient in zip(wanted, found, strict=True):
                before = gradients[inputs[i]]
                if before is None:
                    gradients[inputs[i]] = gradient
                else:
                    gradients[inputs[i]] = _sum(gradient, before, node.fresh)
        return loss, self._loss.accuracy, gradients[: self._n_parameters]


def _sum(gradient: Array, before: Array, fresh: bool) -> Array:
    """Return the sum of two gradients, in the first one if it is `fresh` and that can be."""
    if isinstance(gradient, numpy.ndarray):
        return elementwise.add(gradient, before, in_place=fresh)
    from vgg_cifar.accelerators.cudnn import nodes

    return nodes.total(gradient, before)


def _index(variable: Any, batch: Sequence[Array]) -> int:
    """Return which part of the batch a variable holds."""
    for index, part in enumerate(batch):
        if variable.creator_node is None and variable.data is part:
            return index
    raise NotRecordable('an input is neither a parameter nor of the batch')
