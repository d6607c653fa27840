"""`vgg-cifar run`: an unmodified Chainer script, run as Python itself would run it."""

import argparse
import atexit
import os
import runpy
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

from vgg_cifar.compat import old_names, script
from vgg_cifar.compat.chainer7 import when_loaded
from vgg_cifar.errors import InputError, WorkFailed
from vgg_cifar.file_kind import kind


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
    if not arguments.command[0]:
        raise InputError('SCRIPT.py is empty; give the path of a Python file')
    path = Path(arguments.command[0])
    # Before anything is read: a pipe may have nobody at its other end.
    if not path.is_dir() and not path.is_file():
        found = f'found {kind(path)}' if path.exists() else 'no such script'
        raise InputError(f'{path}: {found}; give the path of a Python file')
    is_container = path.is_dir() or zipfile.is_zipfile(path)
    if path.is_dir() and not any(path.glob('__main__.py*')):
        raise InputError(f'{path}: a folder without __main__.py; give the path of a Python file in it')
    folder = path.resolve() if is_container else path.resolve().parent
    main = path.resolve() / '__main__.py'
    by_runpy = is_container and not main.is_file()
    # As Python has it: nothing is resolved.
    file = str(main) if is_container else os.path.join(os.getcwd(), arguments.command[0])  # noqa: PTH109, PTH118
    # Python has put our own folder first, unless it was told to put nothing there.
    own = 0 if sys.flags.isolated or getattr(sys.flags, 'safe_path', False) else 1
    others = tuple(sys.path[own:])
    sys.path[:own] = [str(folder)] if own and not by_runpy else []
    script.prepare(script.Way(str(folder), others, arguments.python, arguments.chainer, arguments.cpu))
    _answer_data()
    if arguments.explain:
        atexit.register(_explain)
    sys.argv = arguments.command
    try:
        if by_runpy:
            runpy.run_path(str(folder), run_name='__main__')
        else:
            script.run_file(file)
    except SystemExit:
        raise
    except BaseException as error:
        script.show(error)
        if not arguments.cpu and _asks_for_gpu(error):
            advice = 'it asks for a GPU that is not there; vgg-cifar run --cpu runs it on the CPU'
            print(f'{path.name}: {advice}', file=sys.stderr)
        if isinstance(error, KeyboardInterrupt):
            # It is shown; Python still has to end by the signal.
            sys.excepthook = lambda *_: None
            raise
        return 1
    return 0


def _asks_for_gpu(error: BaseException) -> bool:
    # The last: in the place of CuPy, Chainer has a plain object.
    return (
        getattr(error, 'name', '') == 'cupy'
        or str(error).startswith('CUDA environment is not')
        or type(getattr(error, 'obj', None)) is object
    )


def _explain() -> None:
    for line in script.program.explain():
        print(line, file=sys.stderr)


class _Bunch(dict):
    """A dictionary whose items are attributes as well."""

    __getattr__ = dict.__getitem__


def _fetch_mldata(dataname: str, *_: Any, **options: Any) -> _Bunch:
    """Return MNIST as scikit-learn's function did: digit by digit, 60,000 images and then 10,000."""
    if not dataname.lower().startswith('mnist'):
        raise OSError(f'{dataname}: mldata.org, which had it, is gone; get the data set elsewhere')
    import numpy

    from vgg_cifar.datasets import mnist

    data = mnist.load()
    orders = [numpy.argsort(y, kind='stable') for y in (data.y_train, data.y_test)]
    images = [data.x_train[orders[0]], data.x_test[orders[1]]]
    labels = [data.y_train[orders[0]], data.y_test[orders[1]]]
    return _Bunch(
        data=numpy.concatenate(images).reshape(-1, 784),
        target=numpy.concatenate(labels).astype(numpy.float64),
    )


_MNIST = 'http://yann.lecun.com/exdb/mnist/'


def _answer_data() -> None:
    """Answer from our own data sets, when they are asked for, what asks hosts that no longer answer."""

    def fill(name: str) -> None:
        # It takes a while to import.
        from vgg_cifar.datasets import chainer_cache

        try:
            chainer_cache.fill(name)
        except WorkFailed as error:
            print(f'vgg-cifar: {error}', file=sys.stderr, flush=True)

    def mnist(module: types.ModuleType) -> None:
        retrieve = module._retrieve_mnist

        def from_ours(*arguments: Any) -> Any:
            fill('mnist')
            return retrieve(*arguments)

        module._retrieve_mnist = from_ours  # type: ignore[attr-defined]

    def cifar(module: types.ModuleType) -> None:
        get = module._get_cifar

        def from_ours(name: str, *arguments: Any) -> Any:
            fill(name.replace('-', ''))
            return get(name, *arguments)

        module._get_cifar = from_ours  # type: ignore[attr-defined]

    def request(module: types.ModuleType) -> None:
        class Mnist(module.BaseHandler):  # type: ignore[name-defined]
            """Answers for MNIST's first address, from which scripts of Chainer 1 took it themselves."""

            handler_order = 100

            def http_open(self, asked: Any) -> Any:
                if not asked.full_url.startswith(_MNIST):
                    return None
                name = asked.full_url.removeprefix(_MNIST)
                from vgg_cifar.datasets import mnist

                if name not in mnist.OFFICIAL.md5:
                    return None
                import email.message
                import urllib.response

                try:
                    file = (mnist.folder() / name).open('rb')
                except WorkFailed as error:
                    raise module.URLError(str(error)) from error
                answer = urllib.response.addinfourl(file, email.message.Message(), asked.full_url, 200)
                answer.msg = 'OK'  # type: ignore[attr-defined]
                return answer

        module.install_opener(module.build_opener(Mnist))

    def sklearn(module: types.ModuleType) -> None:
        module.fetch_mldata = _fetch_mldata  # type: ignore[attr-defined]

    def without_sklearn() -> types.ModuleType:
        module = types.ModuleType('sklearn.datasets')
        sklearn(module)
        return module

    # Where scikit-learn is not installed, scripts that want nothing else of it run all the same.
    old_names.MODULES['sklearn'] = lambda: types.ModuleType('sklearn')
    old_names.MODULES['sklearn.datasets'] = without_sklearn
    when_loaded('sklearn.datasets', sklearn)
    when_loaded('chainer.datasets.mnist', mnist)
    when_loaded('chainer.datasets.cifar', cifar)
    when_loaded('urllib.request', request)
