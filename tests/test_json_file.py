"""JSON from anyone: one line for whatever is wrong with it."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgg_cifar import json_file
from vgg_cifar.errors import InputError
from vgg_cifar.json_file import NotJSON

HOSTILE = {
    'cut': '{"a": ',
    'deep list': '[' * 10**5 + ']' * 10**5,
    'deep object': '{"a":' * 10**5 + '1' + '}' * 10**5,
    'deeper than anything': '[' * 50 + ']' * 50,
    'huge number': '1' * 10**5,
    'half a character': '{"a": "\\ud800"}',
    'half a name': '{"\\uDFFF": 1}',
    'no UTF-8': b'{"a": "\xff"}',
    'UTF-16': '{}'.encode('utf-16'),
    'NUL': '\0',
    'empty': '',
}


@pytest.mark.parametrize('content', HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_plain_json_is_refused(tmp_path, content):
    path = tmp_path / 'a.json'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NotJSON, match=r'a.json: not readable as JSON') as caught:
        json_file.read(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < len(str(path)) + 200


def test_what_is_no_file_is_refused_or_missing(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'file').touch()
    for path in (tmp_path / 'none.json', tmp_path / 'file' / 'a.json'):
        with pytest.raises(FileNotFoundError):
            json_file.read(path)
    for path in (tmp_path, tmp_path / 'pipe', tmp_path / ('a' * 1000)):
        with pytest.raises(NotJSON, match='not readable as JSON'):
            json_file.read(path)
    monkeypatch.setattr(json_file, 'MOST_BYTES', 10)
    (tmp_path / 'large').write_text('[1, 2, 3, 4]')
    with pytest.raises(NotJSON, match='larger than'):
        json_file.read(tmp_path / 'large')


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(PLAIN)
def test_reads_what_json_wrote(tmp_path_factory, content):
    path = tmp_path_factory.mktemp('json') / 'a.json'
    path.write_text(json.dumps(content))
    assert json_file.read(path) == content


def test_a_pair_of_surrogates_is_a_character(tmp_path):
    (tmp_path / 'a.json').write_text('"\\ud83d\\ude00"')
    assert json_file.read(tmp_path / 'a.json') == '\N{GRINNING FACE}'


def record(tmp_path, **content):
    (tmp_path / 'a.json').write_text(json.dumps(content))
    return json_file.record(tmp_path / 'a.json', 'restore it')


def test_fields_have_their_types(tmp_path):
    found = record(tmp_path, n=3, x=1.5, t='red', b=True, l=[1, 2.5], r={'s': {'n': 1}}, rs=[{'n': 2}])
    assert (found.whole('n', 1, 3), found.number('x'), found.number('n', 0, 5)) == (3, 1.5, 3)
    assert (found.text('t'), found.text('t', ('red', 'blue')), found.truth('b')) == ('red', 'red', True)
    assert found.numbers('l') == [1, 2.5]
    assert found.record('r').record('s').whole('n') == 1
    assert [each.whole('n') for each in found.records('rs')] == [2]
    assert 'n' in found and 'm' not in found and list(found)[:2] == ['n', 'x']


WRONG = [
    ('whole', True, 'true, expected a whole number from 0 to'),
    ('whole', 1.0, '1.0, expected a whole number'),
    ('whole', 10**18, 'expected a whole number'),
    ('whole', -1, '-1, expected a whole number'),
    ('number', float('inf'), 'Infinity, expected a number'),
    ('number', '1', '"1", expected a number'),
    ('text', None, 'null, expected a text'),
    ('truth', 1, '1, expected true or false'),
    ('numbers', [1, None], 'expected a list of numbers'),
    ('record', [1], r'\[1\], expected an object'),
    ('records', {}, '{}, expected a list of objects'),
    ('records', [1], r'a\[0\] is 1, expected an object'),
    ('text', [1] * 1000, '…, 1, 1, 1, 1, 1, 1], expected a text'),
]


@pytest.mark.parametrize('kind, value, message', WRONG)
def test_wrong_types_are_named_with_what_to_do(tmp_path, kind, value, message):
    with pytest.raises(InputError, match=message) as caught:
        getattr(record(tmp_path, a=value), kind)('a')
    assert str(caught.value).startswith(f'{tmp_path}/a.json: a') and str(caught.value).endswith(
        '; restore it'
    )
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def test_what_is_missing_or_elsewhere_is_named(tmp_path):
    found = record(tmp_path, data={'sizes': {'train': 'x'}})
    with pytest.raises(InputError, match=r'a.json: no epochs; expected a whole number'):
        found.whole('epochs')
    with pytest.raises(InputError, match=r'a.json: data.sizes.train is "x", expected'):
        found.record('data').record('sizes').whole('train')
    (tmp_path / 'a.json').write_text('[1]')
    with pytest.raises(InputError, match=r'a.json: the content is \[1\], expected an object; restore it'):
        json_file.record(tmp_path / 'a.json', 'restore it')
