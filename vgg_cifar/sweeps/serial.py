"""Runs a study's runs and timings one after the other in this process."""

import time
from collections.abc import Sequence

from vgg_cifar.atomic import write_json
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.studies.study import Figure, Timing, Variant
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps.cost import TRAINING, Cost
from vgg_cifar.training import environment
from vgg_cifar.training.device import get_device
from vgg_cifar.training.step_time import step_times
from vgg_cifar.training.train import train

CALIBRATION_ROUNDS = 3


def run_all(figures: Sequence[Figure], folder: StudyFolder, device: str, data: ImageData) -> None:
    """Train and time what is not finished yet, resuming what was cut.

    Says before the start how long it will take, by a few measured steps of the study's own network, and
    before each run how long it still will, by what was done until then.
    """
    runs = folder.all_runs(figures)
    left = [run for run in runs if folder.run_folder(run.id).result is None]
    timings = [each for each in folder.study.timings_of(figures) if folder.timing(each) is None]
    print(f'{len(runs)} runs, {len(runs) - len(left)} finished, {len(left)} to do', flush=True)
    if not left and not timings:
        return

    cost = Cost(data)
    work = [cost.of_run(run.settings) for run in left] + [cost.of_timing(each, folder) for each in timings]
    speed = _speed(folder, device, cost)
    print(f'about {_duration(sum(work) / speed)} to go, by {CALIBRATION_ROUNDS} timed steps', flush=True)
    started = time.monotonic()
    # The first estimate counts as much as one run does, so that a short first run does not mislead.
    one = sum(work) / len(work)
    for number, run in enumerate(left):
        spent = time.monotonic() - started
        to_go = _duration(sum(work[number:]) * (spent + one / speed) / (sum(work[:number]) + one))
        print(
            f'[{number + 1}/{len(left)}] {run.id}: {number} done, {len(left) - number - 1} to come, '
            f'about {to_go} left',
            flush=True,
        )
        result = train(run.settings, folder.run_folder(run.id).path, device, data=data)
        if result['status'] == 'diverged':
            print(f'diverged: {result["reason"]}', flush=True)
    for timing in timings:
        print(f'timing {timing.id}: {timing.title}', flush=True)
        time_steps(timing, folder, device, cost)


def time_steps(timing: Timing, folder: StudyFolder, device: str, cost: Cost) -> None:
    """Time the training steps of a timing's variants in turn, and write the timing's file."""
    scale = folder.study.scales[folder.scale]
    runs = [folder.run_of(variant) for variant in timing.variants]
    times = step_times([run.settings for run in runs], cost.data, device, scale.rounds, scale.timed_steps)
    content = {
        'timing': timing.id,
        'title': timing.title,
        'batch_size': runs[0].settings.batch_size,
        'rounds': scale.rounds,
        'steps_per_round': scale.timed_steps,
        'environment': environment.describe(get_device(device)),
        'variants': {
            run.id: {
                'label': variant.label,
                'steps_per_epoch': cost.images_per_epoch(run.settings) / run.settings.batch_size,
                'seconds': seconds,
            }
            for variant, run, seconds in zip(timing.variants, runs, times, strict=True)
        },
    }
    write_json(folder.timing_path(timing), content)


def _speed(folder: StudyFolder, device: str, cost: Cost) -> float:
    """Return multiply-adds per second in training the study's own network."""
    settings = folder.run_of(Variant('base')).settings
    (seconds,) = step_times([settings], cost.data, device, rounds=CALIBRATION_ROUNDS, steps=1)
    return TRAINING * settings.batch_size * cost.of_image(settings) / min(seconds)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60:02} min'
