"""A study's folder: study.json says what it holds; runs/ID/ are the runs, timings/ID.json the timings."""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgg_cifar import json_file
from vgg_cifar.accelerators.layers import COMPUTE
from vgg_cifar.atomic import refuse_foreign, write_json
from vgg_cifar.errors import InputError
from vgg_cifar.studies import STUDIES, get_study
from vgg_cifar.studies.study import Figure, Run, Study, Timing, Variant
from vgg_cifar.training import environment
from vgg_cifar.training.run_folder import RunFolder
from vgg_cifar.training.settings_json import changed, from_json

INDEX = 'study.json'
FILES = ('runs', 'timings', 'figures', 'tables', 'claims.json', 'report.html', 'report.md')
"""What a study's folder holds beside study.json, which is written first."""

ADVICE = 'run `vgg-cifar reproduce` into a new folder'
MOST_SEEDS = 10_000


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
        data: ``name``, ``synthetic``, ``source``, ``sizes`` and ``fingerprint``: ImageData's identity.
        compute: what convolutions and linear layers multiply in.

    """

    path: Path
    study: Study
    scale: str
    seeds: int
    data: dict[str, Any]
    compute: str = 'float32'

    @classmethod
    def open(cls, path: Path) -> 'StudyFolder':
        """Read the folder's study.json; an InputError names what is wrong with it."""
        try:
            index = json_file.record(path / INDEX, ADVICE)
        except FileNotFoundError:
            raise InputError(
                f'{path}: no {INDEX} here; expected the folder of `vgg-cifar reproduce`'
            ) from None
        study = get_study(index.text('study', STUDIES))
        data = index.record('data')
        sizes = data.record('sizes')
        identity = {
            'name': data.text('name'),
            'synthetic': data.truth('synthetic'),
            'source': data.text('source'),
            'sizes': {part: sizes.whole(part) for part in sizes},
            'fingerprint': data.text('fingerprint'),
        }
        for part in ('train', 'validation', 'test'):
            sizes.whole(part)
        # A folder from before there was a choice was computed in float32.
        compute = index.text('compute', COMPUTE) if 'compute' in index else 'float32'
        seeds = index.whole('seeds', 1, MOST_SEEDS)
        return cls(path, study, index.text('scale', study.scales), seeds, identity, compute)

    def joined(self) -> 'StudyFolder':
        """Return this with the seeds that the folder holds already; nothing is written.

        An InputError where the folder holds another study, scale or data set, or what somebody else has
        written under the names of `FILES`.
        """
        seeds = self.seeds
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
                        f'{self.path}: holds the {name} {found}, not {wanted}; choose another -o'
                    )
            seeds = max(seeds, there.seeds)
        return dataclasses.replace(self, seeds=seeds)

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
        write_json(self.path / INDEX, content)
        return joined

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
        return [self.run_folder(self.run_of(variant, seed).id) for seed in range(self.seeds)]

    def all_runs(self, figures: Iterable[Figure]) -> list[Run]:
        """Return every run that the figures need, once each, seed by seed: every line soon has a point."""
        found: dict[str, Run] = {}
        for seed in range(self.seeds):
            for figure in figures:
                for variant in figure.variants:
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
                    f'{path}: {name} is {value}, expected {expected}: this run is not of this '
                    f'study at {self.scale} scale; move its folder away'
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
        path = self.timing_path(timing)
        try:
            content = json_file.record(path, 'delete it, and it is measured anew')
        except FileNotFoundError:
            return None
        environment.check(content.record('environment'))
        for name in ('batch_size', 'rounds', 'steps_per_round'):
            content.whole(name, 1)
        variants = content.record('variants')
        rounds = set()
        for variant in variants:
            record = variants.record(variant)
            record.text('label')
            record.number('steps_per_epoch', 0, 2**53)
            rounds.add(len(record.numbers('seconds', 1e-12, 1e9)))
        if len(rounds) > 1 or 0 in rounds:
            raise variants.wrong('seconds', 'one number for each round, of all variants')
        known = set(variants)
        wanted = {self.run_of(variant).id for variant in timing.variants}
        return content.content if known == wanted else None

    def caption(self) -> str:
        """Say in a line what data the numbers are from and at which scale."""
        settings = self.study.base.replace(**self.study.scales[self.scale].settings)
        synthetic = ' (synthetic)' if self.data['synthetic'] else ''
        sizes = self.data['sizes']
        carved = 0 if sizes['validation'] else settings.validation_size
        images = settings.train_size or sizes['train'] - carved
        return (
            f'{self.data["name"]}{synthetic}, {images:,} training images, batch {settings.batch_size}, '
            f'{settings.epochs} epoch{"s" * (settings.epochs > 1)}, {self.compute} ({self.scale} scale)'
        )
