"""`vgg-cifar run`: an unmodified Chainer script, run as Python itself would run it."""

import argparse
import builtins
import importlib.machinery
import io
import os
import runpy
import sys
import types
import zipfile
from pathlib import Path

from vgg_cifar.compat import chainer1, chainer7
from vgg_cifar.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the script and its arguments; all that follows the script is the script's, options included."""
    parser.description = (
        'Runs a script written for Chainer 2 to 7 as `python SCRIPT.py ARGS` would, with Chainer working on '
        "this Python and NumPy. NumPy's former names (numpy.float, numpy.int, ...) are there as well."
    )
    parser.epilog = 'example: vgg-cifar run train_mnist.py --epoch 1 --device -1'
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
    script: str = arguments.command[0]
    is_container = Path(script).is_dir() or zipfile.is_zipfile(script)
    if not is_container and not Path(script).is_file():
        raise InputError(f'{script}: no such script; give the path of a Python file')
    chainer7.prepare_script()
    chainer1.accept()
    sys.argv = arguments.command
    try:
        if is_container:
            _run_container(script)
        else:
            _run_file(script)
    except SystemExit:
        raise
    except BaseException as error:
        _report(error)
        if isinstance(error, KeyboardInterrupt):
            raise
        return 1
    return 0


def _run_file(script: str) -> None:
    _replace_path(Path(script).resolve().parent)
    path = os.path.join(os.getcwd(), script)  # noqa: PTH109, PTH118 (as Python has it: nothing is resolved)
    main = types.ModuleType('__main__')
    main.__dict__.update(
        __annotations__={},
        __builtins__=builtins,
        __cached__=None,
        __file__=path,
        __loader__=importlib.machinery.SourceFileLoader('__main__', path),
    )
    # Pickle and multiprocessing look here for what the script defines, also after its last line.
    sys.modules['__main__'] = main
    with io.open_code(path) as file:
        code = compile(file.read(), path, 'exec', dont_inherit=True)
    exec(code, main.__dict__)


def _run_container(script: str) -> None:
    _replace_path(None)
    runpy.run_path(str(Path(script).resolve()), run_name='__main__')


def _replace_path(folder: Path | None) -> None:
    """Put the script's folder where Python has put ours, unless it was told to put nothing there."""
    if sys.flags.isolated or getattr(sys.flags, 'safe_path', False):
        return
    sys.path[:1] = [] if folder is None else [str(folder)]


def _report(error: BaseException) -> None:
    """Let sys.excepthook, which the script may have set, speak about the script's own frames only."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_globals.get('__name__') != '__main__':
        traceback = traceback.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)
