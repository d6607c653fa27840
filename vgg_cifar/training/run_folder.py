"""The folder of a run: what it holds, who may write to it, how it is read."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from vgg_cifar.atomic import write_json
from vgg_cifar.errors import InputError

LOG = 'log'
GRADIENTS = 'gradients.json'


@dataclass(frozen=True)
class RunFolder:
    """A folder with settings.json, environment.json, log, a snapshot, model.npz, best.npz and result.json.

    Where it was asked for, gradients.json is there too.

    result.json appears last and says how the run ended; a folder without it holds an unfinished run.
    """

    path: Path

    @property
    def settings(self) -> dict[str, Any] | None:
        """The content of settings.json, None before the run has started."""
        return self._read('settings.json')

    @property
    def environment(self) -> dict[str, Any] | None:
        """The content of environment.json, None before the run has started."""
        return self._read('environment.json')

    @property
    def result(self) -> dict[str, Any] | None:
        """The content of result.json, None while the run is unfinished."""
        return self._read('result.json')

    @property
    def log(self) -> list[dict[str, float]]:
        """Chainer's log: an entry per epoch."""
        return self._read(LOG) or []

    @property
    def gradients(self) -> list[dict[str, Any]]:
        """What the extension GradientFlow has recorded: an entry for each of the log."""
        return self._read(GRADIENTS) or []

    def write(self, name: str, content: object) -> None:
        """Write a JSON file, whole or not at all."""
        write_json(self.path / name, content)

    def _read(self, name: str) -> Any:
        path = self.path / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f'{path}: not readable as JSON ({error}); restore it or use --fresh') from None

    @contextlib.contextmanager
    def locked(self, wait: float = 0.0) -> Iterator[None]:
        """Own the folder; where another process still does after `wait` seconds, raise InputError.

        A killed process leaves no lock.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path / '.lock')
        try:
            with lock.acquire(timeout=wait):
                self._remove_leftovers()
                yield
        except filelock.Timeout:
            raise InputError(
                f'{self.path}: another process is training in this folder; wait for it or choose another -o'
            ) from None

    def clear(self) -> None:
        """Delete what an earlier run has left, and nothing else."""
        others = ('result.json', 'settings.json', 'environment.json', 'model.npz', 'best.npz')
        for name in (*others, LOG, GRADIENTS):
            (self.path / name).unlink(missing_ok=True)
        for snapshot in self.snapshots():
            snapshot.unlink()

    def snapshots(self) -> list[Path]:
        """Return the snapshot files, oldest first."""
        files = [file for file in self.path.glob('snapshot_iter_*') if file.name[14:].isdecimal()]
        return sorted(files, key=lambda file: int(file.name[14:]))

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of a process that was killed while writing."""
        for partial in self.path.glob('.*.partial'):
            partial.unlink()
        # Chainer's LogReport writes into such a folder before it renames.
        for folder in self.path.glob(f'{LOG}?*'):
            if folder.is_dir():
                shutil.rmtree(folder)
