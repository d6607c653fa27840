"""Record in snippets.json what Python 2.7 prints for each of the snippets: record_snippets.py PYTHON2.7."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def snippets() -> list[bytes]:
    """Return the snippets, each a source of its own."""
    coding, _, rest = (HERE / 'snippets.py2').read_text(encoding='utf-8').partition('\n')
    return [f'{coding}\n{snippet}\n'.encode() for snippet in rest.strip('\n').split('\n\n')[1:]]


def printed(python: str, source: bytes) -> str:
    """Return what a Python prints for a source, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'snippet.py').write_bytes(source)
        environment = {**os.environ, 'PYTHONIOENCODING': 'utf-8'}
        return subprocess.check_output([python, 'snippet.py'], env=environment, cwd=folder).decode()


if __name__ == '__main__':
    recorded = [printed(sys.argv[1], source) for source in snippets()]
    (HERE / 'snippets.json').write_text(json.dumps(recorded, indent=2) + '\n')
