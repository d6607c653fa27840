"""What a report's study is made of: values only; nothing here runs, reads or draws."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vgg_cifar.counting import counted
from vgg_cifar.studies.comparison import Comparison, Quantity, TimeRatio, Timing, Variant
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.settings_json import changed, digest


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
    """A number of the report, and what is known of what is behind it.

    Attributes:
        value: in the quantity's unit.
        error: its standard error.
        images: how many images it is a share of.
        runs: of how many runs it is the mean.

    """

    value: float
    error: float | None = None
    images: int | None = None
    runs: int = 1


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

    @property
    def what(self) -> str:
        """What is drawn against what."""
        return f'{" and ".join(panel.label for panel in self.panels)} against {self.x.label}'

    @property
    def picture(self) -> str:
        """What can be seen, for those who cannot see it."""
        return f'{self.what}, one line for each of: {"; ".join(variant.label for variant in self.variants)}'


class GradientFigure(Figure):
    """The mean absolute gradient by layer, of runs that recorded it: one line per variant."""

    @property
    def what(self) -> str:
        """What is drawn against what."""
        return 'mean absolute gradient against the layer'


class LayerPictures(Figure):
    """Pictures of each layer's filters and activations, of one variant, a ConvPool network."""

    @property
    def picture(self) -> str:
        """What can be seen, for those who cannot see it."""
        return f'filters, and their activations on one image, layer by layer: {self.variants[0].label}'


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

    """

    id: str
    figures: tuple[str, ...]
    statement: str
    rule: str
    comparisons: tuple[Comparison, ...]
    ranking: tuple[Quantity, ...] = ()
    mark: str = ''
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class CheckedTable:
    """Numbers of the report beside ours: `summary` says how they compare, `holds` whether they agree."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    summary: str
    holds: bool


@dataclass(frozen=True)
class Arithmetic:
    """A claim that is judged by counting, without a run: `check` counts.

    What counting has found is the same on every machine, so that it is written here, as `finding`.
    """

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
    """The report's data set, and which other images its networks and pictures can take in its place.

    Attributes:
        name: as our data files call it; a file of another name is not the report's data set.
        title: as people call it.
        file: what `vgg-cifar data` calls its file.
        synthetic: the generated set of the same image shape that stands in where no file is given.
        shape: (channels, height, width) of an image.
        classes: how many there are.
        training: how many images the report trains on.
        least: height and width that its smallest network can still take.

    """

    name: str
    title: str
    file: str
    synthetic: str
    shape: tuple[int, int, int]
    classes: int
    training: int
    least: int

    def unsuitable(self, shape: tuple[int, ...], classes: int) -> str | None:
        """Say why images of a shape (C, H, W) in so many classes do not suit the study; None where they do.

        Another size and other classes are another data set, which the page says; another number of channels
        is another network, and one class leaves nothing to compare.
        """
        channels, height, width = shape
        if channels != self.shape[0]:
            return (
                f'the images have {counted(channels, "channel")}, expected {self.shape[0]}, as '
                f'{self.title} has'
            )
        if min(height, width) < self.least:
            return f'the images are {height}x{width}, expected at least {self.least}x{self.least}'
        if classes < 2:
            return f'the number of classes is {classes}, expected 2 or more'
        return None


@dataclass(frozen=True)
class Run:
    """One training run: its settings, and its folder's name, derived from them and the data."""

    id: str
    settings: Settings


@dataclass(frozen=True)
class Summary:
    """What the ML Reproducibility Challenge asks of a reproduction, beside its results.

    Attributes:
        scope: what was tested.
        easy: what was easy.
        difficult: what was difficult.
        guessed: what the report leaves open and had to be guessed.

    """

    scope: str
    easy: str
    difficult: str
    guessed: str


@dataclass(frozen=True)
class Study:
    """A report: its figures and claims, and the scales at which they can be rebuilt.

    `base` holds the report's own settings; a scale and then a variant change some of them. The `title` says
    what is studied, not on which images: those may be others than the report's. The claims called `central`
    are those that the report's abstract or conclusions rest on.
    """

    id: str
    title: str
    source: str
    images: Images
    base: Settings
    scales: Mapping[str, Scale]
    figures: tuple[Figure, ...]
    claims: tuple[Claim | Arithmetic, ...]
    central: tuple[str, ...]
    summary: Summary

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
