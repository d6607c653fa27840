"""Settings at the command line: a flag for each, and for each option of a network that has a short name."""

import argparse
import json
from dataclasses import fields
from typing import Any

from vgg_cifar import models
from vgg_cifar.accelerators.layers import COMPUTE
from vgg_cifar.errors import InputError
from vgg_cifar.models import FAMILIES, SHORT_OPTIONS
from vgg_cifar.models.vgg import DEPTHS, FILTER_SIZES, POOLINGS
from vgg_cifar.training.augmentation import COPIES
from vgg_cifar.training.learning_rate import SCHEDULES
from vgg_cifar.training.optimizers import OPTIMIZERS
from vgg_cifar.training.settings import InvalidSetting, Settings


def option(text: str) -> tuple[str, float | bool]:
    """Parse one NAME=VALUE of an optimizer."""
    name, equals, value = text.partition('=')
    if equals and value in ('True', 'False'):
        return name, value == 'True'
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=NUMBER, such as beta1=0.5') from None


def model_option(text: str) -> tuple[str, Any]:
    """Parse one NAME=VALUE of a network family: a word, a number, True, False, or several with commas."""
    name, equals, value = text.partition('=')
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=VALUE, such as blocks=5')
    values = tuple(_parsed(word) for word in value.rstrip(',').split(','))
    return name, values if ',' in value else values[0]


def _parsed(word: str) -> Any:
    try:
        return {'True': True, 'False': False}[word] if word in ('True', 'False') else json.loads(word)
    except (ValueError, RecursionError):
        return word


SETTINGS: dict[str, dict[str, Any]] = {
    'data': {
        'help': 'an HDF5 file (CIFAR10.hdf5.md), or shapes10: synthetic, made on the spot',
        'metavar': 'FILE.hdf5',
    },
    'batch_size': {'help': 'images per step', 'short': '-b', 'type': int},
    'epochs': {'help': 'passes over the training images', 'short': '-e', 'type': int},
    'seed': {
        'help': 'of the weights, the order of the images, dropout, and the choice of a subset',
        'type': int,
    },
    'model': {'help': 'the network family', 'choices': tuple(FAMILIES)},
    'model_options': {
        'help': "the family's options, such as blocks=5; those of vgg have short names too, which follow",
        'type': model_option,
        'nargs': '+',
        'metavar': 'NAME=VALUE',
    },
    'optimizer': {
        'help': f"by Chainer's name: {', '.join(OPTIMIZERS)}",
        'choices': tuple(OPTIMIZERS),
        'metavar': 'NAME',
    },
    'lr': {'help': "learning rate (Adam's alpha); Chainer's default for the optimizer", 'type': float},
    'optimizer_options': {
        'help': "the optimizer's other arguments, by Chainer's names, such as beta1=0.5",
        'type': option,
        'nargs': '+',
        'metavar': 'NAME=VALUE',
    },
    'weight_decay': {'help': "rate of Chainer's WeightDecay hook", 'type': float},
    'lr_schedule': {'help': 'how the learning rate moves', 'choices': SCHEDULES},
    'lr_decay': {
        'help': 'step: the factor of each step; linear, cosine: the last rate over the first',
        'type': float,
    },
    'lr_step': {'help': 'step: epochs between steps', 'type': int},
    'compute': {'help': 'what convolutions and linear layers multiply in', 'choices': COMPUTE},
    'train_size': {'help': 'use this many training images, drawn by the seed', 'type': int},
    'validation_size': {'help': 'set this many training images apart for choosing best.npz', 'type': int},
    'test_size': {'help': 'use this many test images, drawn by the seed', 'type': int},
    'augment': {
        'help': f'train on these copies of each training image too: {", ".join(COPIES)}',
        'nargs': '+',
        'metavar': 'COPY',
    },
    'crop': {
        'help': 'train on random windows of this size, test on the middle one',
        'type': int,
        'metavar': 'PIXELS',
    },
    'random_erasing': {
        'help': 'how likely a random rectangle of a training image is erased',
        'type': float,
        'metavar': 'P',
    },
    'chance_patience': {
        'help': 'stop after so many entries of the log with training accuracy at chance; 0: never',
        'type': int,
    },
    'log_steps': {
        'help': 'evaluate and log after so many steps instead of after each epoch',
        'type': int,
        'metavar': 'STEPS',
    },
    'gradient_flow': {
        'help': 'record the mean absolute gradient of each layer (gradients.json)',
        'action': 'store_true',
    },
}
"""What argparse is told of each setting."""

OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    'vgg': {
        'depth': {'help': 'the convolutions of each block', 'choices': tuple(DEPTHS)},
        'batch_norm': {
            'help': 'batch normalisation after each convolution',
            'action': argparse.BooleanOptionalAction,
        },
        'dropout': {'help': 'drop ratio; 0 for none', 'type': float},
        'pooling': {'help': 'how each block halves the image', 'choices': tuple(POOLINGS)},
        'filter_size': {
            'help': 'of every convolution; the image keeps its size',
            'type': int,
            'choices': FILTER_SIZES,
        },
    }
}
"""What argparse is told of each option with a short name, by the network's family."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting and each option with a short name."""
    defaults = Settings()
    for name, argument in SETTINGS.items():
        default = getattr(defaults, name)
        _add(parser, name, {} if name == 'model_options' else default, default, argument)
        if name == 'model_options':
            for family, arguments in OPTIONS.items():
                for short, told in arguments.items():
                    # None: not given.
                    _add(parser, short, None, models.option_defaults(family)[short], told)


def add_model(parser: argparse._ActionsContainer) -> None:
    """Add the flags that say which network, and nothing else of a run."""
    _add(parser, 'model', None, Settings().model, SETTINGS['model'])
    options = SETTINGS['model_options'] | {'help': "the family's options, such as blocks=5"}
    _add(parser, 'model_options', {}, {}, options)


def _add(
    parser: argparse._ActionsContainer, name: str, default: Any, said: Any, argument: dict[str, Any]
) -> None:
    told = dict(argument)
    flags = [told.pop('short')] if 'short' in told else []
    shown = '' if default == {} or said in (None, {}, ()) else f' (default: {said})'
    text = told.pop('help') + shown
    parser.add_argument(*flags, _flag(name), default=default, help=text, **told)


def from_arguments(arguments: argparse.Namespace) -> Settings:
    """Read the settings back from what `add_arguments` made the parser parse."""
    values = {setting.name: getattr(arguments, setting.name) for setting in fields(Settings)}
    for name in ('model_options', 'optimizer_options'):
        values[name] = dict(values[name])
    for family, names in SHORT_OPTIONS.items():
        given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
        if given and family != arguments.model:
            known = ' '.join(f'{name}=...' for name in models.option_names(arguments.model))
            raise InputError(
                f'{_flag(next(iter(given)))} is for --model {family}; {arguments.model} takes '
                f'--model-options {known}'
            )
        values['model_options'] |= given
    try:
        return Settings(**values)
    except InvalidSetting as error:
        raise InputError(f'{_flag(error.name)} is {error.found}; expected {error.expected}') from None


def _flag(name: str) -> str:
    return f'--{name.replace("_", "-")}'
