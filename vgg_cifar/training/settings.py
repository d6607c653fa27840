"""Every setting of a training run, with report R1's default and the values that it may have."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vgg_cifar import models
from vgg_cifar.accelerators.layers import COMPUTE
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.json_file import is_number
from vgg_cifar.models import FAMILIES
from vgg_cifar.training.augmentation import COPIES
from vgg_cifar.training.learning_rate import SCHEDULES
from vgg_cifar.training.optimizers import OPTIMIZERS, check_options, rate_name


class InvalidSetting(InputError):
    """A setting has a value that it cannot have; who has read it knows what the user calls it.

    Attributes:
        name: of the setting.
        found: the value, in words.
        expected: what it may be.

    """

    def __init__(self, name: str, value: Any, expected: str) -> None:
        self.name = name
        self.found = shown(str(value)) or 'empty'
        self.expected = expected
        super().__init__(f'{name} is {self.found}; expected {expected}')


def _setting(default: Any, fits: Callable[[Any], bool], expected: str) -> Any:
    return field(default=default, metadata={'fits': fits, 'expected': expected})


def _text(default: str) -> Any:
    return _setting(default, lambda value: isinstance(value, str) and value != '', 'a text')


def _truth(default: bool) -> Any:
    return _setting(default, lambda value: isinstance(value, bool), 'True or False')


def _choice(default: str, known: Collection[str]) -> Any:
    fits = lambda value: isinstance(value, str) and value in known  # noqa: E731
    return _setting(default, fits, f'one of {", ".join(known)}')


def _whole(default: int | None, low: int, expected: str, high: int = 2**53) -> Any:
    """Declare a whole number; None is one of its values where it is the default."""

    def fits(value: Any) -> bool:
        if value is None:
            return default is None
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return _setting(default, fits, expected)


def _number(default: float | None, holds: Callable[[float], bool], expected: str) -> Any:
    """Declare a finite number; None is one of its values where it is the default."""

    def fits(value: Any) -> bool:
        if value is None:
            return default is None
        return is_number(value) and holds(value)

    return _setting(default, fits, expected)


def _options(fits: Callable[[Any], bool], expected: str) -> Any:
    """Declare a mapping of names to values."""

    def all_fit(value: Any) -> bool:
        return isinstance(value, Mapping) and all(isinstance(k, str) and fits(v) for k, v in value.items())

    return field(default_factory=dict, metadata={'fits': all_fit, 'expected': expected})


def _is_option(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_option, value))
    return isinstance(value, bool | str) or is_number(value)


@dataclass(frozen=True)
class Settings:
    """What defines a run: with the same data, the same settings give the same bits on the same machine.

    What each means, the command line tells (`settings_flags`). Options that a network's family has short
    names for (`models.SHORT_OPTIONS`) are all in `model_options`, at their defaults unless they are given.

    Raises:
        InvalidSetting: a value is of another type or out of range.
        InputError: the network or the optimizer has no such option.

    """

    data: str = _text('shapes10')
    batch_size: int = _whole(500, 1, 'at least 1')
    epochs: int = _whole(400, 1, 'at least 1')
    seed: int = _whole(0, 0, 'from 0 to 4294967295', 2**32 - 1)
    model: str = _choice('vgg', FAMILIES)
    model_options: Mapping[str, Any] = _options(_is_option, 'names with words, numbers, True or False')
    optimizer: str = _choice('adam', OPTIMIZERS)
    lr: float | None = _number(None, lambda value: value > 0, 'above 0')
    optimizer_options: Mapping[str, float] = _options(
        lambda value: isinstance(value, int | float), 'names with numbers'
    )
    weight_decay: float = _number(0.0, lambda value: value >= 0, '0 or more')
    lr_schedule: str = _choice('constant', SCHEDULES)
    lr_decay: float = _number(0.5, lambda value: value > 0, 'above 0')
    lr_step: int = _whole(25, 1, 'at least 1')
    compute: str = _choice('float32', COMPUTE)
    train_size: int | None = _whole(None, 1, 'at least 1')
    validation_size: int = _whole(0, 0, '0 or more')
    test_size: int | None = _whole(None, 1, 'at least 1')
    augment: tuple[str, ...] = _setting(
        (),
        lambda value: set(value) <= set(COPIES) and len(set(value)) == len(value),
        f'some of {", ".join(COPIES)}',
    )
    crop: int | None = _whole(None, 1, 'at least 1')
    random_erasing: float = _number(0.0, lambda value: 0 <= value <= 1, 'from 0 (never) to 1')
    chance_patience: int = _whole(20, 0, '0 or more')
    log_steps: int | None = _whole(None, 1, 'at least 1')
    gradient_flow: bool = _truth(False)

    def __post_init__(self) -> None:
        # JSON and the command line bring lists.
        if not isinstance(self.augment, list | tuple) or not all(isinstance(v, str) for v in self.augment):
            raise InvalidSetting('augment', self.augment, f'some of {", ".join(COPIES)}')
        object.__setattr__(self, 'augment', tuple(self.augment))
        if isinstance(self.model_options, Mapping):
            options = {name: tuple(v) if isinstance(v, list) else v for name, v in self.model_options.items()}
            object.__setattr__(self, 'model_options', options)
        for setting in fields(self):
            value = getattr(self, setting.name)
            if not setting.metadata.get('fits', lambda _: True)(value):
                raise InvalidSetting(setting.name, value, setting.metadata['expected'])
        object.__setattr__(self, 'model_options', models.completed(self.model, self.model_options))
        check_options(self.optimizer, self.lr, self.optimizer_options)
        if self.lr_schedule != 'constant' and rate_name(self.optimizer) is None:
            raise InputError(
                f'--lr-schedule is {self.lr_schedule}, but {self.optimizer} has no learning rate'
            )

    def replace(self, **changes: Any) -> 'Settings':
        """Return these settings with some changed; options of the network may go by their short names."""
        model = changes.get('model', self.model)
        short = {name: changes.pop(name) for name in models.SHORT_OPTIONS.get(model, ()) if name in changes}
        kept = self.model_options if model == self.model else {}
        options = {**changes.pop('model_options', kept), **short}
        return dataclasses.replace(self, **changes, model_options=options)
