"""What a report's study is made of: values only; nothing here runs, reads or draws."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vgg_cifar.training.settings import Settings
from vgg_cifar.training.settings_json import changed, digest


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


@dataclass(frozen=True)
class Axis:
    """A horizontal axis: a quantity of the log, `times` a number, and `summed` over the epochs before."""

    key: str
    label: str
    times: int = 1
    summed: bool = False


EPOCH = Axis('epoch', 'epoch')


@dataclass(frozen=True)
class Reported:
    """A number of the report: its standard error, or the number of images behind it, where it is known."""

    value: float
    error: float | None = None
    images: int | None = None


@dataclass(frozen=True)
class Column:
    """A column of a figure's table, beside which the report's own numbers stand.

    Attributes:
        id: its name in the CSV file.
        quantity: of the log.
        over: what becomes of the epochs, a key of `OVER`.
        digits: as shown.
        reported: the report's numbers, by the labels of the variants, in the quantity's unit.
        images: how many images a run's number is a share of, for a binomial interval; none without.

    """

    id: str
    quantity: Quantity
    over: str = 'last'
    digits: int = 1
    reported: Mapping[str, Reported] = field(default_factory=dict)
    images: Callable[[Settings], int] | None = None


TRAIN = Quantity('main/accuracy', 'training accuracy', '%')
VALIDATION = Quantity('validation/main/accuracy', 'validation accuracy', '%')
TEST = Quantity('test/main/accuracy', 'test accuracy', '%')
TRAIN_LOSS = Quantity('main/loss', 'training loss')
TEST_LOSS = Quantity('test/main/loss', 'test loss')
SECONDS = Quantity('seconds', 's per epoch')
FINAL = (
    Column('train_accuracy', TRAIN),
    Column('validation_accuracy', VALIDATION),
    Column('test_accuracy', TEST),
    Column('train_loss', TRAIN_LOSS, digits=3),
    Column('test_loss', TEST_LOSS, digits=3),
    Column('seconds_per_epoch', SECONDS),
)
"""What every figure's table shows where the report has no numbers of its own."""


@dataclass(frozen=True)
class Figure:
    """A figure or table of the report: curves of its variants, and a table of what became of them.

    Attributes:
        id: the figure's number in the report, or one of ours where `in_report` is False.
        title: the report's.
        variants: its lines.
        panels: what is drawn, one pair of axes each.
        says: what the report says about the figure, in our words.
        choices: what the report leaves open about it, and what was taken.
        x: the horizontal axis.
        columns: of its table.
        in_report: False for a figure that is not in the report, and tests why a claim may have failed.
        called: what it is called, where that is not Figure and its number.

    """

    id: str
    title: str
    variants: tuple[Variant, ...]
    panels: tuple[Quantity, ...]
    says: str
    choices: str
    x: Axis = EPOCH
    columns: tuple[Column, ...] = FINAL
    in_report: bool = True
    called: str = ''

    @property
    def name(self) -> str:
        """What the figure is called: by its number in the report, or as one of ours."""
        return self.called or (f'Figure {self.id}' if self.in_report else f'Beside the report, {self.id}')


class GradientFigure(Figure):
    """The mean absolute gradient by layer, of runs that recorded it: one line per variant."""


class LayerPictures(Figure):
    """Pictures of each layer's filters and activations, of one variant, a ConvPool network."""


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

    `over`, a key of `OVER`, says what becomes of the epochs. With a pair `beyond`, the same difference of
    that pair is taken off: how much more the one pair gains than the other.
    """

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


@dataclass(frozen=True)
class Level:
    """A quantity of the log itself, claimed to lie between `low` and `high`; `over` as in `Difference`."""

    quantity: Quantity
    of: Variant
    over: str = 'last'
    low: float = -math.inf
    high: float = math.inf

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The one side."""
        return (self.of,)


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

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The sides."""
        return self.of, self.against

    @property
    def what(self) -> str:
        """What the ratio is of."""
        return f'seconds per {self.per}'


@dataclass(frozen=True)
class Size:
    """Of a convolution: images, channels in and out, height and width of image and of kernel."""

    batch: int
    channels: int
    image: int
    kernel: int

    @property
    def out(self) -> int:
        """Height and width of the result."""
        return self.image - self.kernel + 1

    @property
    def label(self) -> str:
        """In words."""
        images = f'{self.batch} x {self.channels} x {self.image} x {self.image}'
        return f'{images}, kernel {self.kernel} x {self.kernel}'


@dataclass(frozen=True)
class Cost:
    """Of a convolution's implementation at a size, forwards or backwards."""

    implementation: str
    size: Size
    backward: bool

    @property
    def label(self) -> str:
        """In words."""
        return f'{self.implementation} {"backwards" if self.backward else "forwards"} at {self.size.label}'


@dataclass(frozen=True)
class CostRatio:
    """The time or peak memory of `of` over that of `against`, claimed to lie between `low` and `high`."""

    what: str
    of: Cost
    against: Cost
    low: float = 1.0
    high: float = math.inf

    @property
    def variants(self) -> tuple[Variant, ...]:
        """None: no run is behind it."""
        return ()


Comparison = Difference | Level | TimeRatio | CostRatio


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
class Images:
    """The report's data set.

    Attributes:
        name: as our data files call it; a file of another name is not the report's data set.
        title: as people call it.
        file: what `vgg-cifar data` calls its file.
        synthetic: the generated set of the same image shape that stands in where no file is given.

    """

    name: str
    title: str
    file: str
    synthetic: str


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
    images: Images
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
        epochs = max(1, round(base.epochs * variant.times_epochs))
        settings = base.replace(epochs=epochs).replace(**variant.changes)
        words = [f'{name}-{_word(value)}' for name, value in _flat(settings, base)]
        return Run('-'.join([*words, f'seed{seed}', digest(settings, fingerprint)]), settings)


def _flat(settings: Settings, base: Settings) -> Iterator[tuple[str, Any]]:
    """Yield changed settings, and of those that hold several options the options that differ."""
    for name, (value, before) in changed(settings, base).items():
        if isinstance(value, dict):
            yield from ((key, each) for key, each in value.items() if before.get(key) != each)
        else:
            yield name, value


def _word(value: object) -> str:
    """Write a setting's value as part of a folder's name."""
    return '+'.join(map(str, value)) if isinstance(value, list) else str(value)
