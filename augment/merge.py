"""Joins shards that were written with --rows into one file."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy

from augment import skeleton
from augment.disk_space import require_space
from augment.errors import InputError, first_line
from augment.pipeline import Paths, refuse_as_output, require_writable
from augment.source import opened as open_hdf5
from augment.stop_signals import StopSignals

# What shards of one job have in common.
SHARED = ('augment_copies', 'augment_median_window', 'augment_source_sha256', 'augment_source_rows')

COPY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class _Shard:
    path: Path
    file: h5py.File
    start: int
    stop: int

    @property
    def images(self) -> h5py.Dataset:
        return self.file['X_train']


def merge(
    out: str | os.PathLike, shards: Sequence[str | os.PathLike], copy: bool = False, overwrite: bool = False
) -> None:
    """Join shards of one source, in any order, into `out`; it appears whole or not at all.

    X_train becomes a virtual data set that refers to the shards, which have to stay beside `out`; with `copy`
    its values are copied. Everything else comes from the shard that starts at row 0.

    Raises InputError where a shard is none, or shards have gaps, overlap or come from different jobs.
    """
    out = Path(os.path.realpath(out))
    require_writable(out, overwrite)
    with StopSignals('nothing is written'), contextlib.ExitStack() as stack:
        parts = sorted((_open(Path(shard), stack) for shard in shards), key=lambda part: part.start)
        _check(parts)
        paths = Paths(out)
        refuse_as_output([part.path for part in parts], paths)
        for part in parts:
            if not copy and part.path.resolve().parent != out.parent:
                raise InputError(
                    f'{part.path}: lies in another folder than {out}, which would refer to it; '
                    'move it there, or copy its values with --copy'
                )
        out.parent.mkdir(parents=True, exist_ok=True)
        new = paths.new
        read = parts if copy else parts[:1]
        require_space(new, sum(part.path.stat().st_size for part in read) + skeleton.METADATA_BYTES)
        try:
            with h5py.File(new, 'w', libver=('v110', 'v110')) as file:
                (_copy if copy else _refer)(parts, file)
                _join_labels(parts, file)
                for name in ('X_train', 'Y_train'):
                    skeleton.copy_attributes(parts[0].file[name], file[name], parts[0].path)
                for name in parts[0].file:
                    if name not in ('X_train', 'Y_train'):
                        parts[0].file.copy(name, file, expand_soft=False, expand_external=False)
                skeleton.copy_attributes(parts[0].file, file, parts[0].path)
                file.attrs['augment_rows'] = [0, parts[-1].stop]
            with new.open('rb') as written:
                os.fsync(written.fileno())
            new.replace(out)
        except (OSError, RuntimeError) as error:
            raise InputError(f'{out}: cannot be written ({first_line(error)})') from error
        finally:
            new.unlink(missing_ok=True)


def _open(path: Path, stack: contextlib.ExitStack) -> _Shard:
    file = stack.enter_context(open_hdf5(path))
    try:
        start, stop = (int(row) for row in file.attrs['augment_rows'])
        copies = len(file.attrs['augment_copies'])
        images, labels = file['X_train'], file['Y_train']
        whole = len(images) == len(labels) == (stop - start) * copies and not images.is_virtual
    except (KeyError, TypeError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise InputError(f'{path}: found no shard, expected a file written with --rows A:B')
    return _Shard(path, file, start, stop)


def _check(parts: list[_Shard]) -> None:
    first = parts[0]
    for part in parts:
        for name in SHARED:
            values = [numpy.asarray(one.file.attrs.get(name)).tolist() for one in (first, part)]
            if values[0] != values[1]:
                raise InputError(
                    f'{part.path}: {name}: found {values[1]}, expected {values[0]} as in {first.path}; '
                    'merge shards of one source and one command'
                )
        if (part.images.dtype, part.images.shape[1:]) != (first.images.dtype, first.images.shape[1:]):
            raise InputError(
                f'{part.path}: X_train: found {part.images.dtype}, expected {first.images.dtype} as in '
                f'{first.path}; write all shards with one --dtype'
            )
    row = 0
    before = 'the first row'
    for part in parts:
        if part.start > row:
            raise InputError(
                f'{part.path}: starts at row {part.start}, but {before} ends at row {row}; '
                f'write the gap with --rows {row}:{part.start}'
            )
        if part.start < row:
            raise InputError(
                f'{part.path}: starts at row {part.start}, within {before}, which ends at row {row}; '
                'leave out or rewrite one of them'
            )
        row, before = part.stop, str(part.path)
    total = int(first.file.attrs['augment_source_rows'])
    if row != total:
        raise InputError(f'{before}: ends at row {row} of {total}; write the rest with --rows {row}:{total}')


def _refer(parts: list[_Shard], file: h5py.File) -> None:
    layout = h5py.VirtualLayout(_whole_shape(parts), parts[0].images.dtype)
    row = 0
    for part in parts:
        layout[row : row + len(part.images)] = h5py.VirtualSource(
            part.path.resolve().name, 'X_train', part.images.shape
        )
        row += len(part.images)
    file.create_virtual_dataset('X_train', layout)


def _copy(parts: list[_Shard], file: h5py.File) -> None:
    first = parts[0].images
    skeleton.create_images(
        file, 'X_train', _whole_shape(parts), first.dtype, first.chunks[0], first.compression_opts
    )
    row = 0
    for part in parts:
        step = max(1, COPY_BYTES // part.images[:1].nbytes)
        step = -(-step // part.images.chunks[0]) * part.images.chunks[0]
        for start in range(0, len(part.images), step):
            values: Any = part.images[start : start + step]
            file['X_train'][row : row + len(values)] = values
            row += len(values)


def _join_labels(parts: list[_Shard], file: h5py.File) -> None:
    labels = [part.file['Y_train'] for part in parts]
    joined = file.create_dataset('Y_train', (sum(map(len, labels)), *labels[0].shape[1:]), labels[0].dtype)
    row = 0
    for part in labels:
        joined[row : row + len(part)] = part[:]
        row += len(part)


def _whole_shape(parts: list[_Shard]) -> tuple[int, ...]:
    return (sum(len(part.images) for part in parts), *parts[0].images.shape[1:])
