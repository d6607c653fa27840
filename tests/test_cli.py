"""The command line's own manners."""

import argparse
import re

import pytest
from processes import python

from vgg_cifar.cli import VERBS, exit_status
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


def test_debug_keeps_the_traceback():
    result = python('-m', 'vgg_cifar', '--debug', 'run', 'no_such_script.py')
    assert result.returncode == 1
    assert 'InputError: no_such_script.py' in result.stderr


def test_a_message_shows_what_it_quotes_from_files_printably(capsys):
    def fail(arguments):
        raise InputError('\x1b[2Jname\n\0' + 'x' * 1_000_000)

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=fail, debug=False)
    assert exit_status(parser, []) == 2
    error = capsys.readouterr().err
    assert error.startswith(r'vgg-cifar: \x1b[2Jname\n\x00xxx')
    assert error.count('\n') == 1 and len(error) < 10_000
