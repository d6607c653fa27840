"""Runs on the workers of a Dask cluster: processes beside this one, or a cluster that exists."""

import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
import distributed

from vgg_cifar import machine
from vgg_cifar.dask_connection import Team, quiet
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import FAILED_DISK, InputError, WorkFailed, first_line
from vgg_cifar.stop_signals import STOP_SIGNALS, StopSignals
from vgg_cifar.studies.study import Run
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps import assignment
from vgg_cifar.sweeps.serial import ThisProcess
from vgg_cifar.sweeps.sweep import Outcome
from vgg_cifar.training.settings import Settings

THREAD_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')
SECONDS_TO_START = 300


class Cluster:
    """The workers of a Dask cluster, which see the study's folder and the images under the same paths.

    Args:
        client: of the cluster.
        folder: the study's.
        images: what the workers load, and what is computed with it.
        data: the same images, as this process has loaded them.
        devices: one for all workers, or the n-th for the n-th.

    Raises:
        InputError: a worker cannot take part; the message names its host.

    """

    shows_epochs = False
    here = False

    def __init__(
        self,
        client: distributed.Client,
        folder: StudyFolder,
        images: Settings,
        data: ImageData,
        devices: Sequence[str],
    ) -> None:
        path = Path(images.data)
        self._data = data
        self._left = f'{folder.path} holds what is done, the same command goes on'
        self._assignment = assignment.Assignment(
            sweep=uuid.uuid4().hex,
            folder=folder.path.resolve(),
            images=images.replace(data=str(path.resolve())) if path.exists() else images,
            source=data.source,
            fingerprint=data.fingerprint,
            devices=tuple(devices),
        )
        self._team = Team(client, self._assignment.check, patience=None)

    @property
    def at_once(self) -> int:
        """How many workers there are now; one, where they are still to come."""
        return self._team.size

    @property
    def speedup(self) -> int:
        """As many as there are workers, one of which is timed."""
        return self.at_once

    def train(self, runs: Sequence[Run], folder: StudyFolder) -> Iterator[tuple[Run, Outcome]]:
        """Train runs, one at a time on each worker; a run whose worker dies goes on with another."""
        train_run = partial(assignment.train_run, self._assignment)
        stop = partial(assignment.stop, self._assignment.sweep)
        with StopSignals(self._left) as signals:
            answers = self._team.answers(train_run, runs, signals, stop=stop)
            with contextlib.closing(answers):
                for run, answer in answers:
                    if isinstance(answer, OSError) and answer.errno in FAILED_DISK:
                        raise answer
                    failed = isinstance(answer, Exception)
                    yield run, {'status': 'failed', 'reason': first_line(answer)} if failed else answer

    def step_times(
        self, settings: Sequence[Settings], rounds: int, steps: int
    ) -> tuple[list[list[float]], dict[str, Any]]:
        """Time training steps in turn on one worker while the others have nothing to do."""
        step_times = partial(assignment.step_times, self._assignment, rounds, steps)
        with StopSignals(self._left) as signals:
            ((_, answer),) = self._team.answers(step_times, [settings], signals)
        if isinstance(answer, Exception):
            raise WorkFailed(f'training steps could not be timed: {first_line(answer)}')
        return answer


class LocalCluster(Cluster):
    """Worker processes beside this one, which is where times are measured, with all cores."""

    here = True
    speedup = 1

    def step_times(
        self, settings: Sequence[Settings], rounds: int, steps: int
    ) -> tuple[list[list[float]], dict[str, Any]]:
        """Time training steps in turn in this process, while the workers have nothing to do."""
        here = ThisProcess(self._assignment.devices[0], self._data)
        return here.step_times(settings, rounds, steps)


@contextlib.contextmanager
def local_client(jobs: int) -> Iterator[distributed.Client]:
    """Start `jobs` worker processes on this machine, which share its cores, for as long as this lasts.

    Signals to the process group, such as a terminal's Ctrl-C or a batch system's SIGTERM, do nothing to them:
    this process stops them, with snapshots.

    Raises:
        InputError: `jobs` is below 1.
        WorkFailed: they don't start.

    """
    if jobs < 1:
        raise InputError(f'--jobs is {jobs}; expected at least 1')
    threads = str(max(1, int(machine.cores() // jobs)))
    settings = {
        # A value that is in the environment already goes before these.
        'distributed.nanny.pre-spawn-environ': dict.fromkeys(THREAD_VARIABLES, threads),
        'distributed.worker.memory.terminate': False,
    }
    with dask.config.set(settings), quiet(), contextlib.ExitStack() as stack:
        with _deaf_children():
            cluster = distributed.LocalCluster(
                n_workers=0,
                processes=True,
                threads_per_worker=1,
                host='127.0.0.1',
                dashboard_address='127.0.0.1:0',
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            )
            stack.enter_context(cluster)
        # The cluster's own thread, which was started deaf, starts them.
        cluster.scale(jobs)
        client = stack.enter_context(distributed.Client(cluster, set_as_default=False))
        try:
            client.wait_for_workers(jobs, timeout=SECONDS_TO_START)
        except (OSError, asyncio.TimeoutError) as error:
            raise WorkFailed(f'--jobs {jobs}: the processes do not start ({first_line(error)})') from None
        yield client


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Start threads, and by them processes, that stop signals don't reach; what comes meanwhile, comes after.

    A signal that is blocked stays so in what a thread starts.
    """
    if not hasattr(signal, 'pthread_sigmask'):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        # multiprocessing starts this beside the first process, and unblocks signals when it has.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
