"""`vgg-cifar run` against Python itself."""

import json
import multiprocessing
import sys
from pathlib import Path

import pytest
from processes import python

from vgg_cifar.cli import main

TRAIN = Path(__file__).parent / 'train_in_old_dialect.py'

DESCRIBE = """
import os, pickle, sys
print(sys.argv, sys.path[0], os.getcwd(), sys.stdin.read())
print(sorted((name, value) for name, value in globals().items()
       if name.startswith('__') and name not in ('__builtins__', '__loader__')))
class Local: pass
print(type(pickle.loads(pickle.dumps(Local()))) is Local, type(__loader__), type(__builtins__))
"""

ENDINGS = {
    'exit status': 'import sys; sys.exit(3)',
    'exit message': "import sys; sys.exit('no more')",
    'exception': 'def f():\n    try: 1 / 0\n    except ZeroDivisionError as e: raise KeyError(1) from e\nf()',
    'syntax error': 'def f(:\n',
    'excepthook': 'import sys\nsys.excepthook = lambda t, e, tb: print(t, tb.tb_lineno)\nraise KeyError(1)',
    'interrupt': "import atexit, signal\natexit.register(print, 'bye')\nsignal.raise_signal(signal.SIGINT)",
    'thread': 'import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print(1))).start()',
}


def outcomes(*command, **options):
    """What Python itself and what `vgg-cifar run` make of the same command."""
    for prefix in ((), ('-m', 'vgg_cifar', 'run')):
        result = python(*prefix, *command, **options)
        yield result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    'arguments',
    [[], ['-h'], ['--debug', 'doctor', '--help'], ['--', 'a', '--'], ['-1', '--x=1', '', '@file']],
    ids=' '.join,
)
def test_a_script_sees_what_python_shows_it(tmp_path, arguments):
    (tmp_path / 'script.py').write_text(DESCRIBE)
    expected, found = outcomes('./script.py', *arguments, cwd=tmp_path, input='some input')
    assert found == expected
    assert found[0] == 0


def test_a_linked_script_finds_the_modules_beside_the_real_one(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real' / 'script.py').write_text(DESCRIBE + 'import beside')
    (tmp_path / 'real' / 'beside.py').touch()
    (tmp_path / 'link.py').symlink_to('real/script.py')
    expected, found = outcomes(tmp_path / 'link.py')
    assert found == expected
    assert found[0] == 0


@pytest.mark.parametrize('ending', ENDINGS)
def test_a_script_ends_as_under_python(tmp_path, ending):
    (tmp_path / 'script.py').write_text(ENDINGS[ending])
    expected, found = outcomes('script.py', cwd=tmp_path)
    assert found == expected


def test_a_folder_with_a_main_file_is_run(tmp_path):
    (tmp_path / '__main__.py').write_text('import sys, beside; print(__name__, sys.path[0])')
    (tmp_path / 'beside.py').touch()
    expected, found = outcomes(tmp_path)
    assert found == expected


def test_a_folder_of_python_2_is_run(tmp_path):
    (tmp_path / '__main__.py').write_text(
        'import sys, beside; print __name__, sys.argv == [sys.path[0], "-x"]'
    )
    (tmp_path / 'beside.py').write_text('print 7/2')
    result = python('-m', 'vgg_cifar', 'run', tmp_path, '-x')
    assert (result.stdout, result.returncode) == ('3\n__main__ True\n', 0)


def test_a_missing_script_is_one_line_of_advice():
    result = python('-m', 'vgg_cifar', 'run', 'no_such_script.py', '--epoch', 1)
    assert result.returncode == 2
    assert result.stderr == 'vgg-cifar: no_such_script.py: no such script; give the path of a Python file\n'


def test_a_folder_without_a_main_file_is_one_line_of_advice(tmp_path, capsys):
    assert main(['run', str(tmp_path)]) == 2
    assert f'{tmp_path}: a folder without __main__.py' in capsys.readouterr().err


def test_the_former_names_of_numpy_are_there_for_scripts_only(tmp_path):
    code = "import numpy; print([hasattr(numpy, name) for name in ('int', 'object', 'Inf', 'product')])"
    (tmp_path / 'script.py').write_text(code)
    assert python('-m', 'vgg_cifar', 'run', tmp_path / 'script.py').stdout == '[True, True, True, True]\n'
    with_package = python('-c', f'import vgg_cifar, chainer; {code}').stdout
    assert with_package == python('-c', code).stdout


@pytest.mark.parametrize('method', multiprocessing.get_all_start_methods())
def test_a_training_script_with_worker_processes(tmp_path, method):
    result = python('-m', 'vgg_cifar', 'run', TRAIN, '--start-method', method, '-o', 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ''
    assert result.stdout.splitlines()[-1] in {'accuracy 0.0', 'accuracy 0.5', 'accuracy 1.0'}
    log = json.loads((tmp_path / 'out' / 'log').read_text())
    assert [entry['iteration'] for entry in log] == [6, 12, 18]
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {'log', 'snapshot', 'model.npz'}


@pytest.mark.skipif(sys.platform == 'win32', reason='paths differ')
def test_worker_processes_are_prepared_wherever_the_script_has_gone(tmp_path):
    (tmp_path / 'script.py').write_text(
        'import multiprocessing, os\n'
        'import chainer\n'
        'def version(): print(chainer.__version__, flush=True)\n'
        "if __name__ == '__main__':\n"
        "    os.chdir('/')\n"
        "    process = multiprocessing.get_context('spawn').Process(target=version)\n"
        '    process.start()\n'
        '    process.join()\n'
    )
    # From the folder that holds the package, so that nothing but the current folder leads to it.
    result = python(
        '-m',
        'vgg_cifar',
        'run',
        tmp_path / 'script.py',
        cwd=Path(__file__).parents[2],
        environment={'PYTHONPATH': ''},
    )
    assert (result.stdout, result.stderr) == ('7.8.1\n', '')
