"""Wanted files out of a tar archive or a folder, into memory; nothing is extracted to disk."""

import contextlib
import gzip
import io
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.file_kind import kind


def read_members(path: Path, wanted: Collection[str], most_bytes: int) -> dict[str, bytes]:
    """Return the contents of those of the `wanted` files (base names) that `path` holds.

    `path` is a tar archive, gzipped or not, or a folder. An archive's own paths play no part, and only
    regular files count. Nothing larger than `most_bytes` is read, nor an archive larger than its wanted
    files can be.

    Raises InputError for a path that does not exist, a damaged archive and a file that is too large.
    """
    if path.is_dir():
        return _from_folder(path, wanted, most_bytes)
    require_file(path, 'the archive or its folder')
    return _from_tar(path, wanted, most_bytes)


def require_file(path: Path, wanted: str) -> None:
    """Raise InputError unless a file is at `path`, which is no folder; `wanted` says what to give."""
    if not path.exists():
        raise InputError(f'{path}: no such file or folder; give {wanted}')
    if not path.is_file():
        raise InputError(f'{path}: found {kind(path)}; give {wanted}')


def folders_at(path: Path) -> list[Path]:
    """Return where a data set may lie: `path`, and the folders in it, down to the second level."""
    below = (folder for pattern in ('*', '*/*') for folder in sorted(path.glob(pattern)))
    return [path, *(folder for folder in below if folder.is_dir())]


def _from_folder(path: Path, wanted: Collection[str], most_bytes: int) -> dict[str, bytes]:
    found = {}
    for name in wanted:
        file = path / name
        if file.is_file():
            _check_size(file, file.stat().st_size, most_bytes)
            found[name] = file.read_bytes()
    return found


def _from_tar(path: Path, wanted: Collection[str], most_bytes: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with (
            _decompressed(path, most_bytes * (len(wanted) + 1)) as stream,
            tarfile.open(fileobj=stream, mode='r|') as archive,
        ):
            for member in archive:
                name = PurePosixPath(member.name).name
                if member.isreg() and name in wanted and name not in found:
                    _check_size(f'{path}: {name}', member.size, most_bytes)
                    found[name] = cast(BinaryIO, archive.extractfile(member)).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f'{path}: not a readable tar archive ({first_line(error)}); get it again') from error
    return found


def _check_size(what: Path | str, found: int, most: int) -> None:
    if found > most:
        has = counted(found, 'byte')
        raise InputError(f'{what}: found {has}, expected {most:,} at most; get the file again')


@contextlib.contextmanager
def _decompressed(path: Path, most_bytes: int) -> Iterator[BinaryIO]:
    with path.open('rb') as file:
        gzipped = file.read(2) == b'\x1f\x8b'
        file.seek(0)
        with gzip.open(file) if gzipped else contextlib.nullcontext(file) as content:
            yield cast(BinaryIO, _Limited(cast(BinaryIO, content), most_bytes, path))


class _Limited(io.RawIOBase):
    """A stream that refuses to hand out more than it should: a few gzipped bytes can hold terabytes."""

    def __init__(self, stream: BinaryIO, most_bytes: int, path: Path) -> None:
        self._stream, self._most, self._left, self._path = stream, most_bytes, most_bytes, path

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise InputError(
                f'{self._path}: unpacks to more than the {self._most:,} bytes expected; get the file again'
            )
        return content
