"""The command line's own manners."""

import re

import pytest
from processes import ROOT, python

from vgg_cifar.cli import VERBS


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


def test_debug_keeps_the_traceback():
    result = python('-m', 'vgg_cifar', '--debug', 'run', 'no_such_script.py')
    assert result.returncode == 1
    assert 'InputError: no_such_script.py' in result.stderr


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
