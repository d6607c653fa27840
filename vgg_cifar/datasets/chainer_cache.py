"""Chainer's own cache of data sets, filled from ours: its get_mnist asks hosts that are gone."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar import atomic
from vgg_cifar.datasets.catalogue import LOADERS
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError

logger = logging.getLogger(__name__)

FILES = {
    'mnist': ('mnist/train.npz', 'mnist/test.npz'),
    'cifar10': ('cifar/cifar-10.npz',),
    'cifar100': ('cifar/cifar-100.npz',),
}
"""What Chainer keeps of each data set, below pfnet/chainer."""


def root() -> Path:
    """Return the folder of Chainer's data sets: $CHAINER_DATASET_ROOT, or ~/.chainer/dataset."""
    chosen = os.environ.get('CHAINER_DATASET_ROOT')
    return Path(chosen) if chosen else Path.home() / '.chainer' / 'dataset'


def fill(name: str, folder: Path | None = None) -> None:
    """Put a data set into Chainer's cache, from ours or a download, unless it is there.

    Raises WorkFailed where it cannot be had.
    """
    places = [(folder or root()) / 'pfnet' / 'chainer' / file for file in FILES[name]]
    if not all(place.exists() for place in places):
        for path in write(LOADERS[name](None), folder):
            logger.info('wrote %s', path)


def write(data: ImageData, folder: Path | None = None) -> list[Path]:
    """Write a data set into Chainer's cache, as uint8 (N, C * H * W), and return the files' paths.

    Raises InputError for one that Chainer has no file for.
    """
    if data.name not in FILES:
        raise InputError(f'{data.name}: Chainer has no file for it; it knows {", ".join(FILES)}')
    parts: list[dict[str, Any]] = [
        {'x': numpy.asarray(x).reshape(len(x), -1), 'y': y.astype(numpy.uint8)}
        for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test))
    ]
    if len(FILES[data.name]) == 1:
        names = ('train', 'test')
        pairs = zip(names, parts, strict=True)
        parts = [{f'{part}_{key}': array for part, arrays in pairs for key, array in arrays.items()}]
    paths = []
    for file, arrays in zip(FILES[data.name], parts, strict=True):
        path = (folder or root()) / 'pfnet' / 'chainer' / file
        with atomic.replacing(path) as partial, partial.open('wb') as stream:
            numpy.savez_compressed(stream, **arrays)
        paths.append(path)
    return paths
