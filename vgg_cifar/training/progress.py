"""How a run shows that it goes on: a bar on a terminal, plain lines elsewhere."""

from typing import TextIO

from chainer.training import Trainer, extensions

from vgg_cifar.training.log_entries import EntryDue

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
    trainer: Trainer, output: TextIO, has_validation: bool, due: EntryDue, terminal: bool
) -> None:
    """Print a line into `output` for each entry of the log, and a bar, where that is a `terminal`."""
    shown = [column for column in COLUMNS if has_validation or not column.startswith('validation')]
    # How far it has come.
    columns = [due.unit, *shown]
    if terminal:
        trainer.extend(extensions.PrintReport(columns, out=output), trigger=due)
        trainer.extend(extensions.ProgressBar(out=output), trigger=(1, 'iteration'))
    else:
        trainer.extend(extensions.PrintReport(columns, out=PlainLines(output)), trigger=due)
