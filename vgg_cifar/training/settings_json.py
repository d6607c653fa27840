"""Settings as JSON has them, and what follows from that: how two differ, and the digest that names a run."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vgg_cifar import models
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.training.settings import InvalidSetting, Settings

NEEDED = ('data', 'batch_size', 'epochs', 'seed')
"""Settings that every settings.json has had."""

ADVICE = 'restore it, or choose another -o'


def to_json(settings: Settings) -> dict[str, Any]:
    """Return the settings in order of declaration, with the short-named options behind model_options."""
    plain = json.loads(json.dumps(dataclasses.asdict(settings)))
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name == 'model_options':
            short = models.SHORT_OPTIONS.get(settings.model, ())
            values[name] = {option: each for option, each in value.items() if option not in short}
            values |= {option: value[option] for option in short}
        else:
            values[name] = value
    return values


def from_json(values: Any, origin: str) -> Settings:
    """Rebuild settings from the content of a settings.json; an InputError names `origin` and the field."""
    if not isinstance(values, Mapping):
        raise InputError(f'{origin}: not the settings of a run ({type(values).__name__}); {ADVICE}')
    model = values.get('model', Settings().model)
    if not isinstance(model, str) or model not in models.FAMILIES:
        expected = ', '.join(models.FAMILIES)
        raise InputError(f'{origin}: model is {shown(str(model))}, expected one of {expected}; {ADVICE}')
    short = models.SHORT_OPTIONS.get(model, ())
    known = {setting.name for setting in fields(Settings)} | set(short)
    unknown = sorted(set(values) - known)
    missing = [f'no {name}' for name in NEEDED if name not in values]
    if unknown or missing:
        what = shown(', '.join(unknown or missing))
        raise InputError(f'{origin}: not the settings of a run ({what}); {ADVICE}')
    own = {name: values[name] for name in short if name in values}
    rest = {name: value for name, value in values.items() if name not in own}
    if own and isinstance(rest.get('model_options', {}), Mapping):
        rest['model_options'] = {**rest.get('model_options', {}), **own}
    try:
        return Settings(**rest)
    except InvalidSetting as error:
        raise InputError(
            f'{origin}: {error.name} is {error.found}, expected {error.expected}; {ADVICE}'
        ) from None
    except InputError as error:
        raise InputError(f'{origin}: {error}; {ADVICE}') from None


def changed(settings: Settings, base: Settings) -> dict[str, tuple[Any, Any]]:
    """Return what differs from `base`, in order of declaration: each value, and that of `base` or None."""
    mine, theirs = to_json(settings), to_json(base)
    return {
        name: (value, theirs.get(name))
        for name, value in mine.items()
        if name not in theirs or value != theirs[name]
    }


def digest(settings: Settings, fingerprint: str) -> str:
    """Identify the run: ten hex digits of the settings and of the data itself, wherever its file lies.

    Settings at their defaults do not enter, so that a new setting leaves old runs their names.
    """
    differing = {name: value for name, (value, _) in changed(settings, type(settings)()).items()}
    identity = {**differing, 'data': fingerprint}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:10]
