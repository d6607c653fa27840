"""Python 2's sources on Python 3, against what Python 2.7 itself printed (record_snippets.py)."""

import contextlib
import io
import json
from pathlib import Path

import pytest
import record_snippets
from processes import python

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


def test_what_was_translated_is_kept_until_the_source_changes(tmp_path):
    script, cache = tmp_path / 'a.py', tmp_path / 'cache'

    def printed(source, cache=cache):
        script.write_text(source)
        result = python('-m', 'vgg_cifar', 'run', script, environment={'VGG_CIFAR_CACHE': str(cache)})
        return result.stdout, [(path.name, path.stat().st_mtime_ns) for path in cache.rglob('*.pyc')]

    first = printed('print 1')
    assert first[0] == '1\n'
    assert printed('print 1') == first
    # In the same second, of the same size.
    assert printed('print 2')[0] == '2\n'
    (tmp_path / 'file').touch()
    assert printed('print 3', tmp_path / 'file') == ('3\n', [])
    assert {path.name for path in tmp_path.iterdir()} == {'a.py', 'cache', 'file'}


def test_lines_are_those_of_the_source():
    source = b'def f(a,\n      (b, c)):\n    """x\n    y"""\n    print b, \\\n        c\n    raise A, "z"\n'
    tree = translation.parse(source, 'a.py')
    assert tree.body[0].body[-1].lineno == 7


def test_what_is_no_python_2_is_a_syntax_error():
    with pytest.raises(SyntaxError):
        translation.parse(b'print 1\nx = (\ndef\n', 'a.py')
