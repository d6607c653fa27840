"""These tests compare oneDNN with Chainer's NumPy path; without the library there is nothing to compare."""

import pytest

from vgg_cifar.accelerators.onednn import library


@pytest.fixture(autouse=True)
def _needs_library():
    try:
        library.load()
    except library.Unavailable as reason:
        pytest.skip(str(reason))
