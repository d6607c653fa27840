"""How a run shows that it goes on: a table, and a bar below it on a terminal."""

from collections.abc import Iterable
from typing import TextIO

from chainer.training import Extension, Trainer, extensions

from vgg_cifar.training.log_entries import EntryDue

# What the log calls it, what the table does, and how it is written. Eight columns take 79 characters.
COLUMNS = (
    ('main/loss', 'loss', '.4g'),
    ('main/accuracy', 'accuracy', '.4f'),
    ('validation/main/accuracy', 'valid acc', '.4f'),
    ('test/main/loss', 'test loss', '.4g'),
    ('test/main/accuracy', 'test acc', '.4f'),
    ('seconds', 'seconds', '.1f'),
    ('images_per_second', 'images/s', '.1f'),
)
WIDTH = 9
CLEAR_BAR = '\033[J'


class Table(Extension):
    """Prints a line for each entry of the log, first those of a run that is gone on with."""

    def __init__(self, unit: str, has_validation: bool, output: TextIO, terminal: bool) -> None:
        self._columns = [(unit, unit, 'd')]
        self._columns += [each for each in COLUMNS if has_validation or not each[0].startswith('validation')]
        self._output = output
        self._before = CLEAR_BAR if terminal else ''
        self._printed: int | None = None

    def __call__(self, trainer: Trainer) -> None:
        log = trainer.get_extension('LogReport').log
        if self._printed is None:
            self._print(name for _, name, _ in self._columns)
        for entry in log[self._printed or 0 :]:
            self._print(format(entry[key], how) if key in entry else '' for key, _, how in self._columns)
        self._printed = len(log)

    def _print(self, cells: Iterable[str]) -> None:
        line = ' '.join(cell.rjust(WIDTH) for cell in cells)
        print(f'{self._before}{line}', file=self._output, flush=True)


def add_progress(
    trainer: Trainer, output: TextIO, has_validation: bool, due: EntryDue, terminal: bool
) -> None:
    """Print a line into `output` for each entry of the log, and a bar, where that is a `terminal`."""
    trainer.extend(Table(due.unit, has_validation, output, terminal), trigger=due)
    if terminal:
        # A trigger without a state, which a snapshot written without a terminal would lack.
        trainer.extend(extensions.ProgressBar(out=output), trigger=lambda trainer: True)
