"""How a run shows that it goes on: a bar on a terminal, plain lines elsewhere."""

import sys
from typing import TextIO

from chainer.training import Trainer, extensions

COLUMNS = (
    'main/loss',
    'main/accuracy',
    'validation/main/accuracy',
    'test/main/loss',
    'test/main/accuracy',
    'seconds',
    'images_per_second',
)


class PlainLines:
    """A stream for Chainer's PrintReport, whose terminal escapes have no place in a log file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text.replace('\033[J', ''))

    def flush(self) -> None:
        self._stream.flush()


def add_progress(
    trainer: Trainer, has_validation: bool, interval: tuple[int, str], plain: bool = False
) -> None:
    """Print a line for each entry of the log, which come in this interval; on a terminal, a bar too.

    `plain` says that it is none, whatever it looks like.
    """
    shown = [column for column in COLUMNS if has_validation or not column.startswith('validation')]
    # How far it has come, in the interval's unit: epoch or iteration.
    columns = [interval[1], *shown]
    if sys.stdout.isatty() and not plain:
        trainer.extend(extensions.PrintReport(columns), trigger=interval)
        trainer.extend(extensions.ProgressBar(), trigger=(1, 'iteration'))
    else:
        trainer.extend(extensions.PrintReport(columns, out=PlainLines(sys.stdout)), trigger=interval)
