"""The `vgg-cifar` command: one subcommand per verb, each in the module that does the work."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from vgg_cifar.errors import InputError, WorkFailed


class Verb(NamedTuple):
    """A subcommand: the module with its `add_arguments(parser)` and `run(arguments)`, and a line of help."""

    module: str
    help: str


VERBS = {
    'run': Verb('vgg_cifar.script', 'run an unmodified Chainer script'),
    'doctor': Verb('vgg_cifar.doctor', 'show versions, what is accelerated, what is missing'),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status: 0 done, 1 the work failed, 2 bad input or usage.

    With --debug the two errors keep their traceback. Ctrl-C ends the process by its signal (130 in a shell).
    """
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser(argv).parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        if not arguments.debug:
            sys.excepthook = lambda *_: None
        raise
    except (InputError, WorkFailed) as error:
        if arguments.debug:
            raise
        print(f'vgg-cifar: {error}', file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='vgg-cifar', description=importlib.import_module('vgg_cifar').__doc__, allow_abbrev=False
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    verbs = parser.add_subparsers(metavar='VERB', required=True)
    for name, verb in VERBS.items():
        subparser = verbs.add_parser(name, help=verb.help)
        # Only the verb at hand is imported, so that --help comes at once.
        if name in argv:
            module = importlib.import_module(verb.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser
