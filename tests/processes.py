"""Python in a process of its own, for what depends on the state of a process; scripts, imported."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def script(name):
    """Import one of `scripts`, which are no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / 'scripts' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python(*arguments, **options):
    """Run this Python with the package importable from any folder; return its status, output and errors."""
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'MPLBACKEND': 'agg',
        **options.pop('environment', {}),
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def run_code(code, *flags, **options):
    """Run a piece of code, expect it to succeed, and return what it printed."""
    result = python(*flags, '-c', code, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def scheduler_address(file, process=None):
    """Return the address in the file of a Dask scheduler, a process, which does not write it in one go."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return json.loads(file.read_text())['address']
        except (FileNotFoundError, ValueError):
            assert time.monotonic() < deadline
            assert process is None or process.poll() is None
            time.sleep(0.02)
