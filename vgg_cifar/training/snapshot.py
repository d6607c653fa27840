"""Snapshots of a trainer: written whole or not at all, read without unpickling."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chainer
import numpy
from chainer.training import Trainer, extensions

from vgg_cifar import npz
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.training.run_folder import SNAPSHOT, RunFolder

Arrays = dict[str, numpy.ndarray]


def snapshot(folder: RunFolder, wanted: Callable[[], bool]) -> chainer.training.Extension:
    """Return Chainer's snapshot extension, which keeps the newest in `folder`, where one is wanted."""

    def write(filename: str, directory: str, arrays: dict[str, Any]) -> None:
        with folder.replacing(filename) as partial, partial.open('wb') as file:
            numpy.savez(file, **arrays)

    return extensions.snapshot(writer=write, filename=SNAPSHOT, condition=wanted)


def read(folder: RunFolder) -> Arrays | None:
    """Return the newest snapshot of `folder`, None where there is none; InputError where it is damaged."""
    path = folder.path / SNAPSHOT
    if not path.exists():
        return None
    with _refused(path), npz.opened(path) as arrays:
        return dict(arrays)


def restore(trainer: Trainer, folder: RunFolder, arrays: Arrays) -> None:
    """Bring `trainer` to the state of a snapshot; InputError where it is not of this network."""
    with _refused(folder.path / SNAPSHOT):
        chainer.serializers.NpzDeserializer(arrays).load(trainer)


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
