"""A study's folder: study.json says what it holds; runs/ID/ are the runs, timings/ID.json the timings."""

import dataclasses
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgg_cifar.atomic import write_json
from vgg_cifar.errors import InputError
from vgg_cifar.studies import get_study
from vgg_cifar.studies.study import Figure, Run, Study, Timing, Variant
from vgg_cifar.training.run_folder import RunFolder
from vgg_cifar.training.settings import Settings

INDEX = 'study.json'
IDENTITY = ('name', 'synthetic', 'source', 'sizes', 'fingerprint')


def study_id(path: Path) -> str | None:
    """Return which study the folder at `path` says to hold; None where it does not say."""
    try:
        return json.loads((path / INDEX).read_text())['study']
    except (OSError, ValueError, KeyError, TypeError):
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
        index = path / INDEX
        try:
            content = json.loads(index.read_text())
            study, scale = get_study(content['study']), content['scale']
            data = {name: content['data'][name] for name in IDENTITY}
            if scale not in study.scales:
                raise ValueError(f'scale is {scale!r}, expected one of {", ".join(study.scales)}')
            # A folder from before there was a choice was computed in float32.
            return cls(path, study, scale, int(content['seeds']), data, content.get('compute', 'float32'))
        except FileNotFoundError:
            raise InputError(
                f'{path}: no {INDEX} here; expected the folder of `vgg-cifar reproduce`'
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'{index}: not readable ({error!r}); run `vgg-cifar reproduce` into a new folder'
            ) from None

    def joined(self) -> 'StudyFolder':
        """Return this with the seeds that the folder holds already; nothing is written.

        An InputError where the folder holds another study, scale or data set.
        """
        seeds = self.seeds
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
            found = Settings.from_json(there.settings or {}, str(path))
            changed = run.settings.replace(data=found.data).changed(found)
            for name, expected in changed.items():
                raise InputError(
                    f'{path}: {name} is {getattr(found, name)}, expected {expected}: this run is not of this '
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
            content = json.loads(path.read_text())
            known = set(content['variants'])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'{path}: not readable ({error!r}); delete it, and it is measured anew'
            ) from None
        wanted = {self.run_of(variant).id for variant in timing.variants}
        return content if known == wanted else None

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
