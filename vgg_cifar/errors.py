"""The ways in which a command can end early; the command line prints the message."""

import signal
from pathlib import Path


class InputError(ValueError):
    """Bad input or usage: a line with the file, the field, what was found and expected, what to do."""

    exit_status = 2


class WorkFailed(RuntimeError):
    """The input was fine, the work was not (a diverged loss, a download that broke)."""

    exit_status = 1


class Interrupted(Exception):
    """A signal has stopped a run cleanly: `folder` holds a snapshot."""

    def __init__(self, number: signal.Signals, folder: Path) -> None:
        super().__init__(f'stopped by {number.name}; {folder} holds a snapshot, the same command resumes it')
        self.exit_status = 128 + number


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
