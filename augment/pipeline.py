"""From one HDF5 file to a larger one, block by block, with every core and in constant memory."""

import contextlib
import errno
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from augment import provenance, skeleton
from augment.device import Apply, applier
from augment.journal import Journal, stamp
from augment.layout import Layout, layout
from augment.recipe import Recipe
from augment.targets import CompressedTarget, Target, assemble
from augment.workers import how_many, in_threads
from vgg_cifar.atomic import require_writable, sync
from vgg_cifar.counting import counted, in_bytes
from vgg_cifar.data_file import DataFile, open_data_file, read_images
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.free_space import require_disk, require_memory, reserve
from vgg_cifar.hdf5_file import Rows
from vgg_cifar.progress import progress
from vgg_cifar.stop_signals import StopSignals

# The work of this time is what a kill may cost, and what may wait in the system's memory for the disk.
SECONDS_BETWEEN_SYNCS = 1.0

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Summary:
    """What has been written, and how long this run took; `constant` counts images of one single value."""

    out: Path
    rows: int
    copies: list[str]
    constant: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        zeros = f'; {self.constant:,} of one constant value, normalized to zeros' if self.constant else ''
        return (
            f'wrote {self.out}: {counted(self.rows * len(self.copies), "image")} from {self.rows:,} '
            f'({", ".join(self.copies)}), {in_bytes(self.bytes)} in {self.seconds:.1f} s{zeros}'
        )


def augment(
    source: str | os.PathLike,
    out: str | os.PathLike,
    recipe: Recipe | None = None,
    *,
    rows: tuple[int | None, int | None] = (None, None),
    device: str = '-1',
    overwrite: bool = False,
    fresh: bool = False,
    command: str = '',
    source_sha256: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Summary:
    """Write the copies of the training images of `source` to `out`; go on where a killed run stopped.

    X_train of the output holds the copies of each image beside each other, Y_train each label as often;
    everything else is passed on. The output appears whole or not at all, and does not depend on kills.

    Args:
        source: an HDF5 file with X_train (N, C, H, W), Y_train, X_test, Y_test; see CIFAR10.hdf5.md.
        out: the file to write.
        recipe: what to make of each image.
        rows: augment only the rows from rows[0] to before rows[1], as one of several shards for `merge`.
        device: '-1' for the CPU; '0', '1', ... or '@cupy:0' for a GPU.
        overwrite: replace `out` where it exists.
        fresh: start anew where an unfinished output is there.
        command: what the output should remember as the command that made it.
        source_sha256: the source's checksum where it is known already; else the source is read for it.
        threads: how many compute; by default as many as the processors can keep busy.
        quiet: show no progress.

    Raises:
        InputError: bad input, a full disk, an output that exists; nothing is left of the output.
        InUse: another process is writing `out`.
        Interrupted: Ctrl-C or SIGTERM came; the same call goes on.

    """
    started = time.monotonic()
    recipe = recipe or Recipe()
    paths = Paths(Path(os.path.realpath(out)))
    require_writable(Path(out), overwrite or paths.journal.exists())
    left = f'{paths.partial} holds what is done, the same command goes on'
    with StopSignals(left) as signals, signals.raised(), contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_data_file(Path(source)))
        images = opened.images['train']
        refuse_as_output(opened.files, paths)
        part = _part(images, rows)
        recipe.check_images(images)
        apply = applier(recipe, device)
        image_bytes = numpy.dtype(recipe.dtype).itemsize * math.prod(images.shape[1:])
        sizes = layout(part.stop - part.start, len(recipe.names), image_bytes)
        # Of a block, a thread holds the images, the copies, and as much again while it computes.
        block_bytes = image_bytes * (sizes.block_images + sizes.block)
        require_memory(images.what, 2 * block_bytes * how_many(sizes.blocks, threads))
        identity = provenance.identity(opened, part, recipe, sizes, source_sha256)
        attributes = provenance.attributes(opened, identity, recipe, command)

        paths.out.parent.mkdir(parents=True, exist_ok=True)
        journal = stack.enter_context(contextlib.closing(Journal(paths.journal)))
        job = _Job(opened, part, recipe, sizes, paths, journal)
        if fresh or journal.identity != identity or not job.is_complete():
            goes_on = job.goes_on(identity, fresh, overwrite)
            with job.cleared_on_bad_input():
                if not goes_on:
                    job.start(identity, attributes)
                job.work(apply, signals, threads, quiet)
                job.complete(attributes)
        job.publish(overwrite)
        constant = sum(count for count, *_ in journal.done.values())
    return Summary(
        Path(out), sizes.rows, recipe.names, constant, paths.out.stat().st_size, time.monotonic() - started
    )


@dataclass(frozen=True)
class Paths:
    """The output and what lies beside it until it is complete, in its folder, so that renames are atomic."""

    out: Path

    @property
    def partial(self) -> Path:
        """The output to be; where it is compressed, the heap of its chunks."""
        return self.out.with_name(f'{self.out.name}.partial')

    @property
    def new(self) -> Path:
        """An HDF5 file that HDF5 is writing: worth nothing after a kill."""
        return self.out.with_name(f'{self.out.name}.partial.new')

    @property
    def journal(self) -> Path:
        """What is done."""
        return self.out.with_name(f'{self.out.name}.partial.journal')


def refuse_as_output(read: Iterable[Path], paths: Paths) -> None:
    """Raise InputError where writing `paths` would change a file that is read, be it through links."""
    for written in (paths.out, paths.partial, paths.new, paths.journal):
        for path in read:
            if written.exists() and path.samefile(written):
                raise InputError(
                    f'{written}: is read from ({path}), and cannot be written; choose another output'
                )


@dataclass(frozen=True)
class _Job:
    """One output on its way. At any moment it may be killed, and the next one goes on."""

    source: DataFile
    part: slice
    recipe: Recipe
    sizes: Layout
    paths: Paths
    journal: Journal

    def goes_on(self, identity: dict[str, Any], fresh: bool, overwrite: bool) -> bool:
        """Return whether to go on with an unfinished output; refuse to touch what is something else's."""
        require_writable(self.paths.out, overwrite)
        known = self.journal.identity
        for unfinished in (self.paths.partial, self.paths.new):
            if unfinished.exists() and known != identity and not fresh:
                what = (
                    'no unfinished output of this command' if known is None else self._differences(identity)
                )
                raise InputError(f'{unfinished}: holds {what}; --fresh to start anew, or move it away')
        return self.paths.partial.exists() and not fresh

    def _differences(self, identity: dict[str, Any]) -> str:
        before = self.journal.identity or {}
        names = [name for name in identity if before.get(name) != identity[name]]
        return f'an unfinished output with another {" and ".join(names)}'

    def start(self, identity: dict[str, Any], attributes: dict[str, Any]) -> None:
        """Begin anew: the partial output appears, with room for all blocks."""
        self.paths.partial.unlink(missing_ok=True)
        self.journal.start(identity)
        if self.recipe.gzip:
            self.paths.partial.touch()
        else:
            row_bytes = numpy.dtype(self.recipe.dtype).itemsize * math.prod(
                self.source.images['train'].shape[1:]
            )
            self._create_skeleton(attributes, 0, row_bytes * self.sizes.rows * self.sizes.copies)
            reserve(self.paths.new, self.paths.new.stat().st_size)
            sync(self.paths.new)
            self.paths.new.replace(self.paths.partial)

    def _create_skeleton(self, attributes: dict[str, Any], chunks: int, later: int) -> None:
        """Create it where there is room for it, for `chunks` bytes added by HDF5, and `later` bytes by us."""
        self.paths.new.unlink(missing_ok=True)
        size = skeleton.size(self.source, self.part, self.recipe, self.sizes)
        require_disk(self.paths.new, size + chunks, later)
        skeleton.create(self.paths.new, self.source, self.part, self.recipe, self.sizes, attributes)

    def work(self, apply: Apply, signals: StopSignals, threads: int | None, quiet: bool) -> None:
        """Compute and write all blocks that are not done."""
        done = self.journal.done
        ready = [self.sizes.block_rows(number) for number in done]
        ready_rows = sum(rows.stop - rows.start for rows in ready)
        bar = progress(self.sizes.rows, 'images', initial=ready_rows, quiet=quiet)
        target = self._target()
        todo = [number for number in range(self.sizes.blocks) if number not in done]
        results = in_threads(lambda: self._task(apply, target), todo, signals, threads)
        written: list[list[int]] = []
        last = time.monotonic()
        try:
            with contextlib.closing(results):
                for result in results:
                    written.append(result)
                    rows = self.sizes.block_rows(result[0])
                    bar.update(rows.stop - rows.start)
                    if time.monotonic() - last > SECONDS_BETWEEN_SYNCS:
                        self._record(target, written)
                        last = time.monotonic()
        finally:
            self._record(target, written)
            target.close()
            bar.close()

    def _task(self, apply: Apply, target: Target) -> Callable[[int], list[int]]:
        """Return what computes and writes a block, with memory of its own, and returns the journal's line."""
        images = self.source.images['train']
        space = target.space(images.shape[1:], self.recipe.dtype)

        def task(number: int) -> list[int]:
            rows = self.sizes.block_rows(number)
            there = slice(self.part.start + rows.start, self.part.start + rows.stop)
            x = read_images(images, there.start, there.stop)
            constant = 0
            if 'normalize' in self.recipe.copies:
                constant = _count_constant(x, there.start, images.what)
            count = len(x) * self.sizes.copies
            apply(x, space[:count])
            return [number, constant, *target.write(number, space, count)]

        return task

    def _record(self, target: Target, written: list[list[int]]) -> None:
        # A system reports a write that has failed to the first who asks, and to nobody after: what was to be
        # synced then is not done, and must not be recorded by whoever comes next.
        blocks = written.copy()
        written.clear()
        if blocks:
            target.sync()
            self.journal.add(blocks)

    def _target(self) -> Target:
        if self.recipe.gzip:
            return CompressedTarget(self.paths.partial, self.sizes, self.journal.done, self.recipe.gzip)
        return Target(self.paths.partial, self.sizes, skeleton.first_chunk(self.paths.partial, self.sizes))

    def complete(self, attributes: dict[str, Any]) -> None:
        """Make the output need nothing but its name."""
        if self.recipe.gzip:
            self._create_skeleton(attributes, self.paths.partial.stat().st_size, 0)
            assemble(self.paths.partial, self.paths.new, self.sizes, self.journal.done)
            sync(self.paths.new)
        self.journal.finish(self.paths.new if self.recipe.gzip else self.paths.partial)

    def is_complete(self) -> bool:
        """Return whether the output needs nothing but its name, or has it already."""
        places = (self.paths.new, self.paths.partial, self.paths.out)
        return any(path.exists() and stamp(path) == self.journal.complete for path in places)

    def publish(self, overwrite: bool) -> None:
        """Give the complete output its name."""
        if self.paths.new.exists():
            self.paths.new.replace(self.paths.partial)
        if self.paths.partial.exists():
            require_writable(self.paths.out, overwrite)
            self.paths.partial.replace(self.paths.out)
        self.journal.delete()

    @contextlib.contextmanager
    def cleared_on_bad_input(self) -> Iterator[None]:
        """Leave nothing of the output where it cannot be completed."""
        try:
            yield
        except (InputError, OSError) as error:
            full = isinstance(error, OSError) and error.errno in FULL
            if not full and not isinstance(error, InputError):
                raise
            for path in (self.paths.partial, self.paths.new, self.paths.journal):
                path.unlink(missing_ok=True)
            if full:
                raise InputError(
                    f'{self.paths.out}: the disk is full ({first_line(error)}); '
                    'free some space, or write to another disk'
                ) from None
            raise


def _count_constant(x: numpy.ndarray, first_row: int, what: str) -> int:
    """Return how many images are of one value. Raises InputError where float32 cannot hold a difference."""
    flat = x.reshape(len(x), -1)
    with numpy.errstate(over='ignore'):
        extent = flat.max(axis=1) - flat.min(axis=1)
    if not numpy.isfinite(extent).all():
        row = first_row + int(numpy.argmin(numpy.isfinite(extent)))
        raise InputError(
            f'{what}: row {row} spans more than float32 can hold, which normalize needs; scale it'
        )
    return int(numpy.count_nonzero(extent == 0))


def _part(images: Rows, rows: tuple[int | None, int | None]) -> slice:
    count = len(images)
    start, stop = rows[0] or 0, count if rows[1] is None else rows[1]
    if not 0 <= start < stop <= count:
        raise InputError(
            f'{images.what}: rows {start} to {stop} asked for, expected 0 <= A < B <= {count}; '
            'correct --rows A:B'
        )
    return slice(start, stop)
