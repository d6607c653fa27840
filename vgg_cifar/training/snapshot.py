"""Snapshots of a trainer: written whole or not at all, read without unpickling."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chainer
import numpy
from chainer.training import Trainer, extensions

from vgg_cifar import npz
from vgg_cifar.atomic import replacing
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.training.communicator import OneProcess
from vgg_cifar.training.run_folder import RunFolder


def snapshot(folder: RunFolder) -> chainer.training.Extension:
    """Return Chainer's snapshot extension, which keeps the newest snapshot of `folder`."""

    def write(filename: str, directory: str, arrays: dict[str, Any]) -> None:
        older = folder.snapshots()
        with replacing(Path(directory) / filename) as partial, partial.open('wb') as file:
            numpy.savez(file, **arrays)
        for snapshot_file in older:
            if snapshot_file.name != filename:
                snapshot_file.unlink()

    return extensions.snapshot(writer=write)


def resume(trainer: Trainer, folder: RunFolder, processes: OneProcess) -> bool:
    """Bring `trainer` to the state of the newest snapshot of `folder`; return False where there is none.

    The first process reads the snapshot for all.

    Raises:
        InputError: the snapshot is damaged or not of this network.

    """
    path, arrays = folder.path, None
    with processes.agreed():
        for path in folder.snapshots()[-1:]:
            with _refused(path), npz.opened(path) as file:
                arrays = dict(file)
    arrays = processes.from_first(arrays)
    if arrays is None:
        return False
    with processes.agreed(), _refused(path):
        chainer.serializers.NpzDeserializer(arrays).load(trainer)
    return True


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or foreign snapshot raises, which may be anything, into an InputError."""
    try:
        yield
    except Exception as error:
        reason = first_line(error).removeprefix(f'{path}: ')
        raise InputError(
            f'{path}: not a snapshot of this run ({reason}); use --fresh to start anew'
        ) from None
