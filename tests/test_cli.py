"""The command line's own manners."""

import re

import pytest
from processes import ROOT, python

import vgg_cifar
from vgg_cifar.cli import VERBS, main
from vgg_cifar.errors import InputError


def test_help_names_the_verbs():
    result = python('-m', 'vgg_cifar', '--help')
    assert result.returncode == 0
    for verb in VERBS:
        assert verb in result.stdout


@pytest.mark.parametrize('verb', VERBS)
def test_each_verb_has_help_with_an_example(verb):
    result = python('-m', 'vgg_cifar', verb, '--help')
    assert result.returncode == 0
    assert re.search(rf'examples?:\s+vgg-cifar {verb} ?', result.stdout)


@pytest.mark.parametrize(
    'arguments', [[], ['dance'], ['run'], ['train', '-e', 'x'], ['reproduce', 'ie599']], ids=' '.join
)
def test_bad_usage(arguments):
    result = python('-m', 'vgg_cifar', *arguments)
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr


@pytest.mark.parametrize('words', [['--debug', 'export'], ['export', '--debug']], ids=' '.join)
def test_debug_before_and_behind_the_verb_keeps_the_traceback(words):
    with pytest.raises(InputError):
        main([*words, 'nothing', 'x.onnx'])


@pytest.mark.parametrize(
    'command',
    [
        'train -o {}',
        'train --data {}',
        'data shapes10 -o {}',
        'data shapes10 --from {}',
        'data shapes10 --preview {}',
        'reproduce ie598 --scale smoke -o {}',
        'reproduce ie598 --scale smoke --data {}',
        'report {}',
        'export {} x.onnx',
        'export run {}',
        'predict {} x.png',
        'predict run {}',
        'predict run x.png -o {}',
        'predict run x.png --preview {}',
        'run {}',
    ],
)
def test_no_path_is_empty(tmp_path, monkeypatch, capsys, command):
    """Python takes an empty path for the working directory."""
    monkeypatch.chdir(tmp_path)
    try:
        status = main([word.format('') for word in command.split()])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert re.search(r'empty; (give|expected) [^\n]*\n$', capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(['--version'])
    assert end.value.code == 0
    assert capsys.readouterr().out == f'vgg-cifar {vgg_cifar.__version__}\n'


@pytest.mark.parametrize(
    'start, imported',
    [
        ("from vgg_cifar.cli import main; sys.exit(main(['reproduce', 'ie598']))", 'chainer'),
        ("runpy.run_path('scripts/compare_depth.py', run_name='__main__')", 'chainer'),
        ("from augment.__main__ import main; sys.exit(main(['IN.hdf5', 'OUT.hdf5']))", 'numpy'),
    ],
)
def test_ctrl_c_while_a_command_is_imported_is_one_line(start, imported):
    code = f"""if True:
        import os, runpy, signal, sys
        class Finder:
            def find_spec(name, *_):
                if name == {imported!r}:
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Finder)
        {start}"""
    result = python('-c', code, cwd=ROOT)
    assert (result.returncode, result.stdout) == (130, '')
    assert re.fullmatch(r'(vgg-cifar|augment): stopped by SIGINT; [^\n]*\n', result.stderr)
