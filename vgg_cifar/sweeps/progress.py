"""How a sweep shows how far it has come: a line for each run that ends, and a bar on a terminal."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

import tqdm


class Progress:
    """Tells of runs that have ended, those that run and those to come, and the time left.

    Args:
        work: what each run costs, by its name, in any unit.
        speed: the same unit per second, as first estimated.
        out: where to tell it.
        bar: draw one on a terminal, below the lines.

    """

    def __init__(self, work: Mapping[str, float], speed: float, out: TextIO, bar: bool = True) -> None:
        self._left = dict(work)
        self._out = out
        self._total = len(work)
        self._speed = speed
        # The first estimate counts as much as one run does, so that a short first run does not mislead.
        self._prior = sum(work.values()) / len(work)
        self._done = 0.0
        self._started = time.monotonic()
        disabled = not (bar and out.isatty())
        self._bar = tqdm.tqdm(total=self._total, unit='run', disable=disabled, file=out, dynamic_ncols=True)

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def ended(self, name: str, outcome: str, at_once: int) -> None:
        """Tell that a run has ended while `at_once` are trained at the same time."""
        self._done += self._left.pop(name)
        running = min(at_once, len(self._left))
        state = f'{running} running, {len(self._left) - running} to come, about {self.time_left()} left'
        line = f'[{self._total - len(self._left)}/{self._total}] {name}: {outcome}; {state}'
        tqdm.tqdm.write(line, file=self._out)
        self._out.flush()
        self._bar.update()

    def time_left(self) -> str:
        """Return how long what is left will take at the speed so far."""
        spent = time.monotonic() - self._started
        speed = (self._done + self._prior) / (spent + self._prior / self._speed)
        return duration(sum(self._left.values()) / speed)


def duration(seconds: float) -> str:
    """Return a time in words."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f'{seconds:.0f} s'
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60:02} min'
