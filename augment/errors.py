"""The ways in which the command can end early; it prints the message."""

import signal


class InputError(ValueError):
    """Bad input or usage: a line with the file, the field, what was found and expected, what to do."""

    exit_status = 2


class InUse(InputError):
    """Another process is writing what was to be written."""


class Failed(Exception):
    """The work failed though the input may be good: a line with what failed and what to do."""

    exit_status = 1


class Interrupted(Exception):
    """A signal has stopped the work cleanly; `left` says what is left of it."""

    def __init__(self, number: signal.Signals, left: str) -> None:
        super().__init__(f'stopped by {number.name}; {left}')
        self.exit_status = 128 + number


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
