"""Runs on the workers of a Dask cluster: processes beside this one, or a cluster that exists."""

import contextlib
import dataclasses
import logging
import signal
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import dask
import distributed

from vgg_cifar import machine
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError, Interrupted, WorkFailed, first_line
from vgg_cifar.studies.study import Run
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps import worker
from vgg_cifar.sweeps.serial import ThisProcess
from vgg_cifar.sweeps.sweep import Ended
from vgg_cifar.training.settings import Settings

CONNECT_SECONDS = 10
# A worker ends its step before it stops.
STOP_SECONDS = 120
THREAD_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')


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

    talks = False

    def __init__(
        self,
        client: distributed.Client,
        folder: StudyFolder,
        images: Settings,
        data: ImageData,
        devices: Sequence[str],
    ) -> None:
        path = Path(images.data)
        self._client = client
        self._data = data
        self._assignment = worker.Assignment(
            sweep=uuid.uuid4().hex,
            folder=folder.path.resolve(),
            images=images.replace(data=str(path.resolve())) if path.exists() else images,
            source=data.source,
            fingerprint=data.fingerprint,
            devices=tuple(devices),
        )
        self._check_workers()

    @property
    def at_once(self) -> int:
        """How many workers there are now; one, where they are still to come."""
        return max(1, len(self._client.ncores()))

    @property
    def times_as_fast(self) -> int:
        """As many as there are workers, one of which is timed."""
        return self.at_once

    def train(self, runs: Sequence[Run], folder: StudyFolder) -> Iterator[tuple[Run, Ended]]:
        """Train runs, one at a time on each worker; a run whose worker dies goes on with another."""
        key = self._assignment.sweep
        futures = {
            self._client.submit(
                worker.train_run, self._assignment, run, key=f'{run.id}-{key}', pure=False
            ): run
            for run in runs
        }
        completed = distributed.as_completed(futures)
        try:
            with _StopSignals() as signals:
                for _ in futures:
                    with signals.raised():
                        future = next(completed)
                    answer = self._answer(future)
                    if isinstance(answer, Exception):
                        answer = {'status': 'failed', 'reason': first_line(answer)}
                    yield futures[future], answer
        except _Stopped as error:
            self._stop(list(futures))
            raise Interrupted(
                error.number, f'{folder.path} holds what is done, the same command resumes it'
            ) from None
        finally:
            # What is not done is of no use to anyone, whatever has ended this.
            self._client.cancel(list(futures), force=True)

    def step_times(
        self, settings: Sequence[Settings], rounds: int, steps: int
    ) -> tuple[list[list[float]], dict[str, Any]]:
        """Time training steps in turn on one worker while the others have nothing to do."""
        future = self._client.submit(worker.step_times, self._assignment, settings, rounds, steps, pure=False)
        distributed.wait(future)
        answer = self._answer(future)
        if isinstance(answer, Exception):
            raise WorkFailed(f'training steps could not be timed: {first_line(answer)}')
        return answer

    def _answer(self, future: distributed.Future) -> Any:
        """Return what a worker has answered, or the exception that this has ended with."""
        if future.status == 'cancelled':
            raise WorkFailed(
                'the connection to the Dask scheduler is lost; what its workers are training goes on, and '
                'the same command does the rest'
            )
        return future.exception() or future.result()

    def _stop(self, futures: list[distributed.Future]) -> None:
        """Stop the sweep on all workers, and wait until they have written their snapshots."""
        self._client.run(worker.stop, self._assignment.sweep, on_error='ignore')
        with contextlib.suppress(TimeoutError):
            distributed.wait(futures, timeout=STOP_SECONDS)

    def _check_workers(self) -> None:
        cores = self._client.ncores()
        if not cores:
            print('no worker yet: waiting for one', flush=True)
        for address, threads in cores.items():
            if threads != 1:
                raise InputError(
                    f'{address}: the worker has {threads} threads, expected 1, as a run needs a process for '
                    'itself; start it with --nthreads 1, and more of them with --nworkers'
                )
        for obstacle in self._client.run(self._assignment.obstacle).values():
            if obstacle is not None:
                raise InputError(obstacle)


class LocalCluster(Cluster):
    """Worker processes beside this one, which is where times are measured, with all cores."""

    times_as_fast = 1

    def step_times(
        self, settings: Sequence[Settings], rounds: int, steps: int
    ) -> tuple[list[list[float]], dict[str, Any]]:
        """Time training steps in turn in this process, while the workers have nothing to do."""
        here = ThisProcess(self._assignment.devices[0], self._data)
        return here.step_times(settings, rounds, steps)


@contextlib.contextmanager
def local_client(jobs: int) -> Iterator[distributed.Client]:
    """Start `jobs` worker processes on this machine, which share its cores, for as long as this lasts.

    Raises:
        InputError: `jobs` is below 1.

    """
    if jobs < 1:
        raise InputError(f'--jobs is {jobs}; expected at least 1')
    threads = str(max(1, int(machine.cores() // jobs)))
    settings = {
        # A value that is in the environment already goes before these.
        'distributed.nanny.pre-spawn-environ': dict.fromkeys(THREAD_VARIABLES, threads),
        # A run that waits, waits for the next worker that is free, not for one in particular.
        'distributed.scheduler.worker-saturation': 1.0,
        'distributed.worker.memory.terminate': False,
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            host='127.0.0.1',
            dashboard_address='127.0.0.1:0',
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(worker.DeafToCtrlC())
        yield client


@contextlib.contextmanager
def client_of(address: str) -> Iterator[distributed.Client]:
    """Connect to the scheduler at `address` for as long as this lasts; an InputError says why not."""
    # What it would log at length is told in one line here.
    for name in ('distributed', 'distributed.client'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f'--scheduler is {address}: no connection ({first_line(error)}); expected the address that '
            '`dask scheduler` prints, such as tcp://10.0.0.1:8786'
        ) from None
    with client:
        yield client


@dataclasses.dataclass
class _Stopped(Exception):
    number: signal.Signals


class _StopSignals:
    """While it is entered, Ctrl-C and SIGTERM raise where `raised` allows it; another ends the process."""

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._received: signal.Signals | None = None
        self._waiting = False

    def __enter__(self) -> '_StopSignals':
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.__exit__()
        self._received = signal.Signals(number)
        if self._waiting:
            raise _Stopped(self._received)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Raise `_Stopped` here, and not while somebody else does something with what was yielded."""
        self._waiting = True
        try:
            if self._received is not None:
                raise _Stopped(self._received)
            yield
        finally:
            self._waiting = False
