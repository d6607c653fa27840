"""The `vgg-cifar` command: one subcommand per verb, each in a module of `vgg_cifar.commands`."""

import argparse
import importlib
import sys
from collections.abc import Callable, Container, Sequence
from typing import NoReturn

from vgg_cifar.arguments import Parser
from vgg_cifar.errors import exit_status
from vgg_cifar.stop_signals import StopSignals

VERBS = {
    'data': 'get a data set and write it as an HDF5 file',
    'train': 'train one network',
    'reproduce': "rebuild a report's figures and tables",
    'report': "rebuild a study's figures, tables and page from its run folders",
    'export': 'write a trained network for ONNX Runtime or PyTorch',
    'predict': 'classify images with a trained network',
    'run': 'run an unmodified Chainer script',
    'doctor': 'show versions, what is accelerated, what is missing',
    'completion': 'print a script that completes words in bash, zsh or tcsh',
}
"""Each verb with its line of help; the module of that name in `vgg_cifar.commands` does the work."""


DEBUG = 'show the traceback of an error'


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status: 0 done, 1 the work failed, 2 bad input or usage.

    A run that a signal has stopped cleanly gives 128 + the signal's number, as shells do. With --debug an
    error keeps its traceback.
    """
    given = sys.argv[1:] if argv is None else argv
    return _run(lambda: parser(given), given)


def compare(report: str, *figures: str, description: str) -> NoReturn:
    """Run a comparison script: `reproduce` with its report and figures given, at the report's own scale."""

    def parser() -> argparse.ArgumentParser:
        parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument('--debug', action='store_true', help=DEBUG)
        importlib.import_module('vgg_cifar.commands.reproduce').add_comparison(parser, report, figures)
        return parser

    sys.exit(_run(parser, sys.argv[1:]))


def _run(make_parser: Callable[[], argparse.ArgumentParser], argv: Sequence[str]) -> int:
    """Parse `argv`, call what the parser set as ``run``, and return the exit status.

    Signals are caught before the parser is made, because that imports the command.
    """
    arguments = argparse.Namespace(debug=False)

    def work() -> int:
        with StopSignals('nothing is half-written') as signals, signals.raised():
            make_parser().parse_args(argv, arguments)
            if not arguments.script:
                return arguments.run(arguments)
        # Somebody else's script meets signals as Python has them.
        try:
            return arguments.run(arguments)
        except KeyboardInterrupt:
            arguments.debug = True
            raise

    return exit_status('vgg-cifar', work, lambda: arguments.debug)


def parser(given: Container[str]) -> argparse.ArgumentParser:
    """Return the command's parser, with the arguments of those verbs that are given."""
    package = importlib.import_module('vgg_cifar')
    parser = Parser(
        prog='vgg-cifar',
        description=package.__doc__,
        epilog='example: vgg-cifar reproduce ie598 --scale smoke -o results/smoke',
        allow_abbrev=False,
    )
    parser.add_argument('--version', action='version', version=f'vgg-cifar {package.__version__}')
    parser.add_argument('--debug', action='store_true', help=DEBUG)
    verbs = parser.add_subparsers(metavar='VERB', required=True)
    for name, help_text in VERBS.items():
        subparser = verbs.add_parser(
            name, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        # Only the verb at hand is imported, so that --help comes at once.
        if name in given:
            module = importlib.import_module(f'vgg_cifar.commands.{name}')
            module.add_arguments(subparser)
            subparser.add_argument('--debug', action='store_true', default=argparse.SUPPRESS, help=DEBUG)
            subparser.set_defaults(run=module.run, script=name == 'run')
    return parser
