"""Threads that work through a list together."""

import math
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from vgg_cifar import machine
from vgg_cifar.stop_signals import StopSignals

# More threads than this would only wait for the disk, and each holds a block.
MOST_THREADS = 8

Result = TypeVar('Result')


def in_threads(
    make_task: Callable[[], Callable[[int], Result]],
    numbers: Iterable[int],
    signals: StopSignals,
    count: int | None = None,
) -> Generator[Result, None, None]:
    """Yield a task's result for each of `numbers`, in the order in which they are ready.

    Each thread has a task of its own, with its own memory; `how_many` says how many there are. All have ended
    when the iterator is closed, and when a task or a signal raises.
    """
    todo = list(numbers)[::-1]
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        try:
            task = make_task()
            while not stop.is_set():
                try:
                    number = todo.pop()
                except IndexError:
                    break
                results.put((task(number),))
        except BaseException as error:
            results.put(error)
        finally:
            results.put(None)

    threads: list[threading.Thread] = []
    with signals.sent_to(results):
        try:
            for _ in range(how_many(len(todo), count)):
                threads.append(threading.Thread(target=run, daemon=True))
                threads[-1].start()
            running = len(threads)
            while running:
                result = results.get()
                if result is None:
                    running -= 1
                elif isinstance(result, BaseException):
                    raise result
                else:
                    yield result[0]
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def how_many(tasks: int, count: int | None = None) -> int:
    """Return how many threads work through `tasks`: `count`, or one more than there are processors.

    One more, because some wait for the disk.
    """
    return min(count or min(MOST_THREADS, math.ceil(machine.cores()) + 1), tasks)
