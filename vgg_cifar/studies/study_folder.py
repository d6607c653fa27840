"""A study's folder: study.json says what it holds; runs/ID/ are the runs."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgg_cifar.atomic import write_json
from vgg_cifar.errors import InputError
from vgg_cifar.studies import get_study
from vgg_cifar.studies.study import Figure, Study, Variant
from vgg_cifar.training.run_folder import RunFolder

INDEX = 'study.json'


@dataclass(frozen=True)
class StudyFolder:
    """One study at one scale on one data set, computed in one type.

    Attributes:
        path: the folder.
        study: which report.
        scale: a key of the study's scales.
        seeds: runs wanted of each variant, with the seeds 0, 1, ...
        data: ``name``, ``synthetic``, ``source`` and ``fingerprint`` of the images.
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
            data = {name: content['data'][name] for name in ('name', 'synthetic', 'source', 'fingerprint')}
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

    def save(self) -> 'StudyFolder':
        """Write study.json; an InputError where the folder holds another study, scale or data set."""
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
        content = {
            'study': self.study.id,
            'scale': self.scale,
            'seeds': seeds,
            'compute': self.compute,
            'data': self.data,
        }
        write_json(self.path / INDEX, content)
        return dataclasses.replace(self, seeds=seeds)

    def run_folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.path / 'runs' / run_id)

    def runs(self, variant: Variant) -> list[RunFolder]:
        """Return the folders of a variant's runs, one per seed, whether they exist or not."""
        identity = self.data['source'], self.data['fingerprint'], self.compute
        return [
            self.run_folder(self.study.run(variant, self.scale, seed, *identity).id)
            for seed in range(self.seeds)
        ]

    def figures(self) -> list[Figure]:
        """Return the study's figures of which at least one run has been logged."""
        return [
            figure
            for figure in self.study.figures
            if any(run.log for variant in figure.variants for run in self.runs(variant))
        ]

    def caption(self) -> str:
        """Say in a line what data the numbers are from and at which scale."""
        settings = self.study.base.replace(**self.study.scales[self.scale].settings)
        synthetic = ' (synthetic)' if self.data['synthetic'] else ''
        images = f'{settings.train_size:,}' if settings.train_size else 'all'
        return (
            f'{self.data["name"]}{synthetic}, {images} training images, batch {settings.batch_size}, '
            f'{settings.epochs} epochs, {self.compute} ({self.scale} scale)'
        )
