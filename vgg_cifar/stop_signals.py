"""Turns the signals that ask a command to stop into an exception that loses nothing."""

import _thread
import contextlib
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn

from vgg_cifar.errors import Interrupted

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1') if hasattr(signal, name)
)
"""Ctrl-C; what kill and batch systems send; a terminal that closes; what SLURM warns by: those there are."""

# Shells and batch systems send a process and its group each a signal, or two kinds at once, for one stop.
SECONDS_OF_ONE_STOP = 1.0

# By then, whatever has swallowed the exception is over.
SECONDS_UNTIL_AGAIN = 0.05


class StopSignals:
    """Catches the stop signals while it is entered. `received` is the first that has come, or None.

    Inside `raised` it is raised as Interrupted, inside `sent_to` it is put into a queue; elsewhere it is kept
    until one of the two is entered or this is left. What comes later than a second after it acts as it
    would without this. A signal that was ignored before stays so, as SIGHUP does under nohup; but SIGINT does
    not, which scripts have all that they start with & ignore.

    Only the main thread can catch signals; in another this does nothing: who has started it stops it.

    Args:
        left: what a stop leaves, for the message.
        at_once: called when the first comes, in its handler.

    """

    def __init__(self, left: str, at_once: Callable[[], object] | None = None) -> None:
        self.received: signal.Signals | None = None
        self._left = left
        self._at_once = at_once
        self._received_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}
        self._hand_over: Callable[[Interrupted], object] | None = None
        self._raised: weakref.ref[Interrupted] | None = None

    def __enter__(self) -> 'StopSignals':
        self.catch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        if kind is None and self.received is not None:
            raise Interrupted(self.received, self._left)

    def catch(self) -> None:
        """Catch signals from now on, for who cannot use `with`."""
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                # None: something beside Python handles it.
                if number == signal.SIGINT or signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._receive)

    def release(self) -> None:
        """Catch no more; what has come stays in `received`."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._received_at = signal.Signals(number), now
            if self._at_once is not None:
                self._at_once()
            if self._hand_over is not None:
                self._hand_over(Interrupted(self.received, self._left))
        elif self._is_swallowed():
            self._raise(Interrupted(self.received, self._left))
        elif now - self._received_at > SECONDS_OF_ONE_STOP:
            self.release()
            signal.raise_signal(number)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Raise what comes, at once and wherever this is; and what has come.

        It is raised again where it is swallowed, as Python does to what is raised while it deletes an object,
        and libraries by a bare ``except``.
        """
        with self._handed_to(self._raise):
            yield

    def _raise(self, error: Interrupted) -> NoReturn:
        try:
            self._raised = weakref.ref(error, self._send_again)
            raise error
        finally:
            # Else it would hold itself, by its traceback and this frame.
            del error

    def _is_swallowed(self) -> bool:
        """Whether what was raised is no more, although nobody has left `raised`."""
        return self._hand_over == self._raise and self._raised is not None and self._raised() is None

    def _send_again(self, _: object) -> None:
        if self._is_swallowed():
            # Whose locks might be held here: threading's.
            _thread.start_new_thread(self._send, ())

    def _send(self) -> None:
        time.sleep(SECONDS_UNTIL_AGAIN)
        if self._is_swallowed() and self.received is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, self.received)

    @contextlib.contextmanager
    def sent_to(self, results: 'queue.SimpleQueue[Any]') -> Iterator[None]:
        """Put the exception into `results`; raise in the end what nobody has raised.

        For where other threads work: an exception that comes at any moment could leave them behind.
        """
        with self._handed_to(results.put):
            yield
        if self.received is not None:
            raise Interrupted(self.received, self._left)

    @contextlib.contextmanager
    def _handed_to(self, hand_over: Callable[[Interrupted], object]) -> Iterator[None]:
        before, self._hand_over = self._hand_over, hand_over
        try:
            if self.received is not None:
                hand_over(Interrupted(self.received, self._left))
            yield
        finally:
            self._hand_over = before
