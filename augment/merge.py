"""Joins shards that were written with --rows into one file."""

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy

from augment import skeleton
from augment.layout import PAGE_BYTES, Layout
from augment.pipeline import Paths, refuse_as_output
from augment.targets import Target
from augment.workers import in_threads
from vgg_cifar.atomic import replacing, require_writable
from vgg_cifar.data_file import check_labels
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.free_space import require_disk, reserve
from vgg_cifar.hdf5_file import Rows, opened
from vgg_cifar.stop_signals import StopSignals

# What shards of one job have in common.
SHARED = ('augment_copies', 'augment_median_window', 'augment_source_sha256', 'augment_source_rows')

COPY_BYTES = 8 * 2**20

NO_SHARD = 'found no shard, expected a file written with --rows A:B'


@dataclass(frozen=True)
class _Shard:
    path: Path
    file: h5py.File
    start: int
    stop: int
    total: int
    rows: Rows
    labels: Rows

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
    with StopSignals('nothing is written') as signals, signals.raised():
        join(out, shards, copy, overwrite, signals)


def join(
    out: str | os.PathLike,
    shards: Sequence[str | os.PathLike],
    copy: bool,
    overwrite: bool,
    signals: StopSignals,
    partial: Path | None = None,
    when_written: Callable[[Path], None] = lambda path: None,
) -> None:
    """Do what `merge` does within the caller's `signals`.

    `partial` is as in `atomic.replacing`; `when_written` gets the path of the joined file when that needs
    nothing but its name.
    """
    out = Path(os.path.realpath(out))
    require_writable(out, overwrite)
    with contextlib.ExitStack() as stack:
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
        try:
            with replacing(out, partial) as new:
                _write(parts, new, copy, signals)
                when_written(new)
        except (OSError, RuntimeError) as error:
            raise InputError(f'{out}: cannot be written ({first_line(error)})') from error


def _write(parts: list[_Shard], new: Path, copy: bool, signals: StopSignals) -> None:
    first = parts[0].file
    read = parts if copy else parts[:1]
    require_disk(new, sum(part.path.stat().st_size for part in read) + skeleton.METADATA_BYTES)
    with h5py.File(
        new, 'w', libver=('v110', 'v110'), alignment_threshold=2**16, alignment_interval=PAGE_BYTES
    ) as file:
        blocks = _copy(parts, file) if copy else _refer(parts, file)
        _join_labels(parts, file)
        for name in ('X_train', 'Y_train'):
            skeleton.copy_attributes(first[name], file[name], parts[0].path)
        for name in first:
            link = first.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                file[name] = link
            elif name not in ('X_train', 'Y_train'):
                first.copy(name, file)
        skeleton.copy_attributes(first, file, parts[0].path)
        file.attrs['augment_rows'] = [0, parts[-1].stop]
    reserve(new, new.stat().st_size)
    for part, row in blocks:
        _copy_blocks(part, new, row, signals)


def _open(path: Path, stack: contextlib.ExitStack) -> _Shard:
    file = stack.enter_context(opened(path))
    try:
        start, stop = (int(row) for row in file.attrs['augment_rows'])
        copies, total = len(file.attrs['augment_copies']), int(file.attrs['augment_source_rows'])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, OSError):
        raise InputError(f'{path}: {NO_SHARD}') from None
    images, labels = (
        stack.enter_context(contextlib.closing(Rows(file, name))) for name in ('X_train', 'Y_train')
    )
    chunks = file['X_train'].chunks
    whole = chunks and chunks[1:] == images.shape[1:] and not file['X_train'].is_virtual
    if not (whole and len(images) == (stop - start) * copies > 0):
        raise InputError(f'{path}: {NO_SHARD}')
    check_labels(labels, len(images))
    return _Shard(path, file, start, stop, total, images, labels)


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
        if part.labels.shape[1:] != first.labels.shape[1:] or part.labels.dtype != first.labels.dtype:
            raise InputError(
                f'{part.labels.what}: found {part.labels.described}, expected {first.labels.dtype} as in '
                f'{first.path}; merge shards of one source'
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
    if row != first.total:
        raise InputError(
            f'{before}: ends at row {row} of {first.total}; write the rest with --rows {row}:{first.total}'
        )


def _refer(parts: list[_Shard], file: h5py.File) -> list[tuple[_Shard, int]]:
    layout = h5py.VirtualLayout(_whole_shape(parts), parts[0].images.dtype)
    row = 0
    for part in parts:
        layout[row : row + len(part.images)] = h5py.VirtualSource(
            part.path.resolve().name, 'X_train', part.images.shape
        )
        row += len(part.images)
    file.create_virtual_dataset('X_train', layout)
    return []


def _copy(parts: list[_Shard], file: h5py.File) -> list[tuple[_Shard, int]]:
    """Copy all shards but those, returned with their place, whose blocks can be copied past HDF5."""
    first = parts[0].images
    skeleton.create_images(
        file, 'X_train', _whole_shape(parts), first.dtype, first.chunks[0], first.compression_opts
    )
    images = file['X_train']
    blocks = []
    row = 0
    for part in parts:
        alike = all(
            getattr(part.images, name) == getattr(images, name)
            for name in ('chunks', 'compression', 'shuffle', 'fletcher32', 'scaleoffset')
        )
        ends = (row, row + len(part.images))
        whole_chunks = alike and all(end % images.chunks[0] == 0 or end == len(images) for end in ends)
        if whole_chunks and images.compression:
            _copy_chunks(part.images, images, row)
        elif whole_chunks and _is_in_order(part.images):
            blocks.append((part, row))
        else:
            _copy_values(part.rows, images, row)
        row += len(part.images)
    return blocks


def _is_in_order(images: h5py.Dataset) -> bool:
    """Return whether all chunks were allocated at once, as `skeleton.create_images` does."""
    return images.id.get_create_plist().get_alloc_time() == h5py.h5d.ALLOC_TIME_EARLY


def _copy_chunks(source: h5py.Dataset, out: h5py.Dataset, row: int) -> None:
    """Copy compressed chunks as they are: compressing takes most of the time that making them took."""
    zeros = (0,) * (out.ndim - 1)
    for start in range(0, len(source), source.chunks[0]):
        filters, values = source.id.read_direct_chunk((start, *zeros))
        out.id.write_direct_chunk((row + start, *zeros), values, filters)


def _copy_blocks(part: _Shard, out: Path, row: int, signals: StopSignals) -> None:
    """Copy uncompressed chunks from file to file: through HDF5 it takes several times as long."""
    images = part.images
    chunk = images.chunks[0]
    image_bytes = _row_bytes(part.rows)
    block = chunk * max(1, COPY_BYTES // (chunk * image_bytes))
    sizes = Layout(len(images), 1, chunk, block, chunk * image_bytes % PAGE_BYTES == 0)
    begin = skeleton.first_chunk(part.path, sizes)
    target = Target(out, sizes, skeleton.first_chunk(out, sizes) + row * image_bytes)

    def make_task() -> Callable[[int], None]:
        space = target.space(images.shape[1:], images.dtype.str)

        def task(number: int) -> None:
            rows = sizes.block_rows(number)
            values = space[: rows.stop - rows.start].reshape(-1).view(numpy.uint8)
            if os.preadv(file.fileno(), [values.data], begin + rows.start * image_bytes) < len(values):
                raise OSError(f'{part.path}: has become shorter')
            target.write(number, space, rows.stop - rows.start)

        return task

    with contextlib.closing(target), part.path.open('rb', buffering=0) as file:
        for _ in in_threads(make_task, range(sizes.blocks), signals):
            pass


def _copy_values(source: Rows, out: h5py.Dataset, row: int) -> None:
    for start, stop in source.pieces(COPY_BYTES // _row_bytes(source)):
        out[row + start : row + stop] = source.read(start, stop)


def _join_labels(parts: list[_Shard], file: h5py.File) -> None:
    first = parts[0].labels
    rows = sum(len(part.labels) for part in parts)
    joined = file.create_dataset('Y_train', (rows, *first.shape[1:]), first.dtype)
    row = 0
    for part in parts:
        _copy_values(part.labels, joined, row)
        row += len(part.labels)


def _whole_shape(parts: list[_Shard]) -> tuple[int, ...]:
    return (sum(len(part.images) for part in parts), *parts[0].images.shape[1:])


def _row_bytes(rows: Rows) -> int:
    return math.prod(rows.shape[1:]) * rows.dtype.itemsize
