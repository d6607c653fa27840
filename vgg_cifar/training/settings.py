"""Every setting of a training run, with the default that report R1 gives it."""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vgg_cifar.accelerators.layers import COMPUTE
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.models import FAMILIES, option_names
from vgg_cifar.models.vgg import DEPTHS, FILTER_SIZES, POOLINGS
from vgg_cifar.training.augmentation import COPIES
from vgg_cifar.training.learning_rate import SCHEDULES
from vgg_cifar.training.optimizers import OPTIMIZERS, check_options, rate_name

NEEDED = ('data', 'batch_size', 'epochs', 'seed')
"""Settings that every settings.json has had."""

VGG_FLAGS = ('depth', 'batch_norm', 'dropout', 'pooling', 'filter_size')
"""The options of the family vgg, which are settings of their own."""


def _setting(default: Any, help: str, *flags: str, **argument: Any) -> Any:
    """Declare a setting and its command-line argument in one place."""
    if isinstance(default, Mapping):
        return field(
            default_factory=lambda: dict(default), metadata={'help': help, 'flags': flags, **argument}
        )
    return field(default=default, metadata={'help': help, 'flags': flags, **argument})


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
    except ValueError:
        return word


@dataclass(frozen=True)
class Settings:
    """What defines a run: with the same data, the same settings give the same bits on the same machine.

    Raises:
        InputError: a value is out of range; the message names the setting.

    """

    data: str = _setting(
        'shapes10',
        'an HDF5 file (CIFAR10.hdf5.md), or shapes10: synthetic, made on the spot',
        metavar='FILE.hdf5',
    )
    batch_size: int = _setting(500, 'images per step', '-b', type=int)
    epochs: int = _setting(400, 'passes over the training images', '-e', type=int)
    seed: int = _setting(
        0, 'of the weights, the order of the images, dropout, and the choice of a subset', type=int
    )
    model: str = _setting('vgg', 'the network family', choices=tuple(FAMILIES))
    model_options: Mapping[str, Any] = _setting(
        {},
        "the family's options, such as blocks=5; those of vgg have the flags that follow",
        type=model_option,
        nargs='+',
        metavar='NAME=VALUE',
    )
    depth: str = _setting('listing', 'the convolutions of each block', choices=tuple(DEPTHS))
    batch_norm: bool = _setting(
        True, 'batch normalisation after each convolution', action=argparse.BooleanOptionalAction
    )
    dropout: float = _setting(0.4, 'drop ratio; 0 for none', type=float)
    pooling: str = _setting('max', 'how each block halves the image', choices=tuple(POOLINGS))
    filter_size: int = _setting(
        3, 'of every convolution; the image keeps its size', type=int, choices=FILTER_SIZES
    )
    optimizer: str = _setting(
        'adam', f"by Chainer's name: {', '.join(OPTIMIZERS)}", choices=tuple(OPTIMIZERS), metavar='NAME'
    )
    lr: float | None = _setting(
        None, "learning rate (Adam's alpha); Chainer's default for the optimizer", type=float
    )
    optimizer_options: Mapping[str, float] = _setting(
        {},
        "the optimizer's other arguments, by Chainer's names, such as beta1=0.5",
        type=option,
        nargs='+',
        metavar='NAME=VALUE',
    )
    weight_decay: float = _setting(0.0, "rate of Chainer's WeightDecay hook", type=float)
    lr_schedule: str = _setting('constant', 'how the learning rate moves', choices=tuple(SCHEDULES))
    lr_decay: float = _setting(
        0.5, 'step: the factor of each step; linear, cosine: the last rate over the first', type=float
    )
    lr_step: int = _setting(25, 'step: epochs between steps', type=int)
    compute: str = _setting('float32', 'what convolutions and linear layers multiply in', choices=COMPUTE)
    train_size: int | None = _setting(None, 'use this many training images, drawn by the seed', type=int)
    validation_size: int = _setting(0, 'set this many training images apart for choosing best.npz', type=int)
    test_size: int | None = _setting(None, 'use this many test images, drawn by the seed', type=int)
    augment: tuple[str, ...] = _setting(
        (),
        f'train on these copies of each training image too: {", ".join(COPIES)}',
        nargs='+',
        metavar='COPY',
    )
    crop: int | None = _setting(
        None, 'train on random windows of this size, test on the middle one', type=int, metavar='PIXELS'
    )
    random_erasing: float = _setting(
        0.0, 'how likely a random rectangle of a training image is erased', type=float, metavar='P'
    )
    chance_patience: int = _setting(
        20, 'stop after so many entries of the log with training accuracy at chance; 0: never', type=int
    )
    log_steps: int | None = _setting(
        None, 'evaluate and log after so many steps instead of after each epoch', type=int, metavar='STEPS'
    )
    gradient_flow: bool = _setting(
        False, 'record the mean absolute gradient of each layer (gradients.json)', action='store_true'
    )

    def __post_init__(self) -> None:
        # JSON and the command line bring a list.
        object.__setattr__(self, 'augment', tuple(self.augment))
        options = {name: tuple(v) if isinstance(v, list) else v for name, v in self.model_options.items()}
        object.__setattr__(self, 'model_options', options)
        distinct = len(set(self.augment)) == len(self.augment)
        self._check('augment', distinct and set(self.augment) <= set(COPIES), f'some of {", ".join(COPIES)}')
        for name in ('batch_size', 'epochs', 'lr_step'):
            self._check(name, getattr(self, name) >= 1, 'at least 1')
        for name in ('train_size', 'test_size', 'crop', 'log_steps'):
            self._check(name, getattr(self, name) is None or getattr(self, name) >= 1, 'at least 1')
        for name in ('validation_size', 'chance_patience', 'weight_decay'):
            self._check(name, getattr(self, name) >= 0, '0 or more')
        self._check('seed', 0 <= self.seed < 2**32, 'from 0 to 4294967295')
        self._check('dropout', 0 <= self.dropout < 1, 'from 0 (none) to below 1')
        self._check('random_erasing', 0 <= self.random_erasing <= 1, 'from 0 (never) to 1')
        self._check('lr', self.lr is None or 0 < self.lr < float('inf'), 'above 0')
        self._check('lr_decay', 0 < self.lr_decay < float('inf'), 'above 0')
        for setting in fields(self):
            choices = setting.metadata.get('choices')
            self._check(
                setting.name, not choices or getattr(self, setting.name) in choices, f'one of {choices}'
            )
        self._check_model()
        check_options(self.optimizer, self.lr, self.optimizer_options)
        if self.lr_schedule != 'constant' and rate_name(self.optimizer) is None:
            raise InputError(
                f'--lr-schedule is {self.lr_schedule}, but {self.optimizer} has no learning rate'
            )

    def _check_model(self) -> None:
        known = [] if self.model == 'vgg' else option_names(self.model)
        for name in self.model_options:
            if name not in known:
                expected = (
                    f'one of {", ".join(known)}' if known else f'the flags of vgg: {", ".join(VGG_FLAGS)}'
                )
                raise InputError(f'--model-options: {self.model} has no {name!r}; expected {expected}')
        if self.model != 'vgg':
            for setting in fields(self):
                if setting.name in VGG_FLAGS and getattr(self, setting.name) != setting.default:
                    raise InputError(
                        f'--{setting.name.replace("_", "-")} is for --model vgg; {self.model} takes '
                        f'--model-options {" ".join(f"{name}=..." for name in known)}'
                    )

    def _check(self, name: str, fine: bool, expected: str) -> None:
        if not fine:
            raise InputError(f'--{name.replace("_", "-")} is {getattr(self, name)}; expected {expected}')

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add a flag for each setting."""
        for setting in fields(cls):
            argument = dict(setting.metadata)
            help_text, flags = argument.pop('help'), argument.pop('flags')
            default = {} if isinstance(setting.default, dataclasses._MISSING_TYPE) else setting.default
            shown = '' if default in (None, {}, ()) else f' (default: {default})'
            parser.add_argument(
                *flags,
                f'--{setting.name.replace("_", "-")}',
                default=default,
                help=help_text + shown,
                **argument,
            )

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> 'Settings':
        """Read the settings back from what `add_arguments` made the parser parse."""
        values = {setting.name: getattr(arguments, setting.name) for setting in fields(cls)}
        for name in ('model_options', 'optimizer_options'):
            values[name] = dict(values[name])
        return cls(**values)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], origin: str) -> 'Settings':
        """Rebuild settings from a settings.json; unknown names are an InputError naming `origin`."""
        known = {setting.name for setting in fields(cls)}
        what = None
        if not isinstance(values, dict):
            what = type(values).__name__
        elif not known.issuperset(values):
            what = ', '.join(sorted(set(values) - known))
        elif not set(NEEDED).issubset(values):
            what = f'no {", ".join(sorted(set(NEEDED) - set(values)))}'
        if what is not None:
            raise InputError(
                f'{origin}: not the settings of a run ({shown(what)}); restore it, or choose another -o'
            )
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON has them; of the flags of vgg only where that is the model."""
        values = json.loads(json.dumps(dataclasses.asdict(self)))
        return {name: v for name, v in values.items() if self.model == 'vgg' or name not in VGG_FLAGS}

    def replace(self, **changes: Any) -> 'Settings':
        """Return these settings with some changed."""
        return dataclasses.replace(self, **changes)

    def changed(self, base: 'Settings') -> dict[str, Any]:
        """Return the settings that differ from those of `base`, in order of declaration."""
        mine, theirs = self.to_json(), base.to_json()
        return {name: value for name, value in mine.items() if name not in theirs or value != theirs[name]}

    def digest(self, fingerprint: str) -> str:
        """Identify the run: ten hex digits of the settings and of the data itself, wherever its file lies.

        Settings at their defaults do not enter, so that a new setting leaves old runs their names.
        """
        identity = {**self.changed(type(self)()), 'data': fingerprint}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
