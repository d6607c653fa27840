"""`vgg-cifar run`: an unmodified Chainer script, run as Python itself would run it."""

import argparse
import atexit
import os
import runpy
import sys
import zipfile
from pathlib import Path

from vgg_cifar.compat import script
from vgg_cifar.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the script and its arguments; all that follows the script is the script's, options included."""
    parser.description = (
        'Runs a script written for Chainer 1 to 7 and Python 2 or 3 as `python SCRIPT.py ARGS` would have '
        'done then. Which it is for is found out, and said if it is Python 2 or Chainer 1.'
    )
    parser.epilog = 'example: vgg-cifar run train_mnist.py --epoch 1 --device -1'
    parser.add_argument(
        '--python', type=int, choices=(2, 3), help='the Python that it is in, if found out wrongly'
    )
    parser.add_argument('--chainer', type=int, choices=(1, 7), help='likewise; 7 is for Chainer 2 to 7')
    parser.add_argument('--cpu', action='store_true', help='run on the CPU what asks for a GPU')
    parser.add_argument('--explain', action='store_true', help='say at the end what was done for the script')
    # One list from the script on: told apart, the two would lose a `--` between them.
    parser.add_argument(
        'command',
        metavar='SCRIPT.py',
        nargs=argparse.PARSER,
        help='the script (or a folder or zip file with a __main__.py) and its own arguments',
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the script in this process, for good: its __main__, sys.argv and sys.path replace the present ones.

    Ends as the script would end under Python: SystemExit and KeyboardInterrupt are passed on, any other
    exception is reported by sys.excepthook and gives 1.

    Raises InputError if there is no such script.
    """
    path = Path(arguments.command[0])
    is_container = path.is_dir() or zipfile.is_zipfile(path)
    if not is_container and not path.is_file():
        raise InputError(f'{path}: no such script; give the path of a Python file')
    folder = path.resolve() if is_container else path.resolve().parent
    # Python has put our own folder first, unless it was told to put nothing there.
    own = 0 if sys.flags.isolated or getattr(sys.flags, 'safe_path', False) else 1
    others = tuple(sys.path[own:])
    sys.path[:own] = [str(folder)] if own and not is_container else []
    script.prepare(script.Way(str(folder), others, arguments.python, arguments.chainer, arguments.cpu))
    if arguments.explain:
        atexit.register(_explain)
    sys.argv = arguments.command
    try:
        if is_container:
            runpy.run_path(str(folder), run_name='__main__')
        else:
            # As Python has it: nothing is resolved.
            script.run_file(os.path.join(os.getcwd(), arguments.command[0]))  # noqa: PTH109, PTH118
    except SystemExit:
        raise
    except BaseException as error:
        script.show(error)
        if isinstance(error, KeyboardInterrupt):
            raise
        return 1
    return 0


def _explain() -> None:
    for line in script.program.explain():
        print(line, file=sys.stderr)
