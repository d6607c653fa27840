"""What is left of a study, done by given workers: this process, processes beside it, or a cluster."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TextIO

from vgg_cifar import machine
from vgg_cifar.atomic import write_json
from vgg_cifar.counting import counted
from vgg_cifar.errors import WorkFailed
from vgg_cifar.studies.comparison import Timing, Variant
from vgg_cifar.studies.study import Figure, Run
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps.cost import TRAINING, Cost
from vgg_cifar.sweeps.progress import Progress, duration
from vgg_cifar.training.settings import Settings

CALIBRATION_ROUNDS = 3
# A load that is too small to matter.
MOST_OTHER_WORK = 0.7

Outcome = dict[str, Any]
"""How a run has ended: its result.json, or ``status`` ``failed`` with a ``reason``."""


class Runner(Protocol):
    """Who does the work."""

    shows_epochs: bool
    """Whether it shows how far each run has come, so that a bar over all runs would be in its way."""

    here: bool
    """Whether that is this machine."""

    @property
    def at_once(self) -> int:
        """How many runs are trained at the same time."""

    @property
    def speedup(self) -> int:
        """How many times as much all workers do as what `step_times` is measured on."""

    def train(self, runs: Sequence[Run], folder: StudyFolder) -> Iterator[tuple[Run, Outcome]]:
        """Train runs in their folders, each once, and yield each as it ends; resume what was cut."""

    def step_times(
        self, settings: Sequence[Settings], rounds: int, steps: int
    ) -> tuple[list[list[float]], dict[str, Any]]:
        """Time training steps in turn while nothing else runs (`training.step_time`), and say on what."""


def run_all(figures: Sequence[Figure], folder: StudyFolder, runner: Runner, cost: Cost, out: TextIO) -> None:
    """Train and time what is not finished yet, resuming what was cut.

    Says before the start how long it will take, by a few measured steps of the study's own network, and
    after each run how long it still will, by what was done until then. A run that fails keeps no other from
    being tried. All of it is said into `out`.

    Raises:
        WorkFailed: some runs have failed; the message names them. All others are finished.

    """
    runs = folder.all_runs(figures)
    left = [run for run in runs if folder.run_folder(run.id).result is None]
    timings = [each for each in folder.study.timings_of(figures) if folder.timing(each) is None]
    print(
        f'{counted(len(runs), "run")}, {len(runs) - len(left)} finished, {len(left)} to do',
        file=out,
        flush=True,
    )
    if not left and not timings:
        return

    busy = _busy() if runner.here else ''
    work = {run.id: cost.of_run(run.settings) for run in left}
    if runner.at_once > 1:
        # The longest first: else one worker may begin a long run when the others have nothing left to do.
        left.sort(key=lambda run: work[run.id], reverse=True)
    speed = runner.speedup * _speed(folder, runner, cost)
    to_time = sum(cost.of_timing(each, folder) for each in timings)
    expected = duration((sum(work.values()) + to_time) / speed)
    print(f'about {expected} to go, by {CALIBRATION_ROUNDS} timed steps{busy}', file=out, flush=True)
    failed = _train(left, work, _names(figures, folder), folder, runner, speed, out) if left else {}
    for timing in timings:
        print(f'timing {timing.id}: {timing.title}', file=out, flush=True)
        time_steps(timing, folder, runner, cost)
    if failed:
        reasons = '; '.join(f'{folder.run_folder(name).path}: {reason}' for name, reason in failed.items())
        raise WorkFailed(
            f'{len(failed)} of {counted(len(left), "run")} failed, the same command tries again: {reasons}'
        )


def _train(
    runs: Sequence[Run],
    work: dict[str, float],
    names: dict[str, str],
    folder: StudyFolder,
    runner: Runner,
    speed: float,
    out: TextIO,
) -> dict[str, str]:
    """Train `runs`; return what the failed ones failed of."""
    failed = {}
    named = {names[each]: cost for each, cost in work.items()}
    with Progress(named, speed, out, bar=not runner.shows_epochs) as progress:
        for run, outcome in runner.train(runs, folder):
            if outcome['status'] == 'failed':
                failed[run.id] = outcome['reason']
            if outcome['status'] == 'finished':
                text = f'test accuracy {outcome["test/main/accuracy"]:.4f}'
            else:
                text = f'{outcome["status"]}: {outcome["reason"]}'
            progress.ended(names[run.id], text, runner.at_once)
    return failed


def _names(figures: Sequence[Figure], folder: StudyFolder) -> dict[str, str]:
    """Return what people call each run, by its id: the variant, the first figure that shows it, the seed."""
    names: dict[str, str] = {}
    for figure in figures:
        for variant in figure.variants:
            for seed in range(seeds := folder.seeds_of(variant)):
                of_several = f', seed {seed}' if seeds > 1 else ''
                names.setdefault(
                    folder.run_of(variant, seed).id, f'{variant.label}, {figure.name}{of_several}'
                )
    return names


def time_steps(timing: Timing, folder: StudyFolder, runner: Runner, cost: Cost) -> None:
    """Time the training steps of a timing's variants in turn, and write the timing's file."""
    scale = folder.study.scales[folder.scale]
    runs = [folder.run_of(variant) for variant in timing.variants]
    times, environment = runner.step_times([run.settings for run in runs], scale.rounds, scale.timed_steps)
    content = {
        'timing': timing.id,
        'title': timing.title,
        'batch_size': runs[0].settings.batch_size,
        'rounds': scale.rounds,
        'steps_per_round': scale.timed_steps,
        'environment': environment,
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


def _speed(folder: StudyFolder, runner: Runner, cost: Cost) -> float:
    """Return the multiply-adds per second in training the study's own network, where steps are timed."""
    settings = folder.run_of(Variant('base')).settings
    ((seconds,), _) = runner.step_times([settings], rounds=CALIBRATION_ROUNDS, steps=1)
    return TRAINING * settings.batch_size * cost.of_image(settings) / min(seconds)


def _busy() -> str:
    """Return what to say of other work on this machine, which makes an estimate a bad one."""
    try:
        load, processors = os.getloadavg()[0], os.cpu_count() or 1
    except (AttributeError, OSError):
        return ''
    if load + machine.cores() < processors + MOST_OTHER_WORK:
        return ''
    return (
        f', while this machine is busy with other work (a load of {load:.1f} on '
        f'{counted(processors, "core")} in the last minute), with which the estimate rises and falls'
    )
