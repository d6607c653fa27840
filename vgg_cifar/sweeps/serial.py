"""Runs one after the other in this process."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import FAILED_DISK, InputError, WorkFailed
from vgg_cifar.studies.study import Run
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps.sweep import Outcome
from vgg_cifar.training import environment
from vgg_cifar.training.device import get_device
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.step_time import step_times
from vgg_cifar.training.train import train


class ThisProcess:
    """Trains and times on one device, on images that are loaded already."""

    at_once = 1
    here = True
    speedup = 1

    def __init__(self, device: str, data: ImageData, verbose: bool = False) -> None:
        self._device = device
        self._data = data
        self.shows_epochs = verbose

    def train(self, runs: Sequence[Run], folder: StudyFolder) -> Iterator[tuple[Run, Outcome]]:
        """Train runs one after the other, with `shows_epochs` a line for each epoch."""
        for run in runs:
            if self.shows_epochs:
                print(f'{run.id}:', flush=True)
            path = folder.run_folder(run.id).path
            output = sys.stdout if self.shows_epochs else None
            # A longer run is another one, in a folder of its own.
            options = {'data': self._data, 'output': output, 'keep_snapshot': False}
            yield run, outcome_of(partial(train, run.settings, path, self._device, **options))

    def step_times(
        self, settings: Sequence[Settings], rounds: int, steps: int
    ) -> tuple[list[list[float]], dict[str, Any]]:
        """Time training steps in turn, and describe this machine."""
        times = step_times(settings, self._data, self._device, rounds, steps)
        return times, environment.describe(get_device(self._device))


def outcome_of(work: Callable[[], Outcome]) -> Outcome:
    """Return how a run's training ends, as it says or by an error, which must not end the sweep too.

    Raises OSError where a disk is full or fails, which every other run would meet too.
    """
    try:
        return work()
    except (InputError, WorkFailed) as error:
        return {'status': 'failed', 'reason': str(error)}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FAILED_DISK:
            raise
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f' ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})' if frame else ''
        text = (str(error).splitlines() or [''])[0]
        return {'status': 'failed', 'reason': f'{type(error).__name__}: {text}{where}'}
