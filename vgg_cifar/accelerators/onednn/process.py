"""Whether this process may call oneDNN: OpenMP's threads do not survive a fork."""

import os


class _State:
    forked = False


def _note_fork() -> None:
    _State.forked = True


# A forked child that waited for OpenMP's threads would wait for ever: they exist in its parent only.
os.register_at_fork(after_in_child=_note_fork)


def usable() -> bool:
    """Whether oneDNN may be called: not in a process forked after this module was imported."""
    return not _State.forked
