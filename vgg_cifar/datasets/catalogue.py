"""The data sets that `vgg-cifar data` makes: one file and one entry here for each."""

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from vgg_cifar.datasets import cifar10, cifar100, emnist, mnist, shapes10
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError

# A maker takes the command's arguments.
Maker = Callable[[argparse.Namespace], ImageData]


class Loader(Protocol):
    """Reads a data set from a path, or gets it."""

    def __call__(self, path: Path | None) -> ImageData:
        """Return the data set."""


def _got(load: Loader, name: str, arguments: argparse.Namespace) -> ImageData:
    _refuse(arguments, name, train_size='--train-size', test_size='--test-size', seed='--seed')
    return load(arguments.from_path)


def _generated(generate: Callable[..., ImageData], name: str, arguments: argparse.Namespace) -> ImageData:
    _refuse(arguments, name, from_path='--from')
    given = {option: getattr(arguments, option) for option in ('train_size', 'test_size', 'seed')}
    return generate(**{option: value for option, value in given.items() if value is not None})


def _refuse(arguments: argparse.Namespace, data_set: str, **flags: str) -> None:
    for name, flag in flags.items():
        if getattr(arguments, name) is not None:
            raise InputError(f'{data_set}: {flag} does not apply to it; leave it out')


LOADERS: dict[str, Loader] = {
    'cifar10': cifar10.load,
    'cifar100': cifar100.load,
    'mnist': mnist.load,
    'emnist-balanced': emnist.load,
}
GENERATORS: dict[str, Callable[..., ImageData]] = {
    'shapes10': shapes10.generate,
    'shapes10-grey': shapes10.generate_grey,
}
CATALOGUE: dict[str, Maker] = {
    **{name: functools.partial(_got, load, name) for name, load in LOADERS.items()},
    **{name: functools.partial(_generated, generate, name) for name, generate in GENERATORS.items()},
}
