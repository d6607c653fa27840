"""Where arrays lie, for calls of C."""

import ml_dtypes
import numpy
import pytest

from vgg_cifar.accelerators.onednn.arrays import address, empty

MATRIX = numpy.zeros((6, 8), numpy.float32)
READ_ONLY = numpy.zeros((2, 3), numpy.float32)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    'array',
    [
        MATRIX,
        MATRIX.T,
        MATRIX[1:],
        MATRIX[:, 1:],
        MATRIX[::2, ::3],
        READ_ONLY,
        empty((2, 3, 4, 5)),
        empty((2, 3, 4, 5))[:, 1:],
        numpy.zeros((2, 3, 4, 5), numpy.float32),
        MATRIX.astype(ml_dtypes.bfloat16),
        MATRIX.astype(numpy.uint8)[3],
        numpy.zeros((), numpy.float32),
        numpy.zeros((0, 3), numpy.float32),
    ],
)
def test_address(array):
    assert address(array) == array.__array_interface__['data'][0]


def test_no_array_lies_nowhere():
    assert address(None) == 0
