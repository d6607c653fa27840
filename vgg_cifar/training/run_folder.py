"""The folder of a run: what it holds, who may write to it, how it is read."""

import contextlib
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from vgg_cifar import json_file
from vgg_cifar.atomic import refuse_foreign, replacing, write_json
from vgg_cifar.errors import InputError, InUse
from vgg_cifar.json_file import NotJSON, Record
from vgg_cifar.training import environment

SETTINGS = 'settings.json'
ENVIRONMENT = 'environment.json'
LOG = 'log'
GRADIENTS = 'gradients.json'
SNAPSHOT = 'snapshot.npz'
MODEL = 'model.npz'
BEST = 'best.npz'
RESULT = 'result.json'
FILES = (SETTINGS, ENVIRONMENT, LOG, GRADIENTS, SNAPSHOT, MODEL, BEST, RESULT)
LOCK = '.vgg-cifar.lock'
MEASURED = ('main/loss', 'main/accuracy', 'test/main/loss', 'test/main/accuracy', 'seconds')
STATUSES = ('finished', 'diverged')
ADVICE = 'restore it, or start anew with --fresh'
# The range of float32, in which everything is measured that a log holds.
MOST = 3.5e38


@dataclass(frozen=True)
class RunFolder:
    """A folder with `FILES`, of which best.npz and gradients.json are there where they were asked for.

    Nothing else in it is ever touched, and these names only where settings.json, which is written first, says
    that they are a run's. result.json appears last and says how the run ended; a folder without it holds an
    unfinished run.
    """

    path: Path

    @property
    def settings(self) -> dict[str, Any] | None:
        """The content of settings.json, None before the run has started."""
        return self._read(SETTINGS, 'restore it, or choose another -o')

    @property
    def environment(self) -> dict[str, Any] | None:
        """The content of environment.json, None before the run has started; what is there has its type."""
        record = self._record(ENVIRONMENT)
        if record is None:
            return None
        environment.check(record)
        if 'parallel' in record:
            parallel = record.record('parallel')
            parallel.whole('processes', 1, 2**20)
            parallel.truth('multi_node_batch_norm')
        data = record.record('data')
        data.text('fingerprint')
        if 'source' in data:
            data.text('source')
        return record.content

    @property
    def result(self) -> dict[str, Any] | None:
        """The content of result.json, None while the run is unfinished.

        Its ``status`` is one of `STATUSES`, ``reason`` a text or None, and the rest are finite numbers.
        """
        record = self._record(RESULT)
        if record is None:
            return None
        record.text('status', STATUSES)
        for name, value in record.content.items():
            if name == 'reason' and value is not None:
                record.text(name)
            elif name not in ('status', 'reason'):
                record.number(name, -MOST, MOST)
        # Nothing can be said of a run without an entry in its log: it is to be done again.
        return record.content if self.log else None

    @property
    def log(self) -> list[dict[str, float]]:
        """Chainer's log: an entry per epoch, or per --log-steps steps; what is measured may be NaN."""
        try:
            found = (self.path / LOG).stat()
        except OSError:
            # Whatever is wrong is said by what reads it.
            return self._checked_log()
        return _known_log(self, (found.st_ino, found.st_size, found.st_mtime_ns))

    def _checked_log(self) -> list[dict[str, float]]:
        entries = self._records(LOG)
        for entry in entries:
            entry.whole('epoch')
            for name in MEASURED:
                if name not in entry:
                    raise entry.wrong(name, 'a number')
            _check_numbers(entry)
        return [entry.content for entry in entries]

    @property
    def gradients(self) -> list[dict[str, Any]]:
        """What the extension GradientFlow has recorded: an entry for each of the log."""
        entries = self._records(GRADIENTS)
        for entry in entries:
            entry.whole('epoch')
            _check_numbers(entry.record('layers'))
        return [entry.content for entry in entries]

    def _read(self, name: str, advice: str = ADVICE) -> Any:
        try:
            return json_file.read(self.path / name)
        except FileNotFoundError:
            return None
        except NotJSON as error:
            raise InputError(f'{error}; {advice}') from None

    def _record(self, name: str) -> Record | None:
        content = self._read(name)
        return None if content is None else Record(content, self.path / name, ADVICE)

    def _records(self, name: str) -> list[Record]:
        content, path = self._read(name), self.path / name
        if content is None:
            return []
        if not isinstance(content, list):
            raise InputError(f'{path}: is {json_file.shown(content)}, expected a list of entries; {ADVICE}')
        return [Record(each, path, ADVICE, f'[{number}].') for number, each in enumerate(content)]

    def replacing(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """Yield a temporary path, which becomes one of `FILES` on success; see `atomic.replacing`."""
        return replacing(self.path / name, self._partial(name))

    def write(self, name: str, content: object) -> None:
        """Write a JSON file, whole or not at all."""
        write_json(self.path / name, content, self._partial(name))

    def _partial(self, name: str) -> Path:
        return self.path / f'.{name}.partial'

    def refuse_foreign(self) -> None:
        """Raise InputError where files have the names of a run's, but are none."""
        refuse_foreign(self.path, SETTINGS, [*FILES, *(self._partial(name).name for name in FILES)])

    @contextlib.contextmanager
    def locked(self, wait: float = 0.0) -> Iterator[None]:
        """Own the folder; where another process still does after `wait` seconds, raise InUse.

        A killed process leaves no lock.
        """
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self.path / LOCK).acquire(timeout=wait):
                yield
        except filelock.Timeout:
            raise InUse(
                f'{self.path}: another process is training in this folder; wait for it or choose another -o'
            ) from None
        finally:
            if new and not (self.path / SETTINGS).exists():
                # No run has started: nothing is to be left of it.
                (self.path / LOCK).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    for folder in new:
                        folder.rmdir()

    def clear(self) -> None:
        """Delete what an earlier run has left, and nothing else; last what tells that it is a run's."""
        for name in reversed(FILES):
            self._partial(name).unlink(missing_ok=True)
            (self.path / name).unlink(missing_ok=True)


@functools.lru_cache(2048)
def _known_log(run: RunFolder, stamp: tuple[int, ...]) -> list[dict[str, float]]:
    """Return a log that is as it was when it had this stamp: a page asks for each a score of times."""
    return run._checked_log()


def _check_numbers(record: Record) -> None:
    """Refuse all that is no float32 number; NaN and infinity are."""
    for name, value in record.content.items():
        if type(value) not in (int, float) or MOST < abs(value) < math.inf:
            raise record.wrong(name, 'a number in the range of float32')
