"""What a report's study is made of: values only; nothing here runs, reads or draws."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vgg_cifar.training.settings import Settings


@dataclass(frozen=True)
class Variant:
    """One line of a figure: what it is called and which settings it changes.

    It trains `times_epochs` times as many epochs as the scale says.
    """

    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    times_epochs: int = 1


@dataclass(frozen=True)
class Quantity:
    """A number of every epoch, from Chainer's log: `key`, or 1 - `key` as `complement`, minus `less`.

    With the unit ``%`` a fraction is shown in percent.
    """

    key: str
    label: str
    unit: str = ''
    complement: bool = False
    less: str | None = None

    @property
    def factor(self) -> float:
        """What the log's number is multiplied by."""
        return 100.0 if self.unit == '%' else 1.0

    def of(self, entry: Mapping[str, float]) -> float:
        """Return the quantity of one entry of the log, NaN where the log does not have it."""
        value = entry.get(self.key, math.nan)
        if self.complement:
            value = 1 - value
        if self.less is not None:
            value -= entry.get(self.less, math.nan)
        return value * self.factor


@dataclass(frozen=True)
class Figure:
    """A figure of the report: its number there, its title, its lines and its axes.

    Attributes:
        id: the figure's number in the report, or one of ours where `in_report` is False.
        title: the report's.
        variants: its lines.
        panels: what is drawn, one pair of axes each.
        says: what the report says about the figure, in our words.
        choices: what the report leaves open about it, and what was taken.
        x, x_label: the quantity of the log along the horizontal axis.
        in_report: False for a figure that is not in the report, and tests why a claim may have failed.

    """

    id: str
    title: str
    variants: tuple[Variant, ...]
    panels: tuple[Quantity, ...]
    says: str
    choices: str
    x: str = 'epoch'
    x_label: str = 'epoch'
    in_report: bool = True


# Compared by identity: a variant's settings cannot be hashed.
@dataclass(frozen=True, eq=False)
class Timing:
    """Variants whose training steps are timed in turn, round after round, on one machine in one process."""

    id: str
    title: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Difference:
    """`of` minus `against` in a quantity of the log, claimed to lie between `low` and `high`.

    `over` says what becomes of the epochs: ``last`` takes the last one, ``mean`` the mean over all.
    """

    quantity: Quantity
    of: Variant
    against: Variant
    over: str = 'last'
    low: float = 0.0
    high: float = math.inf


@dataclass(frozen=True)
class TimeRatio:
    """The time of `of` over the time of `against`, claimed to lie between `low` and `high`.

    `per` is ``step``, a training step on a batch, or ``epoch``, all steps of an epoch.
    """

    timing: Timing
    of: Variant
    against: Variant
    per: str = 'step'
    low: float = 1.0
    high: float = math.inf


Comparison = Difference | TimeRatio


@dataclass(frozen=True)
class Check:
    """A further test beside a claim: why it may fail, or what else the report may have meant."""

    text: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Claim:
    """What the report claims, and the rule over measured runs that judges it: all comparisons must hold.

    Attributes:
        id: as the project's list of claims has it.
        figures: the figures under which it is shown.
        statement: the claim, in our words.
        rule: the comparisons, in a line or two.
        comparisons: each effect and the interval that it is claimed to lie in.
        ranking: quantities by which the page ranks the variants that are compared.
        mark: what a reader must know about how the report came to the claim.
        checks: further tests; they do not decide.
        finding: what was found out about it, in words.

    """

    id: str
    figures: tuple[str, ...]
    statement: str
    rule: str
    comparisons: tuple[Comparison, ...]
    ranking: tuple[Quantity, ...] = ()
    mark: str = ''
    checks: tuple[Check, ...] = ()
    finding: str = ''


@dataclass(frozen=True)
class CheckedTable:
    """Numbers of the report beside ours: `summary` says how they compare, `holds` whether they agree."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    summary: str
    holds: bool


@dataclass(frozen=True)
class Arithmetic:
    """A claim that is judged by counting, without a run: `check` counts."""

    id: str
    statement: str
    rule: str
    check: Callable[[], CheckedTable]
    figures: tuple[str, ...] = ()
    mark: str = ''
    finding: str = ''


@dataclass(frozen=True)
class Scale:
    """How much of the report's work is done: what all runs share, the seeds, and what the scale is `about`.

    A timing has so many `rounds`, in each of which every variant takes `timed_steps` steps.
    """

    settings: Mapping[str, Any]
    seeds: int
    rounds: int
    timed_steps: int
    about: str


@dataclass(frozen=True)
class Run:
    """One training run: its settings, and its folder's name, derived from them and the data."""

    id: str
    settings: Settings


@dataclass(frozen=True)
class Study:
    """A report: its figures and claims, and the scales at which they can be rebuilt.

    `base` holds the report's own settings; a scale and then a variant change some of them.
    """

    id: str
    title: str
    source: str
    base: Settings
    scales: Mapping[str, Scale]
    figures: tuple[Figure, ...]
    claims: tuple[Claim | Arithmetic, ...]

    def claims_of(self, figures: Iterable[Figure]) -> list[Claim]:
        """Return the claims over runs that belong to some of `figures`."""
        ids = {figure.id for figure in figures}
        return [claim for claim in self.claims if isinstance(claim, Claim) and ids & set(claim.figures)]

    def timings_of(self, figures: Iterable[Figure]) -> list[Timing]:
        """Return the timings that the claims about these figures need."""
        compared = [each for claim in self.claims_of(figures) for each in claim.comparisons]
        needed = [each.timing for each in compared if isinstance(each, TimeRatio)]
        return list(dict.fromkeys(needed))

    def run(self, variant: Variant, scale: str, seed: int, data: str, fingerprint: str, compute: str) -> Run:
        """Return the run of a variant with a seed, on the images at `data`, which have this fingerprint."""
        shared = {'data': data, 'seed': seed, 'compute': compute, **self.scales[scale].settings}
        base = self.base.replace(**shared)
        settings = base.replace(epochs=base.epochs * variant.times_epochs).replace(**variant.changes)
        words = [f'{name}-{_word(value)}' for name, value in settings.changed(base).items()]
        return Run('-'.join([*words, f'seed{seed}', settings.digest(fingerprint)]), settings)


def _word(value: object) -> str:
    """Write a setting's value as part of a folder's name."""
    return '+'.join(map(str, value)) if isinstance(value, list) else str(value)
