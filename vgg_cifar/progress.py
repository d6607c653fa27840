"""How long work shows that it goes on: a bar on a terminal, a plain line now and then elsewhere."""

import sys
from typing import Any

import tqdm

# Between two lines of a log file.
SECONDS_BETWEEN_LINES = 10.0


def progress(total: int, unit: str, *, initial: int = 0, name: str = '', quiet: bool = False) -> tqdm.tqdm:
    """Return what counts work by `update(n)` until `close()`, and shows it on stderr with the time left.

    Args:
        total: how much there is, or 0 as long as that is not known; then `total` may be set later.
        unit: of what is counted, such as 'images'.
        initial: how much of it is done already.
        name: of what is worked on, to begin each line with.
        quiet: show nothing.

    """
    options: dict[str, Any] = {
        'total': total,
        'unit': f' {unit}',
        'initial': initial,
        'desc': f'{name}: ' if name else None,
        'unit_scale': True,
        'disable': quiet,
        'file': sys.stderr,
    }
    if sys.stderr.isatty():
        return tqdm.tqdm(**options, dynamic_ncols=True)
    return Lines(**options)


class Lines(tqdm.tqdm):
    """A bar that is a line of text now and then."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **options,
            mininterval=SECONDS_BETWEEN_LINES,
            delay=SECONDS_BETWEEN_LINES,
            miniters=1,
            bar_format='{desc}{n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left',
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the line; none where the total is not known, as nothing could be said of what is left."""
        if self.total:
            print(self, file=self.fp, flush=True)

    def close(self) -> None:
        """End without a word: whoever asked for the work says that it is done."""
        self.disable = True
