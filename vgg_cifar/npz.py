"""Arrays from a .npz file, which may come from anyone: nothing is unpickled, no declared size is believed."""

import contextlib
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.lib import format as npy

from vgg_cifar.counting import in_bytes
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.file_kind import kind
from vgg_cifar.foreign_text import shown
from vgg_cifar.machine import free_memory

# Booleans, integers, floats, text. All else is a pickle, or nothing that Chainer saves.
KINDS = 'biufSU'
MOST_MEMBERS = 100_000
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class _Member:
    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    size: int


class Arrays(Mapping[str, numpy.ndarray]):
    """The arrays of an open .npz file by name, each read when it is asked for.

    At the start every member's header is read, and no more: a member that is no array of numbers or text, or
    whose size is not what its header says, is an InputError, whether it will be asked for or not. So is an
    array, when it is asked for, that does not fit into memory or whose checksum is wrong.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise self._refused(f'{len(members)} members, expected at most {MOST_MEMBERS}')
        self._members: dict[str, _Member] = {}
        for info in members:
            name = info.filename.removesuffix('.npy')
            if name == info.filename or name in self._members:
                raise self._refused(f'{shown(info.filename)}: expected NAME.npy, each name once')
            self._members[name] = self._checked(info)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array, known before any is read."""
        return {name: member.shape for name, member in self._members.items()}

    def __getitem__(self, name: str) -> numpy.ndarray:
        member = self._members[name]
        free = free_memory()
        if free is not None and member.size > free:
            needed, there = in_bytes(member.size), in_bytes(free)
            raise self._refused(f'{shown(name)}: {needed}, {there} of memory are free')
        with self._reading(name), self._archive.open(member.info) as file:
            return npy.read_array(file, allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _checked(self, info: zipfile.ZipInfo) -> _Member:
        with self._reading(info.filename), self._archive.open(info) as file:
            version = npy.read_magic(file)
            if version not in HEADERS:
                raise ValueError(f'version {version} of the format')
            shape, _, dtype = HEADERS[version](file)
            header = file.tell()
        if dtype.kind not in KINDS or dtype.subdtype is not None:
            raise self._refused(
                f'{shown(info.filename)}: holds {shown(str(dtype))}, expected numbers or text'
            )
        count = math.prod(shape)
        if min(shape, default=0) < 0 or info.file_size != header + count * dtype.itemsize:
            raise self._refused(
                f'{shown(info.filename)}: {info.file_size} bytes do not hold {shown(str(shape))} of {dtype}'
            )
        # Text of no length takes no bytes in the file, and some in memory.
        return _Member(info, shape, count * max(dtype.itemsize, 4))

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        # A header is parsed as Python's literals, and a stream may be cut anywhere: many things are raised.
        except Exception as error:
            raise self._refused(f'{shown(name)}: {shown(first_line(error))}') from None

    def _refused(self, reason: str) -> InputError:
        return InputError(f'{self._path}: not a .npz file of plain arrays ({reason})')


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Arrays]:
    """Open a .npz file; an InputError says what is wrong with it."""
    try:
        # A pipe of that name would never end.
        if path.exists() and not path.is_file():
            raise InputError(f'{path}: found {kind(path)}, expected a .npz file')
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f'{path}: no such file') from None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'{path}: not a .npz file of plain arrays ({shown(first_line(error))})') from None
    with archive:
        yield Arrays(path, archive)
