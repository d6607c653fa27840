"""What a Dask worker does for a sweep: one run at a time, in the worker's own process."""

import dataclasses
import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import distributed

from vgg_cifar.accelerators import layers
from vgg_cifar.counting import counted
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError, Interrupted
from vgg_cifar.studies.study import Run
from vgg_cifar.studies.study_folder import INDEX
from vgg_cifar.sweeps.serial import ThisProcess, outcome_of
from vgg_cifar.sweeps.sweep import Outcome
from vgg_cifar.training.build import load_data
from vgg_cifar.training.device import get_device
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import train

# How long to wait for a folder in which somebody still trains: a worker that has lost the scheduler ends its
# step before it ends.
PATIENCE_SECONDS = 600.0

# A run has the process's random generator to itself, also where a worker has several threads.
_turn = threading.Lock()
_stopped: set[str] = set()


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What all runs of a sweep have in common.

    Attributes:
        sweep: names this sweep among those that the cluster has seen.
        folder: the study's folder, an absolute path.
        images: what to load; its ``data`` is an absolute path, or a generated set's name.
        source: what to call the images' place in records, the same whoever trains.
        fingerprint: of the images.
        devices: one for all workers, or the n-th for the n-th.

    """

    sweep: str
    folder: Path
    images: Settings
    source: str
    fingerprint: str
    devices: tuple[str, ...]

    def check(self, worker: distributed.Worker) -> None:
        """Raise InputError unless this process can train alone, and sees the same folder and images."""
        if worker.state.nthreads != 1:
            raise InputError(
                f'has {counted(worker.state.nthreads, "thread")}, expected 1, as a run needs a process for '
                'itself; start it with --nthreads 1, and more of them with --nworkers'
            )
        if not (self.folder / INDEX).exists():
            raise InputError(f'{self.folder}: no {INDEX} here; the workers must share this folder')
        layers.check_compute(self.images.compute, get_device(self.device(worker)))
        self.data()

    def data(self) -> ImageData:
        """Return the images, which a process loads and hashes once."""
        sizes = self.images.train_size, self.images.validation_size, self.images.test_size
        data = _load(self.images.data, self.source, *sizes)
        if data.fingerprint != self.fingerprint:
            raise InputError(
                f'{self.images.data}: the images are {data.fingerprint}, expected {self.fingerprint}; '
                'all workers need the same file'
            )
        return data

    def device(self, worker: distributed.Worker) -> str:
        """Return a worker's device."""
        if len(self.devices) == 1:
            return self.devices[0]
        # A local cluster numbers its workers, and one that replaces a dead one has its number.
        return self.devices[int(worker.name) % len(self.devices)]


def train_run(assignment: Assignment, run: Run) -> Outcome:
    """Train a run, or go on with what a worker that died has left of it."""
    with _turn:
        if assignment.sweep in _stopped:
            return {'status': 'stopped', 'reason': 'the sweep was stopped'}
        path = assignment.folder / 'runs' / run.id
        try:
            return outcome_of(
                lambda: train(
                    run.settings,
                    path,
                    assignment.device(distributed.get_worker()),
                    data=assignment.data(),
                    keep_snapshot=False,
                    wait=PATIENCE_SECONDS,
                    stop_asked=lambda: assignment.sweep in _stopped,
                )
            )
        except Interrupted as error:
            return {'status': 'stopped', 'reason': str(error)}


def step_times(
    assignment: Assignment, rounds: int, steps: int, settings: Sequence[Settings]
) -> tuple[list[list[float]], dict[str, Any]]:
    """Time training steps in turn, and describe this machine."""
    with _turn:
        here = ThisProcess(assignment.device(distributed.get_worker()), assignment.data())
        return here.step_times(settings, rounds, steps)


def stop(sweep: str) -> None:
    """Have this process end the sweep's run at the end of its step, with a snapshot, and start no other."""
    _stopped.add(sweep)


@functools.lru_cache(1)
def _load(data: str, source: str, *sizes: int | None) -> ImageData:
    train_size, validation_size, test_size = sizes
    images = load_data(
        Settings(data=data, train_size=train_size, validation_size=validation_size or 0, test_size=test_size)
    )
    return dataclasses.replace(images, source=source)
