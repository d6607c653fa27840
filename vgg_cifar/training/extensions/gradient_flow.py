"""How large the gradient is that reaches each layer."""

import json
from collections.abc import Callable
from typing import Any

import chainer
from chainer.training import Extension, Trainer

from vgg_cifar.training.run_folder import GRADIENTS, RunFolder


class GradientFlow(Extension):
    """Write the mean absolute gradient of each layer's weights to gradients.json, first layer first.

    A layer is a link with weights ``W`` of two or more axes: batch normalisation's vectors are none. The mean
    is over the weights and over the steps since the last entry; weight decay, where there is any, is part
    of the gradient that an update uses, and so of what is recorded.

    The file is a list with an entry for each of the log: ``epoch``, ``iteration`` and ``layers``, which maps
    a layer's name to its mean.

    Args:
        model: the network.
        folder: the run's.
        due: whether an entry is.

    """

    trigger = 1, 'iteration'
    priority = chainer.training.PRIORITY_READER

    def __init__(self, model: chainer.Link, folder: RunFolder, due: Callable[[Trainer], bool]) -> None:
        self._layers = {
            name.removeprefix('/').removesuffix('/W'): parameter
            for name, parameter in sorted(model.namedparams(), key=lambda pair: _order(model, pair[0]))
            if name.endswith('/W') and parameter.ndim > 1
        }
        self._folder = folder
        self._due = due
        self._sums: dict[str, Any] = dict.fromkeys(self._layers, 0.0)
        self._steps = 0
        self._entries: list[dict[str, Any]] = []

    def __call__(self, trainer: Trainer) -> None:
        for name, parameter in self._layers.items():
            self._sums[name] = self._sums[name] + abs(parameter.grad).mean()
        self._steps += 1
        if self._due(trainer):
            layers = {name: float(total) / self._steps for name, total in self._sums.items()}
            updater = trainer.updater
            self._entries.append({'epoch': updater.epoch, 'iteration': updater.iteration, 'layers': layers})
            self._folder.write(GRADIENTS, self._entries)
            self._sums, self._steps = dict.fromkeys(self._layers, 0.0), 0

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        # As Chainer's LogReport keeps its log.
        state = {'entries': self._entries, 'sums': {name: float(v) for name, v in self._sums.items()}}
        text = serializer('state', json.dumps(state))
        self._steps = int(serializer('steps', self._steps))
        if not isinstance(serializer, chainer.Serializer):
            state = json.loads(str(text))
            self._entries, self._sums = state['entries'], state['sums']


def _order(model: chainer.Link, name: str) -> int:
    """Return a parameter's place by the order in which the network declared its links."""
    links = [link.name for link in model.children()]
    return links.index(name.split('/')[1])
