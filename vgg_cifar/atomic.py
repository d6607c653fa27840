"""Outputs appear whole or not at all."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, delete it on any failure.

    The temporary file lies in the same folder, so that the rename is atomic. Where `path` is a symbolic link,
    what it leads to is replaced, and the link stays.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix='.partial', dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        # mkstemp's files are private; an output has the permissions that the user's umask asks for.
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        with partial.open('rb') as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write `content` as a JSON file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + '\n')
