"""These tests compare oneDNN with Chainer's NumPy path; without the library there is nothing to compare."""

import os
import sys
from pathlib import Path

import chainer  # noqa: F401
import pytest

from vgg_cifar.accelerators import onednn
from vgg_cifar.accelerators.onednn import library

# The tests share modules, and so do the processes that they spawn.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _needs_library():
    if os.environ.get(onednn.VARIABLE):
        pytest.skip(onednn.status())
    try:
        library.load()
    except library.Unavailable as reason:
        pytest.skip(str(reason))
    # Where there is a library, nothing must pass for want of an accelerator.
    assert onednn.live(), onednn.status()
