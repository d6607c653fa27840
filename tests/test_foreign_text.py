"""Hostile text on the terminal and in figures."""

import io
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from vgg_cifar.foreign_text import drawn, shown

HOSTILE = [
    '\x1b[2J\x1b]0;title\x07',
    'nul\0inside',
    'two\nlines\r\n',
    'lone \udcff surrogate',
    'turned \u202e around',
    b'no \xff UTF-8',
    '$\\frac{',
    '$a$ and $b',
    r'\$ \\$',
    'x' * 1_000_000,
    b'\xff' * 1_000_000,
    '\x1b' * 1_000_000,
    '',
]


@given(st.one_of(st.text(st.characters(codec=None)), st.binary()), st.integers(8, 100))
def test_any_text_becomes_short_and_printable(text, longest):
    found = shown(text, longest)
    assert found.isprintable() and len(found) <= longest
    # Printable means encodable too.
    found.encode('utf-8')


@given(st.text(st.characters(exclude_categories=('C', 'Z')), max_size=80))
def test_plain_text_stays_as_it_is(text):
    assert shown(text) == text


@pytest.mark.parametrize(
    'text, expected',
    [
        ('\x1b[31mred', r'\x1b[31mred'),
        (b'caf\xc3\xa9 \xff', r'café \xff'),
        ('a\nb', r'a\nb'),
        ('\udcff', r'\udcff'),
        ('0123456789', '01234…89'),
    ],
)
def test_what_is_not_printable_is_written_out(text, expected):
    assert shown(text, longest=8 if len(text) == 10 and text.isalnum() else 80) == expected


def test_long_text_keeps_both_ends():
    found = shown('begin' + 'x' * 1_000_000 + 'end')
    assert len(found) == 80 and found.startswith('begin') and found.endswith('end') and '…' in found


@pytest.mark.parametrize('text', HOSTILE, ids=range(len(HOSTILE)))
def test_matplotlib_draws_it(text):
    figure = Figure()
    figure.suptitle(drawn(text))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        figure.savefig(io.BytesIO(), format='png')


def test_dollars_are_no_mathematics():
    """The picture of `drawn` is that of the same text with mathematics switched off."""

    def picture(text, **options):
        figure = Figure()
        figure.text(0.1, 0.5, text, **options)
        file = io.BytesIO()
        figure.savefig(file, format='png', metadata={'Software': None})
        return file.getvalue()

    for text in ('$x^2$', 'a $ b', '$', '$$', 'a $b$ c$'):
        assert picture(drawn(text)) == picture(text, parse_math=False)
