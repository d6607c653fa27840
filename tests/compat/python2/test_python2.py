"""Python 2's sources on Python 3, against what Python 2.7 itself printed (record_snippets.py)."""

import contextlib
import io
import json
from pathlib import Path

import pytest
import record_snippets

from vgg_cifar.compat.python2 import meaning, translation

SNIPPETS = record_snippets.snippets()
PRINTED = json.loads(Path(__file__).with_name('snippets.json').read_text())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Leave no trace: a snippet changes modules, as a program does."""
    import random

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('VGG_CIFAR_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(random.Random, '_randbelow', random.Random._randbelow)


@pytest.mark.parametrize('number', range(len(SNIPPETS)))
def test_it_prints_what_python_2_printed(number):
    code = translation.translated(SNIPPETS[number], 'snippet.py')
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {'__builtins__': meaning.BUILTINS, '__name__': '__main__', '__package__': None})
    # Python 2 prints no space after the last of what ends in a comma.
    assert out.getvalue().replace(' \n', '\n') == PRINTED[number], SNIPPETS[number].decode()


def test_what_was_translated_is_kept_and_replaced_when_the_source_changes(tmp_path, monkeypatch):
    first = translation.compiled(b'print 1', 'a.py')
    monkeypatch.setattr(translation, 'parse', None)
    assert translation.compiled(b'print 1', 'a.py') == first
    monkeypatch.undo()
    monkeypatch.setenv('VGG_CIFAR_CACHE', str(tmp_path / 'cache'))
    assert translation.compiled(b'print 2', 'a.py') != first
    assert len(list((tmp_path / 'cache' / 'python2').iterdir())) == 1


def test_where_nothing_can_be_kept_it_is_translated_all_the_same(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('VGG_CIFAR_CACHE', str(tmp_path / 'file'))
    assert translation.compiled(b'print 1', 'a.py').co_filename == 'a.py'


def test_lines_are_those_of_the_source():
    source = b'def f(a,\n      (b, c)):\n    """x\n    y"""\n    print b, \\\n        c\n    raise A, "z"\n'
    tree = translation.parse(source, 'a.py')
    assert tree.body[0].body[-1].lineno == 7


def test_what_is_no_python_2_is_a_syntax_error_on_its_line():
    with pytest.raises(SyntaxError) as found:
        translation.parse(b'print 1\nx = (\ndef\n', 'a.py')
    assert (found.value.lineno, found.value.text) == (3, 'def')
