"""The ways in which a command can end early, the one line and exit status that each becomes, and notices."""

import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator

from vgg_cifar.foreign_text import shown

# Enough for every run of a study to fail for a reason of its own.
LONGEST_MESSAGE = 8000


class InputError(ValueError):
    """Bad input or usage: a line with the file, the field, what was found and expected, what to do."""

    exit_status = 2


class InUse(InputError):
    """Another process is writing what was to be written."""


class WorkFailed(RuntimeError):
    """The input was fine, the work was not (a diverged loss, a download that broke)."""

    exit_status = 1


class Interrupted(BaseException):
    """A signal has stopped the work cleanly; `left` says what is left of it.

    No Exception, as KeyboardInterrupt is none: it may come while a library is at work that handles those.
    """

    def __init__(self, number: signal.Signals, left: str) -> None:
        super().__init__(f'stopped by {number.name}; {left}')
        self.exit_status = 128 + number


# A disk that is full or fails; any other error of the system's comes of what the user has named.
FAILED_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_FULL = 'free some space, or write to another disk'
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: 'choose another place',
    errno.EACCES: 'allow it, or choose another place',
    errno.EPERM: 'allow it, or choose another place',
    errno.EEXIST: 'move it away, or choose another place',
    errno.EISDIR: 'move it away, or choose another place',
    errno.ENOTDIR: 'a part of this path is no folder; choose another place',
    errno.ENOENT: 'correct the path',
    errno.ENAMETOOLONG: 'choose a shorter one',
}


def exit_status(program: str, work: Callable[[], int], debug: Callable[[], bool]) -> int:
    """Do `work` and return its exit status; print an error as one line after the name of `program`.

    0: done, 1: the work failed, 2: bad input or usage, 128 + the number of a signal that has stopped it. An
    error that is nobody's message keeps its traceback, and every error does where `debug` then says so.
    """
    try:
        with _notices_shown():
            status = work()
            # While it can still be said that this fails.
            sys.stdout.flush()
            return status
    except (InputError, WorkFailed, Interrupted) as error:
        message, status = str(error), error.exit_status
        caught: BaseException = error
    except BrokenPipeError:
        # Who was reading has had enough, as `head` has: no error, but nobody to print to either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        message, status = of_system(error), 1 if error.errno in FAILED_DISK else 2
        caught = error
    except MemoryError as error:
        message = f'not enough memory ({first_line(error)}); use fewer or smaller images, or a larger machine'
        status, caught = 1, error
    except KeyboardInterrupt as error:
        message, status, caught = 'stopped by SIGINT', 128 + signal.SIGINT, error
    if debug():
        raise caught
    # A message may quote names and values from files.
    print(f'{program}: {shown(message, LONGEST_MESSAGE)}', file=sys.stderr)
    return status


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # Not a stream that was stderr once.
        print(shown(record.getMessage(), LONGEST_MESSAGE), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _notices_shown() -> Iterator[None]:
    """Print what the package logs meanwhile, from INFO on, on stderr, a line each."""
    logger, handler = logging.getLogger('vgg_cifar'), _Notices()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def of_system(error: OSError) -> str:
    """Return what the system says, in one line: of which file, what, and what to do; no error's number."""
    said = first_line(error)
    if error.strerror is None:
        return said
    named = '' if error.filename is None else f'{os.fsdecode(error.filename)}: '
    advice = _ADVICE.get(error.errno or 0)
    return f'{named}{said[:1].lower()}{said[1:]}{f"; {advice}" if advice else ""}'


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line; one of the system's without its number and its file."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else error
    return (str(said).splitlines() or [type(error).__name__])[0]
