"""EMNIST balanced (Cohen, Afshar, Tapson and van Schaik, 2017): 47 handwritten digits and letters, 28x28.

Reports R2 and R4 split its 131,600 images into 100,000, 15,800 for validation and 15,800 for testing, and do
not say how. Here the 15,800 test images are drawn from the official 18,800, so that no image on which others
train is tested on, and the validation images from the official training images; the rest are for training.
"""

import dataclasses
import logging
from pathlib import Path

import numpy

from vgg_cifar.counting import counted
from vgg_cifar.datasets.download import cache_folder, download, matches
from vgg_cifar.datasets.idx_set import IdxSet, read_idx_set
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.mnist import image_data
from vgg_cifar.errors import InputError, WorkFailed

logger = logging.getLogger(__name__)

PREFIX = 'emnist-balanced'


@dataclasses.dataclass(frozen=True)
class Release:
    """What the archive is known by and where it is to be had; `held_out` is each of validation and test."""

    url: str
    sha256: str
    train: int
    test: int
    held_out: int


OFFICIAL = Release(
    url='https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip',
    sha256='fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e',
    train=112_800,
    test=18_800,
    held_out=15_800,
)


def load(path: str | Path | None = None, release: Release = OFFICIAL, cache: Path | None = None) -> ImageData:
    """Return EMNIST balanced from `path` if given, else from the cache or a download into it.

    `path` is the official archive of idx files, ``gzip.zip``, or a zip archive or folder of any other idx
    set, which then has the name of its own files, here and wherever its numbers appear, and its own parts.
    Images are uint8 (N, 1, 28, 28). NIST's lie on their sides, mirrored: they are turned upright. Another
    set's are taken as they are, unless its files have the names of NIST's.

    Raises:
        InputError: `path` holds no such files.
        WorkFailed: the download failed.

    """
    if path is None:
        path = _download(release, cache_folder() if cache is None else cache)
    path = Path(path)
    found = read_idx_set(path, PREFIX)
    if found.prefix != PREFIX:
        return image_data(found, path, PREFIX, {})
    official = matches(path, f'sha256:{release.sha256}')
    data = image_data(found, path, PREFIX, None if official else {})
    return _split(data, found, release)


def _download(release: Release, folder: Path) -> Path:
    logger.info('downloading %s (560 MB)', release.url)
    try:
        return download(release.url, f'sha256:{release.sha256}', folder)
    except WorkFailed as error:
        raise WorkFailed(
            f'EMNIST could not be had: {release.url}: {error}; get gzip.zip on another machine and give it '
            'with --from (another checksum than the known one is accepted there, and marked)'
        ) from error


def _split(data: ImageData, found: IdxSet, release: Release) -> ImageData:
    """Split as the reports do, by permutations that are the same everywhere."""
    for part, expected in (('train', release.train), ('test', release.test)):
        if len(found.labels[part]) != expected:
            images = counted(len(found.labels[part]), f'{part} image')
            raise InputError(
                f'{data.source}: {PREFIX}: found {images}, expected {expected}; get the archive again'
            )
    train = numpy.random.RandomState(0).permutation(release.train)
    test = numpy.random.RandomState(1).permutation(release.test)
    held_out = release.held_out
    parts = {}
    for kind in 'xy':
        from_train, from_test = getattr(data, f'{kind}_train'), getattr(data, f'{kind}_test')
        parts[f'{kind}_validation'] = from_train[train[:held_out]]
        parts[f'{kind}_test'] = from_test[test[:held_out]]
        parts[f'{kind}_train'] = numpy.concatenate([from_train[train[held_out:]], from_test[test[held_out:]]])
    return dataclasses.replace(data, **parts)
