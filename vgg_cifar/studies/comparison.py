"""What a claim compares, and in which words: each comparison says its sides, its unit and its measure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

MINUS = '\N{MINUS SIGN}'


@dataclass(frozen=True)
class Variant:
    """One line of a figure: what it is called and which settings it changes.

    It trains `times_epochs` times as many epochs as the scale says, and at least one.
    """

    label: str
    # Dicts have no hash; equal variants have equal labels.
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    times_epochs: float = 1


FACTORS = {'%': 100.0, 'x 0.01': 100.0}


@dataclass(frozen=True)
class Quantity:
    """A number of every epoch, from Chainer's log: `key`, or 1 - `key` as `complement`, minus `less`.

    With the unit ``%`` a fraction is shown in percent, with ``x 0.01`` a number in hundredths.
    """

    key: str
    label: str
    unit: str = ''
    complement: bool = False
    less: str | None = None

    @property
    def factor(self) -> float:
        """What the log's number is multiplied by."""
        return FACTORS.get(self.unit, 1.0)

    @property
    def is_time(self) -> bool:
        """Whether it is the time that a run took, which depends on what else the machine did."""
        return self.key == 'seconds'

    @property
    def with_unit(self) -> str:
        """The label with the unit."""
        return f'{self.label} ({self.unit})' if self.unit else self.label

    def of(self, entry: Mapping[str, float]) -> float:
        """Return the quantity of one entry of the log, NaN where the log does not have it."""
        value = entry.get(self.key, math.nan)
        if self.complement:
            value = 1 - value
        if self.less is not None:
            value -= entry.get(self.less, math.nan)
        return value * self.factor


OVER = {
    'last': 'at the end',
    'mean': 'mean over all of training',
    'max': 'highest',
    'sum': 'in all',
    'best': 'at the best validation accuracy',
}
"""What becomes of the entries of a log. ``best`` is the first of several epochs that are equally good."""


class Comparison:
    """An effect that is claimed to lie between `low` and `high`, and the words for it.

    Attributes:
        repeated_by: what n counts, a ``seed`` or a ``round``.
        is_ratio: whether the effect is a ratio, which is never below 0 and is averaged by its logarithm.
        signed: whether an effect above 0 is written with its sign.

    """

    repeated_by: ClassVar[str] = 'seed'
    is_ratio: ClassVar[bool] = False
    signed: ClassVar[bool] = True
    low: float
    high: float

    @property
    def claimed(self) -> tuple[float, float]:
        """The interval in which the effect is claimed to lie."""
        return self.low, self.high

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants whose runs are compared."""
        return ()

    @property
    def sides(self) -> str:
        """What is compared with what."""
        raise NotImplementedError

    @property
    def labels(self) -> dict[str, Any]:
        """The sides by name, for records."""
        raise NotImplementedError

    @property
    def brief(self) -> str:
        """What is measured, as short as it can be said."""
        raise NotImplementedError

    @property
    def measure(self) -> str:
        """What is measured, when and in which unit."""
        raise NotImplementedError

    @property
    def effect_is(self) -> str:
        """What the effect is, for records."""
        raise NotImplementedError


class OfLog(Comparison):
    """A comparison of what runs have logged: `over`, a key of `OVER`, says what becomes of the epochs.

    Attributes:
        signs: with which each variant's number is added up.
        points: what a percentage is called.

    """

    signs: ClassVar[tuple[int, ...]]
    points: ClassVar[str]
    quantity: Quantity
    over: str

    @property
    def brief(self) -> str:
        """The quantity, and when, unless that is at the end."""
        return self.quantity.label if self.over == 'last' else f'{self.quantity.label}, {OVER[self.over]}'

    @property
    def measure(self) -> str:
        """The quantity, when, and in which unit."""
        unit = f', in {self.points}' if self.quantity.unit == '%' else ''
        return f'{self.quantity.label}, {OVER[self.over]}{unit}'


@dataclass(frozen=True)
class Difference(OfLog):
    """`of` minus `against` in a quantity of the log, claimed to lie between `low` and `high`.

    With a pair `beyond`, the same difference of that pair is taken off: how much more the one pair gains than
    the other.
    """

    signs: ClassVar[tuple[int, ...]] = (1, -1, -1, 1)
    points: ClassVar[str] = 'points'
    quantity: Quantity
    of: Variant
    against: Variant
    over: str = 'last'
    low: float = 0.0
    high: float = math.inf
    beyond: tuple[Variant, ...] = ()

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The sides, and those of the other pair."""
        return self.of, self.against, *self.beyond

    @property
    def sides(self) -> str:
        """The one minus the other, minus the same of the other pair."""
        text = f'{self.of.label} {MINUS} {self.against.label}'
        if not self.beyond:
            return text
        more, less = self.beyond
        return f'({text}) {MINUS} ({more.label} {MINUS} {less.label})'

    @property
    def labels(self) -> dict[str, Any]:
        """The sides, and those of the other pair."""
        labels: dict[str, Any] = {'of': self.of.label, 'against': self.against.label}
        return labels | ({'beyond': [variant.label for variant in self.beyond]} if self.beyond else {})

    @property
    def effect_is(self) -> str:
        """A difference in what is measured."""
        return f'difference in {self.measure}'


@dataclass(frozen=True)
class Level(OfLog):
    """A quantity of the log itself, claimed to lie between `low` and `high`."""

    signed: ClassVar[bool] = False
    signs: ClassVar[tuple[int, ...]] = (1,)
    points: ClassVar[str] = '%'
    quantity: Quantity
    of: Variant
    over: str = 'last'
    low: float = -math.inf
    high: float = math.inf

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The one side."""
        return (self.of,)

    @property
    def sides(self) -> str:
        """The one side."""
        return self.of.label

    @property
    def labels(self) -> dict[str, Any]:
        """The one side."""
        return {'of': self.of.label}

    @property
    def effect_is(self) -> str:
        """What is measured itself."""
        return self.measure


class Ratio(Comparison):
    """A comparison of two costs, repeated round by round; `what` they are of."""

    repeated_by: ClassVar[str] = 'round'
    is_ratio: ClassVar[bool] = True
    signed: ClassVar[bool] = False
    of: Any
    against: Any
    what: Any

    @property
    def sides(self) -> str:
        """The one over the other."""
        return f'{self.of.label} ÷ {self.against.label}'

    @property
    def labels(self) -> dict[str, Any]:
        """The sides."""
        return {'of': self.of.label, 'against': self.against.label}

    @property
    def brief(self) -> str:
        """What the ratio is of."""
        return f'{self.what}, ratio'

    @property
    def measure(self) -> str:
        """What the ratio is of."""
        return f'{self.what}, as a ratio'

    @property
    def effect_is(self) -> str:
        """A ratio of what."""
        return f'ratio of {self.what}'


# Compared by identity: a variant's settings cannot be hashed.
@dataclass(frozen=True, eq=False)
class Timing:
    """Variants whose training steps are timed in turn, round after round, on one machine in one process."""

    id: str
    title: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class TimeRatio(Ratio):
    """The time of `of` over the time of `against`, claimed to lie between `low` and `high`.

    `per` is ``step``, a training step on a batch, or ``epoch``, all steps of an epoch.
    """

    timing: Timing
    of: Variant
    against: Variant
    per: str = 'step'
    low: float = 1.0
    high: float = math.inf

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The sides."""
        return self.of, self.against

    @property
    def what(self) -> str:
        """What the ratio is of."""
        return f'seconds per {self.per}'
