"""The `vgg-cifar` command: one subcommand per verb, each in a module of `vgg_cifar.commands`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from vgg_cifar.errors import InputError, Interrupted, WorkFailed
from vgg_cifar.foreign_text import shown

VERBS = {
    'data': 'get a data set and write it as an HDF5 file',
    'train': 'train one network',
    'reproduce': "rebuild a report's figures and tables",
    'report': "rebuild a study's figures, tables and page from its run folders",
    'run': 'run an unmodified Chainer script',
    'doctor': 'show versions, what is accelerated, what is missing',
}
"""Each verb with its line of help; the module of that name in `vgg_cifar.commands` does the work."""
# Enough for every run of a study to fail for a reason of its own.
LONGEST_MESSAGE = 8000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status: 0 done, 1 the work failed, 2 bad input or usage.

    A run that a signal has stopped cleanly gives 128 + the signal's number, as shells do. With --debug an
    error keeps its traceback.
    """
    argv = sys.argv[1:] if argv is None else argv
    return exit_status(_parser(argv), argv)


def exit_status(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> int:
    """Parse, call what the parser set as ``run``, and turn its errors into one line and an exit status."""
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments)
    except (InputError, WorkFailed, Interrupted) as error:
        if arguments.debug:
            raise
        # A message may quote names and values from files.
        print(f'vgg-cifar: {shown(str(error), LONGEST_MESSAGE)}', file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        if not arguments.debug:
            sys.excepthook = lambda *_: None
        raise


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='vgg-cifar',
        description=importlib.import_module('vgg_cifar').__doc__,
        epilog='example: vgg-cifar reproduce ie598 --scale smoke -o results/smoke',
        allow_abbrev=False,
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(metavar='VERB', required=True)
    for name, help_text in VERBS.items():
        subparser = verbs.add_parser(
            name, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        # Only the verb at hand is imported, so that --help comes at once.
        if name in argv:
            module = importlib.import_module(f'vgg_cifar.commands.{name}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser
