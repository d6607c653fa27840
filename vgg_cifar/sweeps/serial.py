"""Runs a study's runs one after the other in this process."""

import time
from collections.abc import Sequence

from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.studies.study import Run
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.train import train


def run_all(runs: Sequence[Run], folder: StudyFolder, device: str, data: ImageData) -> None:
    """Train what is not finished yet, resuming what was cut, and say after each run how much time is left."""
    left = [run for run in runs if folder.run_folder(run.id).result is None]
    print(f'{len(runs)} runs, {len(runs) - len(left)} finished, {len(left)} to do', flush=True)
    started = time.monotonic()
    for number, run in enumerate(left, start=1):
        print(f'[{number}/{len(left)}] {run.id}', flush=True)
        result = train(run.settings, folder.run_folder(run.id).path, device, data=data)
        if result['status'] == 'diverged':
            print(f'diverged: {result["reason"]}', flush=True)
        spent = time.monotonic() - started
        print(f'{spent:.0f} s so far, about {spent / number * (len(left) - number):.0f} s left', flush=True)
