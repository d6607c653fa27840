"""What of an unfinished output is done, on disk: a killed run goes on from here."""

import contextlib
import errno
import fcntl
import json
import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vgg_cifar.errors import InputError, InUse

# Some file systems of clusters have no locks.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Journal:
    """A text file: first a line with the job's identity, then a line for each block that is safely on disk.

    A block's line is a JSON list of whole numbers: the block's number, how many of its images are constant,
    and, where chunks are compressed, the offset and the size of each. Once the output needs nothing but its
    name, the last line is {"complete": [BYTES, TIME]}, its size and time of change, by which it is known
    under any name. A torn last line does not count.

    While it is open no other process can open it. An empty one is deleted when it is closed.

    Raises:
        InputError: the file is something else's.
        InUse: another process, or another thread of this one, has it open.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity: dict[str, Any] | None = None
        self.done: dict[int, list[int]] = {}
        self.complete: list[int] | None = None
        self._file = self._lock()
        try:
            content = os.pread(self._file, os.fstat(self._file).st_size, 0)
            if not b'{'.startswith(content[:1]):
                raise InputError(f'{path}: found something else than a journal of augment; move it away')
            # What an append that was cut has left.
            self._size = content.rfind(b'\n') + 1
            if len(content) > self._size:
                os.ftruncate(self._file, self._size)
            self._read(content[: self._size].splitlines())
        except BaseException:
            self.close()
            raise

    def _lock(self) -> int:
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The process that held it may have deleted it before it let go.
                if os.path.samestat(os.fstat(file), self.path.stat()):
                    return file
            except FileNotFoundError:
                pass
            except BlockingIOError:
                os.close(file)
                raise InUse(
                    f'{self.path}: another process is writing this output; wait for it or choose another'
                ) from None
            except OSError as error:
                if error.errno in NO_LOCKS:
                    return file
                raise
            os.close(file)

    def _read(self, lines: list[bytes]) -> None:
        try:
            if lines:
                self.identity = dict(json.loads(lines[0]))
            for line in lines[1:]:
                entry = json.loads(line)
                if isinstance(entry, dict):
                    self.complete = entry['complete']
                else:
                    number, *rest = map(operator.index, entry)
                    self.done[number] = rest
        except (ValueError, TypeError, LookupError, RecursionError):
            self.identity, self.done, self.complete = None, {}, None

    def start(self, identity: dict[str, Any]) -> None:
        """Begin anew."""
        os.ftruncate(self._file, 0)
        self._size = 0
        self.identity, self.done, self.complete = None, {}, None
        self._append(json.dumps(identity, sort_keys=True).encode())
        self.identity = identity

    def add(self, blocks: Iterable[list[int]]) -> None:
        """Record blocks whose values have reached the disk."""
        blocks = list(blocks)
        if blocks:
            self._append(b'\n'.join(json.dumps(block, separators=(',', ':')).encode() for block in blocks))
            self.done.update((block[0], block[1:]) for block in blocks)

    def finish(self, output: Path) -> None:
        """Record that `output` needs nothing but its name."""
        complete = stamp(output)
        self._append(json.dumps({'complete': complete}).encode())
        self.complete = complete

    def _append(self, text: bytes) -> None:
        left = text + b'\n'
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            # Else the next line would begin within this one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(text) + 1

    def delete(self) -> None:
        """Delete the file; nothing is left to go on from."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other processes open it."""
        if os.fstat(self._file).st_size == 0:
            self.delete()
        os.close(self._file)


def is_open(path: Path) -> bool:
    """Return whether some process, on whichever host, has the journal at `path` open.

    False too where the file system has no locks that reach so far. Raises OSError where there is no file.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        # A shared lock does not keep others from looking at the same time.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    finally:
        os.close(file)
    return False


def stamp(path: Path) -> list[int]:
    """Return a file's size and time of change, which a new name leaves as they are."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
