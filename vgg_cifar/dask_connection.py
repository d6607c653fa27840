"""A Dask cluster that shares out one piece of work: reached, asked who can take part, given tasks."""

import asyncio
import collections
import contextlib
import dataclasses
import gc
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vgg_cifar.errors import InputError, Interrupted, WorkFailed, first_line
from vgg_cifar.stop_signals import StopSignals
from vgg_cifar.versions import own_version

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

SECONDS_TO_CONNECT = 10.0
SECONDS_BETWEEN_LOOKS = 1.0

# A worker ends what it is at before it stops.
SECONDS_TO_STOP = 120.0

# A task that has lost as many workers is likely to be what they died of.
MOST_LOST_WORKERS = 4

LOST = (
    'the connection to the Dask scheduler is lost; its workers go on with what they are at, and the same '
    'command does the rest'
)

Task = TypeVar('Task')
logger = logging.getLogger(__name__)


@contextlib.contextmanager
def connected(scheduler: str) -> Iterator['Client']:
    """Connect to the scheduler at an address for as long as this lasts.

    Raises InputError where Dask is not installed, and where there is no scheduler.
    """
    try:
        import distributed
    except ImportError as error:
        raise missing('--scheduler', error) from None
    with quiet(), _client(distributed, scheduler) as client:
        yield client


def missing(option: str, error: ImportError) -> InputError:
    """Return how to say that Dask, which `option` needs, cannot be imported."""
    return InputError(f'{option} needs Dask ({first_line(error)}); pip install ".[distributed]" brings it')


def _client(distributed: Any, scheduler: str) -> 'Client':
    failure = None
    try:
        return distributed.Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, ImportError, asyncio.TimeoutError) as error:
        failure = first_line(error)
    # A client that did not connect closes itself when it is collected. That must not come in the thread
    # of the next client as it starts, where it would wait for itself.
    gc.collect()
    raise InputError(
        f'--scheduler {scheduler}: no connection ({failure}); expected the address that `dask scheduler` '
        'prints, such as tcp://10.0.0.1:8786'
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Dask from telling at length what is told here in a line."""
    loggers = [logging.getLogger(name) for name in ('distributed', 'distributed.client')]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


class Team:
    """The workers of a cluster that can take part. Each is asked when it is first seen, also a late one.

    A task is given to a worker that is free, and to another one where that dies: from here, because the
    scheduler would give it to one that has not been asked.

    Args:
        client: of the cluster.
        check: is called on each worker, with it; raises InputError where that cannot take part.
        patience: seconds after which a cluster without workers is given up; by None it never is.

    Raises:
        InputError: one of the workers that are there already cannot take part, or there is none.

    """

    def __init__(self, client: 'Client', check: Callable[['Worker'], None], patience: float | None) -> None:
        self._client = client
        self._address = client.scheduler_info()['address']
        self._check = check
        self._patience = patience
        self._ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # How many tasks each takes at a time.
        self._members: dict[str, int] = {}
        self._asked: set[str] = set()
        self._looked = self._seen = time.monotonic()
        self._waits = False
        if patience is not None:
            try:
                client.wait_for_workers(1, timeout=patience)
            except (OSError, asyncio.TimeoutError):
                raise InputError(
                    f'the scheduler at {self._address} has no workers; start some with '
                    f'`dask worker {self._address}`'
                ) from None
        self._check_scheduler()
        there = client.nthreads()
        for address, obstacle in self._ask(there).items():
            if obstacle is not None:
                raise InputError(obstacle)
            self._members[address] = there[address]
        self._asked = set(self._members)

    @property
    def size(self) -> int:
        """How many tasks are done at the same time; at least one, where workers are still to come."""
        return max(1, sum(self._members.values()))

    def answers(
        self,
        function: Callable[[Task], Any],
        tasks: Sequence[Task],
        signals: StopSignals,
        *,
        retries: int = 0,
        stop: Callable[[], None] | None = None,
    ) -> Generator[tuple[Task, Any], None, None]:
        """Yield each task with what `function` returns for it, or the exception that it raises.

        Args:
            function: is called on a worker, with a task.
            tasks: what can be pickled.
            signals: what comes is raised here, not where the answers go.
            retries: how often a task that has raised is tried once more; not where it raised InputError.
            stop: is called on the workers when a signal has come, to have their tasks end soon.

        Raises:
            Interrupted: a signal came; what was under way has ended, as far as it ends soon.
            WorkFailed: the scheduler is lost, or there are no workers any longer.

        """
        todo = collections.deque((task, 0, 0) for task in tasks)
        under_way: dict[Future, tuple[str, tuple[Task, int, int]]] = {}
        try:
            with signals.sent_to(self._ready):
                while todo or under_way:
                    there = self._look()
                    for future in [each for each, (at, _) in under_way.items() if at not in there]:
                        task, raised, lost = under_way.pop(future)[1]
                        self._client.cancel([future], force=True)
                        if lost + 1 == MOST_LOST_WORKERS:
                            yield task, WorkFailed(f'{lost + 1} workers that were at it have died')
                        else:
                            todo.appendleft((task, raised, lost + 1))
                    for address in self._free([at for at, _ in under_way.values()]):
                        if todo:
                            chosen = todo.popleft()
                            future = self._client.submit(function, chosen[0], workers=[address], pure=False)
                            under_way[future] = address, chosen
                            future.add_done_callback(self._ready.put)
                    done = self._next()
                    if done not in under_way:
                        continue
                    task, raised, lost = under_way.pop(done)[1]
                    answer = _answer(done)
                    again = isinstance(answer, Exception) and not isinstance(answer, InputError)
                    if again and raised < retries:
                        todo.append((task, raised + 1, lost))
                    else:
                        yield task, answer
        except Interrupted:
            if stop is not None:
                self._stop(stop, under_way)
            raise
        finally:
            # What is not done is of no use to anyone, whatever has ended this.
            with contextlib.suppress(OSError):
                self._client.cancel(list(under_way), force=True)

    def _free(self, busy: Sequence[str]) -> list[str]:
        """Return the workers that are free, each as often as it takes another task, in turn."""
        left = {address: count - busy.count(address) for address, count in self._members.items()}
        turns = range(max(left.values(), default=0))
        return [address for turn in turns for address, count in left.items() if turn < count]

    def _next(self) -> Any:
        """Return the next future that is done, or None after a while; raise a signal that has come."""
        try:
            found = self._ready.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        if isinstance(found, _Newcomers):
            self._welcome(found)
        return found

    def _look(self) -> Collection[str]:
        """Return the addresses of the workers that are there, and have newcomers asked."""
        now = time.monotonic()
        if now - self._looked < SECONDS_BETWEEN_LOOKS and self._members:
            return self._asked
        self._looked = now
        there = self._there()
        newcomers = {address: count for address, count in there.items() if address not in self._asked}
        self._asked = set(there)
        self._members = {address: count for address, count in self._members.items() if address in there}
        if newcomers:
            # In a thread: it may take a while to load what they need.
            threading.Thread(target=self._ask_newcomers, args=(newcomers,), daemon=True).start()
        if self._members:
            self._seen, self._waits = now, False
        elif self._patience is not None and now - self._seen > self._patience:
            raise WorkFailed('no worker of the cluster is left; start some, and the same command goes on')
        elif not self._waits:
            logger.warning('no worker that can take part: waiting for one')
            self._waits = True
        return there

    def _check_scheduler(self) -> None:
        """Raise InputError unless the scheduler has this package too: it unpickles what it hands on."""
        version = own_version()
        try:
            found = self._client.run_on_scheduler(own_version)
        # Whatever unpickling has raised.
        except Exception as error:
            found = first_line(error)
        if found != version:
            raise InputError(
                f'scheduler at {self._address}: {found}; install vgg-cifar {version} there, as here'
            )

    def _there(self) -> dict[str, int]:
        try:
            return self._client.nthreads()
        except (OSError, asyncio.CancelledError):
            raise WorkFailed(LOST) from None

    def _ask_newcomers(self, workers: dict[str, int]) -> None:
        obstacles = {}
        with contextlib.suppress(OSError, asyncio.CancelledError):
            obstacles = self._ask(workers)
        self._ready.put(_Newcomers(workers, obstacles))

    def _welcome(self, newcomers: '_Newcomers') -> None:
        for address, obstacle in newcomers.obstacles.items():
            if obstacle is None:
                self._members[address] = newcomers.workers[address]
            else:
                logger.warning('left out: %s', obstacle)
        # Who has not answered is asked again, if it comes again.
        self._asked -= newcomers.workers.keys() - newcomers.obstacles.keys()

    def _ask(self, workers: Collection[str]) -> dict[str, str | None]:
        """Return what keeps each worker from taking part."""
        version = own_version()
        answers = self._client.run(_obstacle, version, self._check, workers=[*workers], on_error='return')
        found = {}
        for address, answer in answers.items():
            if isinstance(answer, OSError):
                # It has gone already.
                continue
            if isinstance(answer, BaseException):
                answer = (
                    f'worker at {address}: {first_line(answer)}; install vgg-cifar {version} there, as here'
                )
            found[address] = answer
        return found

    def _stop(self, stop: Callable[[], None], under_way: Collection['Future']) -> None:
        """Have all tasks end soon, and wait until they have."""
        self._client.run(stop, workers=list(self._members), on_error='ignore')
        until = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < until and any(each.status == 'pending' for each in under_way):
            time.sleep(0.1)


@dataclasses.dataclass(eq=False)
class _Newcomers:
    """Workers that have been asked, by address: how many tasks each takes, and what keeps it from that."""

    workers: dict[str, int]
    obstacles: dict[str, str | None]


async def _obstacle(version: str, check: Callable[['Worker'], None], dask_worker: 'Worker') -> str | None:
    """Return why this worker cannot take part. In a thread: this runs where it answers the scheduler."""
    try:
        if (found := own_version()) != version:
            raise InputError(f'found vgg-cifar {found}, expected {version} as here; install one everywhere')
        await asyncio.to_thread(check, dask_worker)
    except InputError as error:
        return f'worker on {socket.gethostname()}: {error}'
    return None


def _answer(future: 'Future') -> Any:
    """Return what a worker has answered, or the exception that it has ended with."""
    if future.status == 'cancelled':
        raise WorkFailed(LOST)
    return future.exception() or future.result()
