"""idx files: round trips, and files from outside that lie."""

import gzip
import io
import struct
import tracemalloc

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vgg_cifar.datasets import idx
from vgg_cifar.datasets.idx import read_idx
from vgg_cifar.errors import InputError


def written(array):
    """The format as it is described: two zeros, 8 for bytes, the number of axes, big-endian lengths."""
    return struct.pack(f'>BBBB{array.ndim}I', 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def refused(content, *fragments, shape=(None, 4, 4)):
    with pytest.raises(InputError) as error:
        read_idx(io.BytesIO(content), 'a file', shape)
    assert '\n' not in str(error.value)
    for fragment in ('a file', *fragments):
        assert fragment in str(error.value)


shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)


@settings(max_examples=60)
@given(
    array=shapes.flatmap(lambda shape: arrays(numpy.uint8, shape)), zipped=st.booleans(), known=st.booleans()
)
def test_round_trip(array, zipped, known):
    content = gzip.compress(written(array), 1) if zipped else written(array)
    shape = array.shape if known else (None,) * array.ndim
    numpy.testing.assert_array_equal(read_idx(io.BytesIO(content), 'x', shape), array)


GOOD = written(numpy.zeros((3, 4, 4), numpy.uint8))


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize(
    'content, fragments',
    [
        (b'', ('found nothing', 'expected 00 00 08 03')),
        (b'\x89PNG\r\n', ('found 89 50 4e 47', 'the start of an idx file of bytes with 3 axes')),
        (GOOD[:3] + b'\x01' + GOOD[4:], ('found 00 00 08 01',)),
        (GOOD[:2] + b'\x0d' + GOOD[3:], ('found 00 00 0d 03',)),
        (GOOD[:7], ('expected N x 4 x 4',)),
        (GOOD[:-1], ('holds less than the 48 bytes that it announces',)),
        (GOOD + b'!', ('holds more than the 48 bytes',)),
        (written(numpy.zeros((3, 4, 5), numpy.uint8)), ('found 3 x 4 x 5 bytes, expected N x 4 x 4',)),
        (GOOD[:4] + bytes(12), ('found 0 x 0 x 0',)),
        (GOOD[:4] + struct.pack('>III', 0, 4, 4), ('found 0 x 4 x 4',)),
    ],
)
def test_what_is_not_such_a_file(content, fragments, zipped):
    refused(gzip.compress(content) if zipped else content, *fragments)


def test_a_header_that_announces_too_much_costs_no_memory():
    content = GOOD[:4] + struct.pack('>III', 2**32 - 1, 4, 4)
    tracemalloc.start()
    try:
        refused(content, 'found 4294967295 x 4 x 4 bytes, expected N x 4 x 4')
        # Within the bounds, but not there.
        refused(GOOD[:4] + struct.pack('>III', 2**25, 4, 4), 'holds less than the')
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked(monkeypatch):
    """Ten gigabytes of zeros in ten megabytes would take seconds; a hundred megabytes stand for them."""
    bomb = gzip.compress(GOOD + bytes(100_000_000), 1)
    tracemalloc.start()
    try:
        refused(bomb, 'holds more than')
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_memory_is_asked_for_first(monkeypatch):
    monkeypatch.setattr(idx, 'require_memory', lambda what, needed: refuse(what, needed))

    def refuse(what, needed):
        raise InputError(f'{what}: needs {needed}')

    refused(GOOD, 'needs 96')


@pytest.mark.parametrize('keep', [12, 20, -4])
def test_a_damaged_gzip_file(keep):
    content = gzip.compress(numpy.random.RandomState(0).bytes(64) and GOOD)
    refused(content[:keep], 'a file')
