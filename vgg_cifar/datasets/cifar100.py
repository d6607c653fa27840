"""CIFAR-100 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009): 100 fine classes.

The official binary layout is a row for each image: a coarse label byte, a fine one, then 3072 bytes, channels
first. Reports use the fine labels.
"""

import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar.counting import counted
from vgg_cifar.datasets.archive_members import folders_at, read_members
from vgg_cifar.datasets.download import cache_folder, download, matches
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.published_pickle import read_published_pickle
from vgg_cifar.datasets.unverified import unverified_name
from vgg_cifar.errors import InputError, WorkFailed

logger = logging.getLogger(__name__)

IMAGE_BYTES = 3 * 32 * 32
NAMES = 'fine_label_names.txt'
# The arrays by ImageData's names, and the names of the classes.
Contents = tuple[dict[str, Any], tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Release:
    """What the data is known by and where it is to be had; `pickle_md5` is of the python archive's files."""

    rows: dict[str, int]
    url: str
    binary_md5: str
    pickle_md5: dict[str, str]


OFFICIAL = Release(
    rows={'train': 50_000, 'test': 10_000},
    url='https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz',
    binary_md5='03b5dce01913d631647c71ecec9e9cb8',
    pickle_md5={
        'train': '16019d7e3df5f24257cddd939b257f8d',
        'test': 'f0ef6b0ae62326f3e7ffdfab6717acfc',
        'meta': '7973b15100ade9c7d40fb424638fde48',
    },
)


def load(path: str | Path | None = None, release: Release = OFFICIAL, cache: Path | None = None) -> ImageData:
    """Return CIFAR-100 from `path` if given, else from the cache or a download into it.

    `path` is the official binary or python archive, or the folder that one of them was unpacked to. Images
    are uint8 (50,000 and 10,000, 3, 32, 32). The binary archive and the python archive's files have known
    MD5s. Other binary archives, and the binary archive's files, which have none, are marked as unverified;
    other pickles are refused.

    Raises:
        InputError: `path` does not hold CIFAR-100.
        WorkFailed: the download failed.

    """
    if path is None:
        path = _download(release, cache_folder() if cache is None else cache)
    path = Path(path)
    wanted = ('train.bin', 'test.bin', NAMES, 'train', 'test', 'meta')
    # A pickle has names beside the images.
    most_bytes = 2 * max(release.rows.values()) * (IMAGE_BYTES + 2) + 2**16
    for folder in folders_at(path):
        files = read_members(folder, wanted, most_bytes)
        if {'train.bin', 'test.bin', NAMES} <= set(files):
            arrays, class_names = _from_binary(files, path, release)
            verified = matches(path, f'md5:{release.binary_md5}')
            break
        if {'train', 'test', 'meta'} <= set(files):
            arrays, class_names = _from_pickles(files, path, release)
            verified = True
            break
    else:
        raise InputError(
            f'{path}: missing train.bin, test.bin and {NAMES}, or train, test and meta; give the official '
            'binary or python archive, or the folder that it was unpacked to'
        )
    if not verified:
        logger.warning('%s: no known checksum vouches for it; the data is marked as unverified', path)
    sha256 = {f'sha256_{name}': hashlib.sha256(array).hexdigest() for name, array in arrays.items()}
    return ImageData(
        name='cifar100' if verified else unverified_name('cifar100'),
        synthetic=False,
        class_names=class_names,
        source=str(path),
        provenance=sha256,
        **arrays,
    )


def _download(release: Release, folder: Path) -> Path:
    logger.info('downloading %s (170 MB; this host can be slow)', release.url)
    try:
        return download(release.url, f'md5:{release.binary_md5}', folder)
    except WorkFailed as error:
        raise WorkFailed(
            f'CIFAR-100 could not be had: {release.url}: {error}; get the archive on another machine and '
            'give it with --from'
        ) from error


def _from_binary(files: dict[str, bytes], path: Path, release: Release) -> Contents:
    arrays: dict[str, Any] = {}
    for part, rows in release.rows.items():
        size, found = rows * (2 + IMAGE_BYTES), len(files[f'{part}.bin'])
        if found != size:
            has = counted(found, 'byte')
            raise InputError(f'{path}: {part}.bin: found {has}, expected {size:,}; get it again')
        table = numpy.frombuffer(files[f'{part}.bin'], numpy.uint8).reshape(rows, -1)
        arrays |= _part(part, table[:, 2:], table[:, 1], f'{path}: {part}.bin')
    names = files[NAMES].decode('utf-8', 'replace').split()
    return arrays, _checked(names, f'{path}: {NAMES}')


def _from_pickles(files: dict[str, bytes], path: Path, release: Release) -> Contents:
    content = {
        name: read_published_pickle(files[name], md5, f'{path}: {name}')
        for name, md5 in release.pickle_md5.items()
    }
    arrays: dict[str, Any] = {}
    for part in release.rows:
        labels = numpy.array(content[part]['fine_labels'])
        arrays |= _part(part, content[part]['data'], labels, f'{path}: {part}')
    return arrays, _checked(content['meta']['fine_label_names'], f'{path}: meta: fine_label_names')


def _part(part: str, images: numpy.ndarray, labels: numpy.ndarray, what: str) -> dict[str, numpy.ndarray]:
    if int(labels.max()) >= 100:
        raise InputError(f'{what}: found a fine label of {labels.max()}, expected 0 to 99; get it again')
    x = numpy.ascontiguousarray(images.reshape(-1, 3, 32, 32))
    return {f'x_{part}': x, f'y_{part}': labels.astype(numpy.int32)}


def _checked(names: object, what: str) -> tuple[str, ...]:
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if len(texts) != 100 or not all(text.isprintable() and 0 < len(text) < 100 for text in texts):
        raise InputError(f'{what}: expected the 100 names of the classes; get it again')
    return tuple(texts)
