"""The work spread over the workers of a Dask cluster: shards on a file system that all share, then joined."""

import contextlib
import functools
import hashlib
import json
import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy

from augment import merge, pipeline, provenance
from augment.device import applier
from augment.journal import Journal, is_open, stamp
from augment.layout import Layout, layout
from augment.pipeline import Paths, Summary, refuse_as_output
from augment.recipe import Recipe
from vgg_cifar.atomic import require_writable
from vgg_cifar.dask_connection import Team, connected
from vgg_cifar.data_file import DataFile, open_data_file
from vgg_cifar.errors import InputError, InUse, WorkFailed, first_line
from vgg_cifar.progress import progress
from vgg_cifar.stop_signals import StopSignals

# A shard of this size takes a thread about a second: many are left to share out to the end, and each costs
# little beside the work. Shards do not depend on the workers, so that another cluster can go on.
SHARD_BYTES = 64 * 2**20

# All are open at once while they are joined; most systems allow 1024 open files.
MOST_SHARDS = 500

# A cluster that has had no workers for so long is given up.
SECONDS_FOR_WORKERS = 30.0

# Longer than NFS keeps the locks of a host that has died (90 s), and than it hides a new file (60 s).
SECONDS_OF_PATIENCE = 120.0

# How often a shard whose task has failed is tried once more, on whichever worker.
RETRIES = 2


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to write a shard of `out`.

    `identity` is the journal's; `stamps` holds the size and the time of change of each file of the source.
    """

    source: Path
    stamps: dict[Path, list[int]]
    out: Path
    recipe: Recipe
    device: str
    command: str
    identity: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where the shards lie until they are joined."""
        return self.out.with_name(f'{self.out.name}.shards')

    def shard(self, rows: slice) -> Path:
        """Return the name of a shard, which no shard of another job has."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]
        return self.folder / f'{rows.start:09}-{rows.stop:09}-{digest}.hdf5'


def augment(
    source: str | os.PathLike,
    out: str | os.PathLike,
    recipe: Recipe,
    scheduler: str,
    *,
    device: str = '-1',
    overwrite: bool = False,
    fresh: bool = False,
    command: str = '',
) -> Summary:
    """Do what `pipeline.augment` does, to the same bits, on the workers of the cluster at `scheduler`.

    All workers must find `source` and the folder of `out` under the same paths. A shard takes one of the
    threads that Dask counts.

    Raises:
        InputError: bad input, a full disk, an output that exists, no workers, or workers that cannot do it.
        WorkFailed: a shard could not be written, on several workers; the same call goes on.
        Interrupted: Ctrl-C or SIGTERM came; the same call goes on.

    """
    started = time.monotonic()
    # Links are followed here, in case workers see the folder but not the link.
    paths = Paths(Path(os.path.realpath(out)))
    require_writable(Path(out), overwrite or paths.journal.exists())
    folder = paths.out.with_name(f'{paths.out.name}.shards')
    left = f'{folder} holds what is done, the same command goes on'
    with StopSignals(left) as signals, signals.raised(), contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_data_file(Path(source).absolute()))
        _refuse_as_output(opened, paths, folder)
        images = opened.images['train']
        rows = len(images)
        recipe.check_images(images)
        image_bytes = numpy.dtype(recipe.dtype).itemsize * math.prod(images.shape[1:])
        sizes = layout(rows, len(recipe.names), image_bytes)
        client = stack.enter_context(connected(scheduler))

        shards = _cut(sizes, image_bytes)
        identity = provenance.identity(opened, slice(0, rows), recipe, sizes) | {'shards': len(shards)}
        stamps = {path: stamp(path) for path in opened.files}
        job = Job(opened.path, stamps, paths.out, recipe, device, command, identity)
        files = [job.shard(part) for part in shards]

        paths.out.parent.mkdir(parents=True, exist_ok=True)
        journal = stack.enter_context(contextlib.closing(Journal(paths.journal)))
        stack.callback(_leave_no_trace, job, paths, journal)
        if fresh or not _is_joined(job, paths, journal):
            _begin(job, paths, journal, fresh, overwrite)
            team = Team(client, functools.partial(_check_worker, job), SECONDS_FOR_WORKERS)
            _write_shards(team, job, shards, journal, signals)
            client.close()
            _wait_for_files(files)
            merge.join(paths.out, files, True, overwrite, signals, folder / 'joined', journal.finish)
        shutil.rmtree(folder, ignore_errors=True)
    constant = sum(count for count, *_ in journal.done.values())
    seconds = time.monotonic() - started
    return Summary(Path(out), rows, recipe.names, constant, paths.out.stat().st_size, seconds)


def write_shard(job: Job, rows: slice) -> int:
    """Write a shard unless it is there, on a worker; return how many of its images are constant.

    Another worker may be writing it still, one that the scheduler has given up but that is alive: its journal
    is locked, and whichever of the two comes second finds a finished shard.

    Raises InputError as `check_here` does, and InUse where the other worker does not come to an end.
    """
    shard = job.shard(rows)
    patient_until = time.monotonic() + SECONDS_OF_PATIENCE
    while True:
        try:
            with _host_named():
                check_here(job)
                if shard.exists() and not Paths(shard).journal.exists():
                    return _count_constant(shard, job.recipe)
                return pipeline.augment(
                    job.source,
                    shard,
                    job.recipe,
                    rows=(rows.start, rows.stop),
                    device=job.device,
                    overwrite=True,
                    command=job.command,
                    source_sha256=job.identity['source_sha256'],
                    threads=1,
                    quiet=True,
                ).constant
        except InUse:
            if time.monotonic() > patient_until:
                raise
            time.sleep(0.5)


def check_here(job: Job) -> None:
    """Check that this host can write shards of `job`, and that its client is still waiting for them.

    Raises InputError where it does not see the same files, or cannot write; and where locks do not reach from
    the client's host to this one.
    """
    _check_source(job)
    journal = Paths(job.out).journal
    try:
        held = is_open(journal)
        with tempfile.TemporaryFile(dir=job.folder):
            pass
    except FileNotFoundError:
        raise InputError(
            f'{job.folder}: not there; write to a folder that all workers share, under one path'
        ) from None
    except OSError as error:
        raise InputError(
            f'{job.folder}: cannot be written to ({first_line(error)}); allow it, or write elsewhere'
        ) from None
    if not held:
        raise InputError(
            f'{journal}: the lock on it is not seen; write to a file system whose locks reach all hosts'
        )


def _check_worker(job: Job, worker: Any) -> None:
    """Raise InputError where a worker cannot take part."""
    check_here(job)
    applier(job.recipe, job.device)


def _check_source(job: Job) -> None:
    try:
        found = {path: stamp(path) for path in job.stamps}
    except OSError as error:
        raise InputError(
            f'{job.source}: not readable ({first_line(error)}); put it where all workers find it'
        ) from None
    # A copy of the file has another time.
    if (
        found != job.stamps
        and _sha256(job.source, json.dumps([*found.values()])) != (job.identity['source_sha256'])
    ):
        raise InputError(f'{job.source}: found another file than here, expected the same; copy it once more')


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, stamps: str) -> str:
    """Return a source's checksum; `stamps` tells what it was computed of from what it has become."""
    with open_data_file(path) as source:
        return provenance.sha256(source.files)


@contextlib.contextmanager
def _host_named() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise type(error)(f'worker on {socket.gethostname()}: {error}') from None


def _count_constant(shard: Path, recipe: Recipe) -> int:
    """Count a finished shard's images of one value: only those have normalized to nothing but zeros."""
    if 'normalize' not in recipe.copies:
        return 0
    place, copies = recipe.copies.index('normalize'), len(recipe.names)
    count = 0
    with h5py.File(shard) as file:
        images = file['X_train']
        step = copies * max(1, merge.COPY_BYTES // (copies * images[:1].nbytes))
        for start in range(0, len(images), step):
            normalized = images[start + place : start + step : copies]
            count += int((~normalized.reshape(len(normalized), -1).any(axis=1)).sum())
    return count


def _refuse_as_output(source: DataFile, paths: Paths, folder: Path) -> None:
    refuse_as_output(source.files, paths)
    for path in source.files:
        if folder in path.resolve().parents:
            raise InputError(f'{path}: lies in {folder}, which is for shards only; move it')


def _cut(sizes: Layout, image_bytes: int) -> list[slice]:
    """Return the rows of each shard: whole blocks, and so whole chunks, of the file to be."""
    block_bytes = sizes.block_images * image_bytes
    blocks = max(1, SHARD_BYTES // block_bytes, -(-sizes.blocks // MOST_SHARDS))
    step = blocks * sizes.block
    return [slice(start, min(sizes.rows, start + step)) for start in range(0, sizes.rows, step)]


def _is_joined(job: Job, paths: Paths, journal: Journal) -> bool:
    """Return whether an earlier call was killed when all but the removal of the shards was done."""
    mine = journal.identity == job.identity
    return mine and paths.out.exists() and stamp(paths.out) == journal.complete


def _begin(job: Job, paths: Paths, journal: Journal, fresh: bool, overwrite: bool) -> None:
    """Go on with the shards that are there, or begin anew; refuse to touch what is something else's."""
    require_writable(paths.out, overwrite)
    if fresh or journal.identity != job.identity:
        for unfinished in (paths.partial, job.folder):
            if unfinished.exists() and not fresh:
                raise InputError(
                    f'{unfinished}: holds an unfinished output of another command or input; '
                    '--fresh to start anew, or move it away'
                )
        paths.partial.unlink(missing_ok=True)
        if job.folder.exists():
            for shard in {path.name.partition('.partial')[0] for path in job.folder.iterdir()}:
                _delete(job.folder / shard)
        journal.start(job.identity)
    job.folder.mkdir(exist_ok=True)


def _delete(shard: Path) -> None:
    """Delete a shard, finished or not. Raises InUse while a worker writes it."""
    paths = Paths(shard)
    with contextlib.closing(Journal(paths.journal)) as journal:
        for path in (paths.out, paths.partial, paths.new):
            path.unlink(missing_ok=True)
        journal.delete()


def _leave_no_trace(job: Job, paths: Paths, journal: Journal) -> None:
    """Delete the journal where nothing is left to go on from: nothing is done yet, or all is."""
    with contextlib.suppress(OSError):
        job.folder.rmdir()
    if not job.folder.exists() and journal.identity in (None, job.identity):
        journal.delete()


def _write_shards(team: Team, job: Job, shards: list[slice], journal: Journal, signals: StopSignals) -> None:
    """Have all shards written that are not there, and note each in the journal."""
    numbers = {rows.start: number for number, rows in enumerate(shards)}
    done = [number for number in journal.done if job.shard(shards[number]).exists()]
    todo = [rows for rows in shards if numbers[rows.start] not in done]
    ready = sum(shards[number].stop - shards[number].start for number in done)
    bar = progress(shards[-1].stop, 'images', initial=ready)
    answers = team.answers(functools.partial(write_shard, job), todo, signals, retries=RETRIES)
    with contextlib.closing(bar), contextlib.closing(answers):
        for rows, answer in answers:
            if isinstance(answer, InputError):
                raise answer
            if isinstance(answer, Exception):
                raise WorkFailed(
                    f'rows {rows.start} to {rows.stop - 1}: {type(answer).__name__}: {first_line(answer)}; '
                    'finished shards stay, the same command goes on'
                )
            journal.add([[numbers[rows.start], answer]])
            bar.update(rows.stop - rows.start)


def _wait_for_files(paths: list[Path]) -> None:
    """Wait until files that other hosts have written are seen here: network file systems take their time."""
    patient_until = time.monotonic() + SECONDS_OF_PATIENCE
    # To list the folder makes NFS ask its server, which to look for a name does not.
    while missing := set(paths) - set(paths[0].parent.iterdir()):
        if time.monotonic() > patient_until:
            raise WorkFailed(
                f'{min(missing)}: written by a worker, but not seen here; '
                'write to a file system that all share, and the same command goes on'
            )
        time.sleep(0.5)
