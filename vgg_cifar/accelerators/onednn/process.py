"""Whether this process may call oneDNN: OpenMP's threads do not survive a fork."""

import os

_PROCESS = os.getpid()


def usable() -> bool:
    """Whether oneDNN may be called: not in a process forked after this module was imported.

    A forked child that waited for OpenMP's threads would wait for ever: they exist in its parent only.
    """
    return os.getpid() == _PROCESS
