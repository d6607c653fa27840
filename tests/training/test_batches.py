"""Batches against a loop over samples."""

import chainer
import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.training.batches import Batches

X = numpy.random.RandomState(0).randint(0, 256, (20, 3, 4, 4)).astype('u1')
Y = numpy.arange(20, dtype='i4')


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.integers(0, 19), min_size=1, max_size=30), as_float=st.booleans())
def test_batch_is_the_rows_scaled(rows, as_float):
    x = X.astype('f') / 7 if as_float else X
    found, labels = Batches(x, Y, chainer.get_device('@numpy'))(rows)
    assert found.dtype == numpy.float32
    expected = [x[row] if as_float else x[row] / numpy.float32(255) for row in rows]
    numpy.testing.assert_array_equal(found, numpy.stack(expected))
    numpy.testing.assert_array_equal(labels, [Y[row] for row in rows])


def test_images_stay_bytes_until_they_are_asked_for():
    batches = Batches(X, Y, chainer.get_device('@numpy'))
    assert batches.x.dtype == numpy.uint8
    assert list(batches.rows) == list(range(20))
    numpy.testing.assert_array_equal(batches(slice(3, 5))[1], [3, 4])
