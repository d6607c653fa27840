"""Snapshots of a trainer: written whole or not at all, read without unpickling."""

import zipfile
from pathlib import Path
from typing import Any

import chainer
import numpy
from chainer.training import Trainer, extensions

from vgg_cifar.atomic import replacing
from vgg_cifar.errors import InputError
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


def resume(trainer: Trainer, folder: RunFolder) -> bool:
    """Bring `trainer` to the state of the newest snapshot of `folder`; return False where there is none.

    Raises:
        InputError: the snapshot is damaged or not of this network.

    """
    snapshots = folder.snapshots()
    if not snapshots:
        return False
    path = snapshots[-1]
    try:
        with numpy.load(path, allow_pickle=False) as arrays:
            chainer.serializers.NpzDeserializer(arrays).load(trainer)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f'{path}: not a snapshot of this run ({error}); use --fresh to start anew') from None
    return True
