"""`python -m augment`: the command."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vgg_cifar.arguments import Parser
from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError, exit_status
from vgg_cifar.stop_signals import StopSignals

EXAMPLES = """examples:
  python -m augment CIFAR10.hdf5 CIFAR10x4.hdf5                         the four copies of report R1's listing
  python -m augment CIFAR10.hdf5 --preview copies.png                   look at them first, write nothing else
  python -m augment CIFAR10.hdf5 CIFAR10x16.hdf5 --rotate 15            twelve rotations more
  python -m augment CIFAR10.hdf5 CIFAR10x3.hdf5 --copies original flip median --dtype uint8
  python -m augment CIFAR10.hdf5 part0.hdf5 --rows 0:25000              one of two shards, on any machine
  python -m augment CIFAR10.hdf5 part1.hdf5 --rows 25000:
  python -m augment merge WHOLE.hdf5 part0.hdf5 part1.hdf5              join them
  python -m augment CIFAR10.hdf5 CIFAR10x4.hdf5 --scheduler tcp://HOST:8786   on a Dask cluster

A run that was killed goes on where it stopped when it is started again, and gives the same bits."""

MERGE_EXAMPLES = """examples:
  python -m augment merge WHOLE.hdf5 part0.hdf5 part1.hdf5              refers to the shards, which stay
  python -m augment merge WHOLE.hdf5 part*.hdf5 --copy                  a file of its own"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0: done, 1: failed, 2: bad input or usage, 128 + the number of a signal."""
    given = sys.argv[1:] if argv is None else list(argv)
    arguments = argparse.Namespace(debug=False)

    def run() -> int:
        # Before anything is imported that takes a while.
        with StopSignals('nothing is half-written') as signals, signals.raised():
            merges = given[:1] == ['merge']
            work: Callable[[argparse.Namespace, str], None] = _merge if merges else _augment
            parser = _merge_parser() if merges else _parser()
            parser.parse_args(given[1:] if merges else given, arguments)
            work(arguments, shlex.join(['python', '-m', 'augment', *given]))
        return 0

    return exit_status('augment', run, lambda: arguments.debug)


def _augment(arguments: argparse.Namespace, command: str) -> None:
    from augment.recipe import Recipe

    recipe = Recipe(
        tuple(arguments.copies), arguments.rotate, arguments.median_window, arguments.dtype, arguments.gzip
    )
    if arguments.out is None and arguments.preview is None:
        raise InputError('no output named; give OUT.hdf5, --preview FILE.png, or both')
    if arguments.scheduler is not None and arguments.rows != (None, None):
        raise InputError('--rows, --scheduler: the cluster makes all shards and joins them; leave out one')
    if arguments.preview is not None:
        # matplotlib takes a while to import.
        from augment.preview import preview

        preview(arguments.source, recipe, arguments.preview)
        print(f'drew {arguments.preview}')
    if arguments.out is not None:
        from augment import cluster, pipeline

        options = {
            'device': arguments.device,
            'overwrite': arguments.overwrite,
            'fresh': arguments.fresh,
            'command': command,
        }
        if arguments.scheduler is None:
            summary = pipeline.augment(
                arguments.source, arguments.out, recipe, rows=arguments.rows, **options
            )
        else:
            summary = cluster.augment(arguments.source, arguments.out, recipe, arguments.scheduler, **options)
        print(summary)


def _merge(arguments: argparse.Namespace, command: str) -> None:
    from augment.merge import merge

    merge(arguments.out, arguments.shards, arguments.copy, arguments.overwrite)
    print(f'wrote {arguments.out}: {counted(len(arguments.shards), "shard")}')


def _rows(text: str) -> tuple[int | None, int | None]:
    start, colon, stop = text.partition(':')
    try:
        if not colon:
            raise ValueError
        return (int(start) if start else None, int(stop) if stop else None)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not A:B, such as 0:25000 or 25000:') from None


def _parser() -> argparse.ArgumentParser:
    from augment import recipe, transforms

    parser = Parser(
        prog='python -m augment',
        description='Write copies of the training images of an HDF5 file to another: flipped, normalized, '
        'filtered, rotated. `python -m augment merge` joins shards.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('source', metavar='IN.hdf5', type=Path, help='X_train, Y_train, X_test, Y_test')
    parser.add_argument('out', metavar='OUT.hdf5', type=Path, nargs='?', help='the file to write')
    parser.add_argument(
        '--copies',
        nargs='*',
        choices=transforms.COPIES,
        default=transforms.COPIES,
        help='which, in this order (default: all four)',
    )
    parser.add_argument(
        '--rotate',
        metavar='STEP',
        type=float,
        help='also rotations by STEP, 2 STEP, ... 180 degrees; bilinear',
    )
    parser.add_argument(
        '--median-window',
        choices=transforms.WINDOWS,
        default='channels',
        help="2x2x2 over neighbouring channels too, as the listing's, or 2x2 within each (default: channels)",
    )
    parser.add_argument(
        '--dtype', choices=recipe.DTYPES, default='float32', help='of the output (default: float32)'
    )
    parser.add_argument(
        '--gzip',
        metavar='LEVEL',
        type=int,
        choices=recipe.LEVELS,
        default=0,
        help='compress, 1 fast to 9 small',
    )
    parser.add_argument(
        '--rows', metavar='A:B', type=_rows, default=(None, None), help='only rows A to B - 1: one shard'
    )
    parser.add_argument('-d', '--device', default='-1', help='-1: the CPU; 0, 1, ...: a GPU (default: -1)')
    parser.add_argument(
        '--scheduler',
        metavar='ADDRESS',
        help="a Dask cluster's: its workers do the work, on a file system that all share",
    )
    parser.add_argument('--preview', metavar='FILE.png', type=Path, help='draw some images and their copies')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.hdf5 where it exists')
    parser.add_argument(
        '--fresh', action='store_true', help='start anew where an unfinished OUT.hdf5 is there'
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser


def _merge_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog='python -m augment merge',
        description='Join shards, written with --rows, into one file.',
        epilog=MERGE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument('out', metavar='OUT.hdf5', type=Path, help='the file to write')
    parser.add_argument('shards', metavar='SHARD', type=Path, nargs='+', help='in any order')
    parser.add_argument(
        '--copy', action='store_true', help='copy the images; else OUT.hdf5 refers to the shards beside it'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace OUT.hdf5 where it exists')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    return parser


if __name__ == '__main__':
    raise SystemExit(main())
