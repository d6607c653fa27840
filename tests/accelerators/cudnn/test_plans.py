"""The plans of the reports' networks, at their batches, can be built for an H100 in every type."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# What cuDNN's libraries want of a driver when they are loaded.
DRIVER = (
    'cuGetErrorString',
    'cuModuleGetFunction',
    'cuModuleLoadData',
    'cuModuleUnload',
    'cuTensorMapEncodeIm2col',
    'cuTensorMapEncodeTiled',
)


def test_all_are_built(tmp_path):
    pytest.importorskip('cudnn', reason='cuDNN has no graphs without pip install nvidia-cudnn-frontend')
    if (gcc := shutil.which('gcc')) is None:
        pytest.skip('what stands for the driver is built by gcc, which is not installed: apt-get install gcc')
    source = tmp_path / 'driver.c'
    source.write_text(''.join(f'int {name}(void) {{ return 100; }}\n' for name in DRIVER))
    subprocess.run([gcc, '-shared', '-fPIC', '-o', tmp_path / 'libcuda.so.1', source], check=True)
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', HERE / 'built_plans.py', HERE / 'h100.json'],
        env={**os.environ, 'LD_LIBRARY_PATH': str(tmp_path), 'PYTHONPATH': str(HERE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    workspaces = [int(line.split()[-1]) for line in result.stdout.splitlines()]
    assert len(workspaces) == 4 * 24 * 5
    assert max(workspaces) <= 1024 << 20
