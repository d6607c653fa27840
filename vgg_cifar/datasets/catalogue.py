"""The data sets that `vgg-cifar data` makes: one file and one entry here for each."""

import argparse
from collections.abc import Callable

from vgg_cifar.datasets import cifar10, shapes10
from vgg_cifar.datasets.download import Say
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError

# A maker takes the command's arguments and what says its progress lines.
Maker = Callable[[argparse.Namespace, Say], ImageData]


def _cifar10(arguments: argparse.Namespace, say: Say) -> ImageData:
    _refuse(arguments, 'cifar10', train_size='--train-size', test_size='--test-size', seed='--seed')
    return cifar10.load(arguments.from_path, say)


def _shapes10(arguments: argparse.Namespace, say: Say) -> ImageData:
    _refuse(arguments, 'shapes10', from_path='--from')
    given = {name: getattr(arguments, name) for name in ('train_size', 'test_size', 'seed')}
    return shapes10.generate(**{name: value for name, value in given.items() if value is not None})


def _refuse(arguments: argparse.Namespace, data_set: str, **flags: str) -> None:
    for name, flag in flags.items():
        if getattr(arguments, name) is not None:
            raise InputError(f'{data_set}: {flag} does not apply to it; leave it out')


CATALOGUE: dict[str, Maker] = {
    'cifar10': _cifar10,
    'shapes10': _shapes10,
}
