"""A data set in idx files, in a folder or a zip archive: its parts, found by the names of the files."""

import contextlib
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import numpy

from vgg_cifar.counting import counted
from vgg_cifar.datasets.archive_members import folders_at, require_file
from vgg_cifar.datasets.idx import read_idx
from vgg_cifar.errors import InputError, first_line

IMAGES, LABELS = 'images-idx3-ubyte', 'labels-idx1-ubyte'
# What the parts are called in file names: MNIST's test files begin with t10k.
PARTS = {'train': ('train',), 'test': ('test', 't10k'), 'validation': ('valid', 'validation')}


@dataclass(frozen=True, eq=False)
class IdxSet:
    """The parts that were found.

    Attributes:
        prefix: what stands before the part in the files' names, such as ``emnist-balanced``; may be empty.
        images: by part, uint8 (N, H, W).
        labels: by part, uint8 (N,).
        sha256: of each array's bytes, by the part and ``images`` or ``labels``.

    """

    prefix: str
    images: dict[str, numpy.ndarray]
    labels: dict[str, numpy.ndarray]
    sha256: dict[str, str]


def read_idx_set(path: Path, prefix: str | None = None, size: int = 28) -> IdxSet:
    """Read the idx files in the folder or zip archive at `path`, gzipped or not.

    Args:
        path: the folder, or the archive; an archive's own folders play no part.
        prefix: which set, where there are several; None takes the only one.
        size: height and width that the images must have.

    Raises:
        InputError: a file is missing, damaged or of another shape.

    """
    with _files(path) as files:
        prefix, found = _chosen(files.names(), path, prefix)
        images, labels, sha256 = {}, {}, {}
        for part, words in PARTS.items():
            if part == 'validation' and not {(part, IMAGES), (part, LABELS)} & set(found):
                continue
            arrays = []
            for kind, shape in ((IMAGES, (None, size, size)), (LABELS, (None,))):
                if (part, kind) not in found:
                    raise InputError(f'{path}: {words[0]}-{kind}: missing; get the whole set')
                name = found[part, kind]
                with files.open(name) as file:
                    arrays.append(read_idx(file, f'{path}: {name}', shape))
                sha256[f'{part}_{kind.partition("-")[0]}'] = hashlib.sha256(arrays[-1].tobytes()).hexdigest()
            images[part], labels[part] = arrays
            if len(images[part]) != len(labels[part]):
                raise InputError(
                    f'{path}: {words[0]}-{LABELS}: found {counted(len(labels[part]), "label")}, expected '
                    f'{len(images[part])}, one for each image'
                )
    return IdxSet(prefix, images, labels, sha256)


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        for folder in folders_at(self.path):
            self.path = folder
            names = [file.name for file in folder.iterdir() if file.is_file()]
            if any(_place(name) for name in names):
                return names
        return []

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with (self.path / name).open('rb') as file:
            yield file


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def names(self) -> list[str]:
        return self.archive.namelist()

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with self.archive.open(name) as member:
            yield cast(BinaryIO, member)


@contextlib.contextmanager
def _files(path: Path) -> Iterator[_Folder | _Archive]:
    if path.is_dir():
        yield _Folder(path)
        return
    require_file(path, 'the zip archive or the folder of the idx files')
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Archive(archive)
    # A damaged archive can also ask for a way of packing that Python does not have, or for a password.
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f'{path}: not a readable zip archive ({first_line(error)}); get it again') from error


def _chosen(names: list[str], path: Path, prefix: str | None) -> tuple[str, dict[tuple[str, str], str]]:
    """Return the files of each part and kind, of the set with this prefix or else of the only set."""
    sets: dict[str, dict[tuple[str, str], str]] = {}
    for name in sorted(names):
        place = _place(PurePosixPath(name).name)
        if place is not None:
            found, part, kind = place
            sets.setdefault(found, {})[part, kind] = name
    if not sets:
        raise InputError(f'{path}: no idx files here, such as train-{IMAGES}; give their folder')
    if prefix not in sets:
        if len(sets) > 1:
            there = ', '.join(found or 'one without a name' for found in sorted(sets))
            raise InputError(
                f'{path}: holds {there}, expected {prefix or "a single set"}; give the folder of one'
            )
        (prefix,) = sets
    return cast(str, prefix), sets[cast(str, prefix)]


def _place(name: str) -> tuple[str, str, str] | None:
    """Return a file's prefix, part and kind by its name; None where it is not an idx file of a set."""
    name = name.removesuffix('.gz').replace('.idx', '-idx')
    for part, words in PARTS.items():
        for word in words:
            for kind in (IMAGES, LABELS):
                end = f'{word}-{kind}'
                if name == end or name.endswith(f'-{end}'):
                    return name.removesuffix(end).rstrip('-'), part, kind
    return None
