"""What a report's study is made of: values only; nothing here runs, reads or draws."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vgg_cifar.training.settings import Settings


@dataclass(frozen=True)
class Variant:
    """One line of a figure: what it is called and which settings it changes."""

    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """One pair of axes: a quantity of Chainer's log and the axis's name; `percent` scales a fraction."""

    quantity: str
    label: str
    percent: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure of the report: its number there, its title, its lines and its axes.

    `x` and `x_label` name the quantity of the log along the horizontal axis.
    """

    id: str
    title: str
    variants: tuple[Variant, ...]
    panels: tuple[Panel, ...]
    x: str = 'epoch'
    x_label: str = 'epoch'


@dataclass(frozen=True)
class Scale:
    """How much of the report's work is done: what every run shares, the number of seeds, the cost."""

    settings: Mapping[str, Any]
    seeds: int
    cost: str


@dataclass(frozen=True)
class Run:
    """One training run: its settings, and its folder's name, derived from them and the data."""

    id: str
    settings: Settings


@dataclass(frozen=True)
class Study:
    """A report: its figures, and the scales at which they can be rebuilt.

    `base` holds the report's own settings; a scale and then a variant change some of them.
    """

    id: str
    title: str
    source: str
    base: Settings
    scales: Mapping[str, Scale]
    figures: tuple[Figure, ...]

    def run(self, variant: Variant, scale: str, seed: int, data: str, fingerprint: str) -> Run:
        """Return the run of a variant with a seed, on the images at `data`, which have this fingerprint."""
        shared = {'data': data, 'seed': seed, **self.scales[scale].settings}
        settings = self.base.replace(**{**shared, **variant.changes})
        words = [f'{name}-{value}' for name, value in settings.changed(self.base.replace(**shared)).items()]
        return Run('-'.join([*words, f'seed{seed}', settings.digest(fingerprint)]), settings)

    def runs(
        self, figures: Iterable[Figure], scale: str, seeds: int, data: str, fingerprint: str
    ) -> list[Run]:
        """Return every run that the figures need, once each, seed by seed: every line soon has a point."""
        found: dict[str, Run] = {}
        for seed in range(seeds):
            for figure in figures:
                for variant in figure.variants:
                    run = self.run(variant, scale, seed, data, fingerprint)
                    found.setdefault(run.id, run)
        return list(found.values())
