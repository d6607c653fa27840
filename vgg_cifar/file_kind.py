"""What lies at a path, in words: a file, a folder, or what is neither, such as a device or a pipe."""

import stat
from pathlib import Path

KINDS = (
    (stat.S_ISREG, 'a file'),
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
    (stat.S_ISFIFO, 'a pipe (FIFO)'),
    (stat.S_ISSOCK, 'a socket'),
)


def kind(path: Path) -> str:
    """Return what `path` leads to; a broken link is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return 'a link to nothing' if path.is_symlink() else 'nothing'
    return next((name for holds, name in KINDS if holds(mode)), 'no file')
