"""Signals, sent to this process itself."""

import contextlib
import queue
import signal
import sys
import threading
import time
import weakref
from signal import raise_signal

import pytest

from vgg_cifar import stop_signals
from vgg_cifar.errors import Interrupted
from vgg_cifar.stop_signals import STOP_SIGNALS, StopSignals


@pytest.fixture(autouse=True)
def same_afterwards():
    """Give every signal back."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    yield
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


@pytest.mark.parametrize('number', STOP_SIGNALS)
def test_a_signal_is_raised_at_once_with_what_is_left(number):
    reached = []
    with (
        pytest.raises(Interrupted, match=f'stopped by {number.name}; a cake') as caught,
        StopSignals('a cake') as signals,
        signals.raised(),
    ):
        raise_signal(number)
        reached.append('the end')
    assert caught.value.exit_status == 128 + number
    assert signals.received == number and not reached


def test_a_signal_is_kept_until_it_may_be_raised():
    reached = []
    with pytest.raises(Interrupted), StopSignals('nothing') as signals:
        raise_signal(signal.SIGTERM)
        reached.append('kept')
        with signals.raised():
            reached.append('raised')
    assert reached == ['kept']


def test_a_signal_that_nobody_has_raised_is_raised_in_the_end():
    with pytest.raises(Interrupted), StopSignals('nothing'):
        raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted), StopSignals('nothing') as signals:
        # As a library does while it is imported.
        try:
            with signals.raised():
                raise_signal(signal.SIGTERM)
        except BaseException:
            pass


class Deleted:
    """Has a signal come while it is deleted."""

    def __del__(self):
        raise_signal(signal.SIGTERM)


def in_a_callback():
    held = threading.Event()
    watch = weakref.ref(held, lambda _: raise_signal(signal.SIGTERM))
    del held
    assert watch() is None


def in_a_bare_except():
    with contextlib.suppress(BaseException):
        raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('swallowing', [Deleted, in_a_callback, in_a_bare_except])
def test_a_signal_that_was_swallowed_is_raised_again(swallowing, monkeypatch):
    # pytest's own keeps what it is told of.
    monkeypatch.setattr(sys, 'unraisablehook', lambda _: None)
    reached = []
    with pytest.raises(Interrupted, match='SIGTERM'), StopSignals('nothing') as signals, signals.raised():
        swallowing()
        reached.append('after it')
        time.sleep(10)
        reached.append('much later')
    assert reached == ['after it']


def test_what_cleans_up_is_not_interrupted_again():
    reached = []
    with pytest.raises(Interrupted), StopSignals('nothing') as signals, signals.raised():
        try:
            raise_signal(signal.SIGTERM)
        finally:
            time.sleep(3 * stop_signals.SECONDS_UNTIL_AGAIN)
            reached.append('cleaned up')
    assert reached == ['cleaned up']


def test_another_error_is_not_hidden():
    with pytest.raises(KeyError), StopSignals('nothing'):
        raise_signal(signal.SIGTERM)
        raise KeyError


def test_a_signal_is_sent_where_other_threads_work():
    results = queue.SimpleQueue()
    with (
        pytest.raises(Interrupted),
        StopSignals('nothing') as signals,
        signals.raised(),
        signals.sent_to(results),
    ):
        raise_signal(signal.SIGHUP)
        assert isinstance(results.get(), Interrupted)
    with pytest.raises(Interrupted), StopSignals('nothing') as signals:
        raise_signal(signal.SIGHUP)
        with signals.sent_to(results):
            assert isinstance(results.get(), Interrupted)


def test_a_second_signal_of_one_stop_changes_nothing_but_a_later_one_acts(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(stop_signals.time, 'monotonic', lambda: clock[0])
    reached = []
    with (
        pytest.raises(Interrupted, match='SIGHUP; outer'),
        StopSignals('outer') as outer,
        outer.raised(),
        StopSignals('inner') as inner,
    ):
        raise_signal(signal.SIGTERM)
        clock[0] = 0.9
        raise_signal(signal.SIGHUP)
        reached.append(inner.received)
        clock[0] = 1.1
        raise_signal(signal.SIGHUP)
        reached.append('after the later one')
    assert reached == [signal.SIGTERM]


def test_what_was_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals('nothing') as signals, signals.raised():
            raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_leaves_signals_alone():
    found = []

    def enter():
        with StopSignals('nothing'):
            found.extend(map(signal.getsignal, STOP_SIGNALS))

    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == before
