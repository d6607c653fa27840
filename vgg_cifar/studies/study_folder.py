"""A study's folder: study.json says what it holds; runs/ID/ are the runs, timings/ID.json the timings."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgg_cifar import json_file
from vgg_cifar.accelerators.layers import COMPUTE
from vgg_cifar.atomic import refuse_foreign, write_json
from vgg_cifar.counting import counted
from vgg_cifar.datasets.unverified import unverified_name
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.json_file import Record
from vgg_cifar.studies import STUDIES
from vgg_cifar.studies.comparison import Timing, Variant
from vgg_cifar.studies.study import Arithmetic, Claim, Figure, Run, Study
from vgg_cifar.training import environment
from vgg_cifar.training.run_folder import RunFolder
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.settings_json import changed, from_json

INDEX = 'study.json'
FOLDERS = ('runs', 'timings', 'figures', 'tables')
FILES = (*FOLDERS, 'claims.json', 'report.html', 'report.md')
"""What a study's folder holds beside study.json, which is written first."""

FINDINGS = 'findings.json'
ADVICE = 'run `vgg-cifar reproduce` into a new folder'
MOST_SEEDS = 10_000
LONGEST_NAME = 40
PARTS = ('train', 'validation', 'test')


def study_id(path: Path) -> str | None:
    """Return which study the folder at `path` says to hold; None where it does not say."""
    try:
        return json_file.record(path / INDEX, ADVICE).text('study')
    except (OSError, InputError):
        return None


@dataclass(frozen=True)
class StudyFolder:
    """One study at one scale on one data set, computed in one type.

    Attributes:
        path: the folder.
        study: which report.
        scale: a key of the study's scales.
        seeds: runs wanted of each variant, with the seeds 0, 1, ...
        more_seeds: by the ids of figures whose variants have more runs than that, how many.
        first_seeds: how many were asked for to begin with; None for `seeds`.
        data: ImageData's identity: ``name``, ``synthetic``, ``source``, ``sizes``, ``fingerprint``, and, in
            folders of today, ``image_shape`` and ``n_classes``.
        compute: what convolutions and linear layers multiply in.
        figures: those that were asked for, by id; None for all.

    """

    path: Path
    study: Study
    scale: str
    seeds: int
    data: dict[str, Any]
    compute: str = 'float32'
    figures: tuple[str, ...] | None = None
    more_seeds: Mapping[str, int] = dataclasses.field(default_factory=dict)
    first_seeds: int | None = None

    @classmethod
    def open(cls, path: Path) -> 'StudyFolder':
        """Read the folder's study.json; an InputError names what is wrong with it."""
        try:
            content = json_file.record(path / INDEX, ADVICE)
        except FileNotFoundError:
            raise InputError(
                f'{path}: no {INDEX} here; expected the folder of `vgg-cifar reproduce`'
            ) from None
        study = STUDIES[content.text('study', STUDIES)]
        return cls(
            path,
            study,
            content.text('scale', study.scales),
            content.whole('seeds', 1, MOST_SEEDS),
            _identity(content.record('data')),
            # A folder from before there was a choice was computed in float32, and had all figures.
            content.text('compute', COMPUTE) if 'compute' in content else 'float32',
            _figures(content, study) if 'figures' in content else None,
            _more_seeds(content.record('more_seeds'), study) if 'more_seeds' in content else {},
            content.whole('first_seeds', 1, MOST_SEEDS) if 'first_seeds' in content else None,
        )

    def joined(self) -> 'StudyFolder':
        """Return this with the seeds and figures that the folder holds already; nothing is written.

        An InputError where the folder holds another study, scale or data set, or what somebody else has
        written under the names of `FILES`.
        """
        seeds, figures, of_figures = self.seeds, self.figures, self._seeds_of_figures()
        first = self.first_seeds
        refuse_foreign(self.path, INDEX, FILES)
        if (self.path / INDEX).exists():
            there = StudyFolder.open(self.path)
            for name, found, wanted in (
                ('study', there.study.id, self.study.id),
                ('scale', there.scale, self.scale),
                ('images', there.data['fingerprint'], self.data['fingerprint']),
                ('compute type', there.compute, self.compute),
            ):
                if found != wanted:
                    raise InputError(
                        f'{self.path}: holds the {name} {shown(str(found))}, not {wanted}; choose another -o'
                    )
            for figure, number in there._seeds_of_figures().items():
                of_figures[figure] = max(number, of_figures.get(figure, 0))
            seeds = min(of_figures.values())
            first = there.first_seeds or there.seeds
            if figures is not None:
                # All figures, of which there are but some, stay all.
                figures = None if there.figures is None else tuple({*figures, *there.figures})
        if figures is not None:
            figures = tuple(figure.id for figure in self.study.figures if figure.id in figures)
        more = {figure: number for figure, number in of_figures.items() if number > seeds}
        return dataclasses.replace(self, seeds=seeds, figures=figures, more_seeds=more, first_seeds=first)

    def _seeds_of_figures(self) -> dict[str, int]:
        """Return how many runs each variant of the figures has that were asked for."""
        return {figure.id: self.seeds_of_figure(figure) for figure in self.shown_figures}

    def save(self) -> 'StudyFolder':
        """Write study.json of what is `joined`, and return that."""
        joined = self.joined()
        content = {
            'study': self.study.id,
            'scale': self.scale,
            'seeds': joined.seeds,
            'compute': self.compute,
            'data': self.data,
        }
        if joined.figures is not None:
            content['figures'] = joined.figures
        if joined.more_seeds:
            content['more_seeds'] = joined.more_seeds
        if joined.first_seeds not in (None, joined.seeds):
            content['first_seeds'] = joined.first_seeds
        write_json(self.path / INDEX, content)
        return joined

    @property
    def shown_figures(self) -> tuple[Figure, ...]:
        """The figures that were asked for."""
        wanted = self.figures
        return tuple(each for each in self.study.figures if wanted is None or each.id in wanted)

    def shows(self, claim: Claim | Arithmetic) -> bool:
        """Whether the folder's page has a claim: it is about no figure, or about one that was asked for."""
        return not claim.figures or not {figure.id for figure in self.shown_figures}.isdisjoint(claim.figures)

    @functools.cached_property
    def findings(self) -> dict[str, str]:
        """What was found out about claims in this folder's runs, in words, by the claims' ids."""
        path = self.path / FINDINGS
        advice = 'expected a text for each claim that there is something to say about'
        try:
            content = json_file.record(path, advice)
        except FileNotFoundError:
            return {}
        known = {claim.id for claim in self.study.claims if isinstance(claim, Claim)}
        for name in content:
            if name not in known:
                raise InputError(f'{path}: {shown(name)} is not a claim of {self.study.id}; {advice}')
        return {name: content.text(name) for name in content}

    def at_other_scales(self) -> list['StudyFolder']:
        """Return the folders beside this one that hold the same study of the same images at another scale.

        Smoke scale decides nothing, and a folder that cannot be read is none.
        """
        found = []
        for index in sorted(self.path.resolve().parent.glob(f'*/{INDEX}')):
            with contextlib.suppress(InputError):
                other = StudyFolder.open(index.parent)
                alike = other.study is self.study and other.data['fingerprint'] == self.data['fingerprint']
                if alike and other.scale not in ('smoke', self.scale):
                    found.append(other)
        return found

    def run_folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.path / 'runs' / run_id)

    def run_of(self, variant: Variant, seed: int = 0) -> Run:
        """Return a variant's run with a seed."""
        if (variant, seed) not in self._runs:
            identity = self.data['source'], self.data['fingerprint'], self.compute
            self._runs[variant, seed] = self.study.run(variant, self.scale, seed, *identity)
        return self._runs[variant, seed]

    @functools.cached_property
    def _runs(self) -> dict[tuple[Variant, int], Run]:
        """The runs derived so far: a page asks for each a hundred times."""
        return {}

    def runs(self, variant: Variant) -> list[RunFolder]:
        """Return the folders of a variant's runs, one per seed, whether they exist or not."""
        return [self.run_folder(self.run_of(variant, seed).id) for seed in range(self.seeds_of(variant))]

    def seeds_of(self, variant: Variant) -> int:
        """Return how many runs are wanted of a variant."""
        of_figures = (self.seeds_of_figure(each) for each in self.study.figures if variant in each.variants)
        return max(of_figures, default=self.seeds)

    def seeds_of_figure(self, figure: Figure) -> int:
        """Return how many runs are wanted of each variant of a figure."""
        return self.more_seeds.get(figure.id, self.seeds)

    def all_runs(self, figures: Iterable[Figure]) -> list[Run]:
        """Return every run that the figures need, once each, seed by seed: every line soon has a point."""
        found: dict[str, Run] = {}
        variants = {variant: self.seeds_of(variant) for figure in figures for variant in figure.variants}
        for seed in range(max(variants.values(), default=0)):
            for variant, seeds in variants.items():
                if seed < seeds:
                    run = self.run_of(variant, seed)
                    found.setdefault(run.id, run)
        return list(found.values())

    def check_runs(self) -> None:
        """Refuse to judge mixed runs: an InputError names one with other settings or images."""
        for run in self.all_runs(self.study.figures):
            there = self.run_folder(run.id)
            if not there.log:
                continue
            path = there.path / 'settings.json'
            found = from_json(there.settings or {}, str(path))
            for name, (expected, value) in changed(run.settings.replace(data=found.data), found).items():
                raise InputError(
                    f'{path}: {name} is {shown(str(value), 200)}, expected {expected}: this run is not of '
                    f'this study at {self.scale} scale; move its folder away'
                )
            fingerprint = ((there.environment or {}).get('data') or {}).get('fingerprint')
            if fingerprint != self.data['fingerprint']:
                raise InputError(
                    f'{there.path / "environment.json"}: the images are {fingerprint}, expected '
                    f'{self.data["fingerprint"]} ({self.data["name"]}): verdicts from mixed data sets are '
                    'refused; move this run away'
                )

    def timing_path(self, timing: Timing) -> Path:
        """Return where a timing is kept."""
        return self.path / 'timings' / f'{timing.id}.json'

    def timing(self, timing: Timing) -> dict[str, Any] | None:
        """Return a timing's file, None where it is not there yet, or of other networks.

        Its ``variants`` map the id of a variant's first run to ``label``, ``steps_per_epoch`` and
        ``seconds``: those of a training step, round by round.
        """
        advice = 'delete it, and it is measured anew'
        try:
            content = json_file.record(self.timing_path(timing), advice)
        except FileNotFoundError:
            return None
        made_on = content.record('environment')
        environment.check(made_on)
        found, rounds = content.record('variants'), content.whole('rounds', 1, 10_000)
        variants = {}
        for variant in timing.variants:
            name = self.run_of(variant).id
            if name not in found:
                return None
            each = found.record(name)
            seconds = each.numbers('seconds', 1e-9, 1e6)
            if len(seconds) != rounds:
                raise each.wrong('seconds', f'a number for each of the {counted(rounds, "round")}')
            steps = each.number('steps_per_epoch', 1e-9, 1e12)
            variants[name] = {'label': variant.label, 'steps_per_epoch': steps, 'seconds': seconds}
        if len(variants) != len(list(found)):
            return None
        return {
            'title': timing.title,
            'batch_size': content.whole('batch_size', 1),
            'rounds': rounds,
            'environment': made_on.content,
            'variants': variants,
        }

    @property
    def images(self) -> str:
        """What people call the images: the report's data set by its title, any other by its own name."""
        name, official = self.data['name'], self.study.images
        known = {official.name: official.title, unverified_name(official.name): official.title}
        title = known.get(name) or shown(name, LONGEST_NAME)
        return f'synthetic images, {title}' if self.data['synthetic'] else title

    @property
    def title(self) -> str:
        """What was studied, and on which images."""
        return f'{self.study.title}, on {self.images}'

    @property
    def shared(self) -> Settings:
        """The settings that the variants share."""
        settings = self.study.base.replace(**self.study.scales[self.scale].settings)
        return settings.replace(compute=self.compute)

    def training_images(self, settings: Settings) -> int:
        """Return how many images a run with these settings trains on, copies left out."""
        sizes = self.data['sizes']
        carved = 0 if sizes['validation'] else settings.validation_size
        return settings.train_size or sizes['train'] - carved

    def caption(self, figure: Figure | None = None) -> str:
        """Say in a line what data the numbers are from and at which scale; of a figure, for its own runs."""
        synthetic = ' (synthetic)' if self.data['synthetic'] else ''
        runs = [self.run_of(variant).settings for variant in figure.variants] if figure else [self.shared]
        images = counted(self.training_images(runs[0]), 'training image')
        epochs = sorted({settings.epochs for settings in runs})
        return (
            f'{shown(self.data["name"], LONGEST_NAME)}{synthetic}, {images}, batch '
            f'{runs[0].batch_size}, {" or ".join(map(str, epochs))} epoch{"s" * (epochs != [1])}, '
            f'{self.compute} ({self.scale} scale)'
        )


def _identity(data: Record) -> dict[str, Any]:
    """Return the identity of the images as study.json has it."""
    sizes = data.record('sizes')
    identity: dict[str, Any] = {
        **{name: data.text(name) for name in ('name', 'source', 'fingerprint')},
        'synthetic': data.truth('synthetic'),
        'sizes': {part: sizes.whole(part) for part in PARTS},
    }
    if 'image_shape' in data:
        shape = data.image_shape('image_shape', 2**20)
        identity |= {'image_shape': list(shape), 'n_classes': data.whole('n_classes', 1)}
    return identity


def _figures(content: Record, study: Study) -> tuple[str, ...]:
    known = [figure.id for figure in study.figures]
    wanted = content.texts('figures')
    if not wanted or any(each not in known for each in wanted):
        raise content.wrong('figures', f'a list of {", ".join(known)}')
    return tuple(wanted)


def _more_seeds(content: Record, study: Study) -> dict[str, int]:
    known = [figure.id for figure in study.figures]
    for name in content:
        if name not in known:
            raise content.wrong(name, f'the number of seeds of one of {", ".join(known)}')
    return {name: content.whole(name, 1, MOST_SEEDS) for name in content}
