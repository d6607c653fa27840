"""Kill `python -m augment` with SIGKILL at random moments, many times, and let the same command go on.

After each kill the output must be absent or whole; each output that is completed must have the bits of an
undisturbed run, with nothing left beside it. Ends with status 1 at the first that has not.

    python scripts/kill_augment.py CIFAR10.hdf5 scratch --kills 200
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = {'plain': [], 'gzip': ['--gzip', '1', '--rows', '0:4000']}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open('rb') as file:
        while piece := file.read(2**22):
            found.update(piece)
    return found.hexdigest()


def start(source: Path, out: Path, options: list[str]) -> subprocess.Popen:
    """Start the command."""
    command = [sys.executable, '-m', 'augment', str(source.resolve()), out.name, *options]
    environment = {'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'}
    return subprocess.Popen(command, cwd=out.parent, env=environment, stdout=subprocess.DEVNULL)


def main() -> int:
    """Kill, resume, compare, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='the data file')
    parser.add_argument('folder', type=Path, help='where to write; it has to be empty or new')
    parser.add_argument(
        '--kills', type=int, default=200, help='how many of each kind of output (default: 200)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if any(arguments.folder.iterdir()):
        parser.error(f'{arguments.folder}: is not empty')
    moments = random.Random(arguments.seed)
    for kind, options in OPTIONS.items():
        out = arguments.folder / f'{kind}.hdf5'
        before = time.monotonic()
        if start(arguments.source, out, options).wait():
            raise SystemExit(f'{kind}: the undisturbed run failed')
        seconds = time.monotonic() - before
        whole = digest(out)
        out.unlink()
        kills = completed = 0
        while kills < arguments.kills:
            process = start(arguments.source, out, options)
            time.sleep(moments.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
            status = process.wait()
            if status not in (0, -signal.SIGKILL):
                raise SystemExit(f'{kind}: status {status} after {kills} kills')
            kills += status == -signal.SIGKILL
            if out.exists():
                if digest(out) != whole:
                    raise SystemExit(f'{kind}: a wrong output after {kills} kills')
                # A run that was killed between the name and the end of its journal is ended by the next.
                if len(list(arguments.folder.iterdir())) > 1:
                    start(arguments.source, out, options).wait()
                left = sorted(path.name for path in arguments.folder.iterdir())
                if left != [out.name]:
                    raise SystemExit(f'{kind}: left {left} after {kills} kills')
                completed += 1
                out.unlink()
            print(f'{kind}: {kills} kills, {completed} outputs completed, all of the same bits', flush=True)
        if start(arguments.source, out, options).wait() or digest(out) != whole:
            raise SystemExit(f'{kind}: the last run did not complete to the same bits')
        print(f'{kind}: the last run went on to the same bits', flush=True)
        out.unlink()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
