"""How the work shows that it goes on: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Any

# Between two lines of a log file.
SECONDS = 10


class PlainLines:
    """Tells images, images per second and the time left in a line now and then."""

    def __init__(self, total: int, initial: int) -> None:
        self._total = total
        self._n = self._initial = initial
        self._start = self._last = time.monotonic()

    def update(self, count: int) -> None:
        """Count more images."""
        self._n += count
        now = time.monotonic()
        if now - self._last >= SECONDS:
            self._last = now
            speed = (self._n - self._initial) / (now - self._start)
            left = (self._total - self._n) / speed
            print(
                f'{self._n:,} of {self._total:,} images, {speed:,.0f} images/s, {left:.0f} s left',
                file=sys.stderr,
                flush=True,
            )

    def close(self) -> None:
        """End; there is nothing to put in order."""


class Silent:
    """Shows nothing: somebody else does."""

    def update(self, count: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def progress(total: int, initial: int = 0) -> Any:
    """Return an object whose `update(n)` counts source images, and whose `close()` ends the display."""
    if not sys.stderr.isatty():
        return PlainLines(total, initial)
    # Only a terminal needs it.
    import tqdm

    return tqdm.tqdm(total=total, initial=initial, unit=' images', unit_scale=True, dynamic_ncols=True)
