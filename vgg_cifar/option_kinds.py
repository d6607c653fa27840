"""What values an option may have, its type and its range: one rule for networks and optimizers."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from vgg_cifar.foreign_text import shown
from vgg_cifar.json_file import is_number


class Kind(NamedTuple):
    """Which values are allowed, and how to say that."""

    fits: Callable[[Any], bool]
    expected: str


TRUTH = Kind(lambda value: isinstance(value, bool), 'True or False')
ANY_NUMBER = Kind(is_number, 'a number')
POSITIVE = Kind(lambda value: is_number(value) and value > 0, 'a number above 0')
NOT_NEGATIVE = Kind(lambda value: is_number(value) and value >= 0, 'a number, 0 or more')
FRACTION = Kind(lambda value: is_number(value) and 0 <= value < 1, 'a number from 0 to below 1')
DROP_RATIO = FRACTION._replace(expected='a drop ratio from 0 (none) to below 1')


def whole(low: int) -> Kind:
    """Return the kind of whole numbers from `low` on."""
    return Kind(lambda value: type(value) is int and value >= low, f'a whole number, {low} or more')


def wholes(low: int) -> Kind:
    """Return the kind of sequences of whole numbers from `low` on, at least one."""
    fits = whole(low).fits
    return Kind(
        lambda value: isinstance(value, list | tuple) and len(value) > 0 and all(map(fits, value)),
        f'whole numbers with commas, each {low} or more, such as 5,10 (one alone: 5,)',
    )


def choice(known: Collection[Any]) -> Kind:
    """Return the kind of these values, of which 3.0 and True are none where 3 and 1 are."""
    return Kind(
        lambda value: any(type(value) is type(each) and value == each for each in known),
        f'one of {", ".join(map(str, known))}',
    )


def or_none(kind: Kind) -> Kind:
    """Return the kind that allows None too."""
    return kind._replace(fits=lambda value: value is None or kind.fits(value))


def check(kinds: Mapping[str, Kind], options: Mapping[str, Any]) -> None:
    """Raise ValueError where one of the `options`, all of which have a kind, is not of it."""
    for name, value in options.items():
        if not kinds[name].fits(value):
            raise ValueError(f'{name} is {shown(repr(value))}; expected {kinds[name].expected}')
