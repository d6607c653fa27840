"""Outputs appear whole or not at all, and never in the place of what somebody else has written."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from vgg_cifar.errors import InputError
from vgg_cifar.file_kind import kind


@contextlib.contextmanager
def replacing(path: str | os.PathLike, partial: str | os.PathLike | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, delete it on any failure.

    The temporary file lies in the same folder, so that the rename is atomic. Where `path` is a symbolic link,
    what it leads to is replaced, and the link stays; but not where `partial` is given.

    Args:
        path: the file.
        partial: the temporary path, for a folder in which all names are the caller's: what a killed process
            has left there is replaced, and no link is followed. By default a name that nothing has.

    """
    path = Path(os.path.realpath(path) if partial is None else path)
    require_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if partial is None:
            handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix='.partial', dir=path.parent)
        else:
            name = os.fspath(partial)
            # Never through a link of that name.
            Path(name).unlink(missing_ok=True)
            handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            # The file was private; an output has the permissions that the user's umask asks for.
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)
            sync(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        # A disk that is full says so without a name, and the temporary one means nothing to anybody.
        unnamed = error.filename is None or str(error.filename).endswith('.partial')
        if error.errno is not None and unnamed:
            error.filename = os.fspath(path)
        raise


def sync(path: Path) -> None:
    """Wait until the file at `path` is on the disk."""
    with path.open('rb') as file:
        os.fsync(file.fileno())


def write_json(path: Path, content: object, partial: Path | None = None) -> None:
    """Write `content` as a JSON file, whole or not at all."""
    with replacing(path, partial) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + '\n')


def require_folder(folder: Path) -> None:
    """Raise InputError unless `folder` can be written to, or be made where it is not there yet."""
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    name = f'the working directory ({Path.cwd()})' if folder == Path() else str(folder)
    where = name if there == folder else f'{name}: {there}'
    if not there.is_dir():
        raise InputError(f'{where} is {kind(there)}, expected a folder; choose another place')
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f'{where} cannot be written to; allow it, or choose another place')


def require_writable(path: Path, overwrite: bool) -> None:
    """Raise InputError where `path` exists and must not be overwritten, or cannot be a file."""
    if path.is_dir():
        raise InputError(f'{path}: found a folder, expected a file name; add one')
    if path.exists() and not path.is_file():
        raise InputError(f'{path}: found {kind(path)}, which nothing replaces; choose another name')
    if path.exists() and not overwrite:
        raise InputError(f'{path}: exists already; give --overwrite to replace it, or another name')
    require_folder(path.parent)


def refuse_foreign(folder: Path, mark: str, names: Iterable[str]) -> None:
    """Refuse to write into a folder what would replace something that this program has not written.

    Args:
        folder: where to.
        mark: the file by which the program knows a folder of its own, which it writes first.
        names: what it writes after that.

    Raises:
        InputError: some of `names` are there, but `mark` is not; or no folder can be there.

    """
    if not os.path.lexists(folder / mark):
        require_folder(folder)
        there = [name for name in names if os.path.lexists(folder / name)]
        if there:
            raise InputError(
                f'{folder}: holds {", ".join(there)} but no {mark}, so something else has written that; '
                'choose another -o'
            )
