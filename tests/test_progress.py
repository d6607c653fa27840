"""Progress as a log file gets it, and as a terminal does."""

import re
import sys

import pytest

from vgg_cifar import progress as module
from vgg_cifar.progress import progress


@pytest.fixture
def every_time(monkeypatch):
    """No wait between two lines."""
    monkeypatch.setattr(module, 'SECONDS_BETWEEN_LINES', 0)


def test_a_log_gets_plain_lines_with_an_estimate(capsys, every_time):
    bar = progress(4_000_000, 'B', initial=1_000_000, name='a.tar.gz')
    bar.update(1_000_000)
    bar.close()
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r'a\.tar\.gz: 2\.00M of 4\.00M B, [\d.]+[kMG]? B/s, 00:00 left', last)


def test_a_log_gets_no_line_for_short_work(capsys):
    bar = progress(100, 'images')
    bar.update(50)
    bar.update(50)
    bar.close()
    assert capsys.readouterr().err == ''


def test_a_size_that_is_not_known_is_not_made_up(capsys, every_time):
    bar = progress(0, 'B', name='a.tar.gz')
    bar.update(1_000_000)
    bar.reset()
    assert capsys.readouterr().err == ''
    # As pooch does, once the host has said it.
    bar.total = 2_000_000
    bar.update(1_000_000)
    assert '1.00M of 2.00M B' in capsys.readouterr().err


def test_quiet_work_shows_nothing(capsys, every_time, monkeypatch):
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, 'isatty', lambda terminal=terminal: terminal)
        bar = progress(100, 'images', quiet=True)
        bar.update(50)
        bar.close()
    assert capsys.readouterr().err == ''


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    bar = progress(100, 'images')
    bar.update(100)
    bar.close()
    assert re.search(r'100%\|█+\| 100/100 .* images/s', capsys.readouterr().err)
