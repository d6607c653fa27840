"""Batches against a loop over samples, and their order against Chainer's own iterator."""

import chainer
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.training.batches import Batches, ShuffledBatches

X = numpy.random.RandomState(0).randint(0, 256, (20, 3, 4, 4)).astype('u1')
Y = numpy.arange(20, dtype='i4')
CPU = chainer.get_device('@numpy')


@settings(max_examples=50)
@given(rows=st.lists(st.integers(0, 19), min_size=1, max_size=30), as_float=st.booleans())
def test_batch_is_the_rows_scaled(rows, as_float):
    x = X.astype('f') / 7 if as_float else X
    found, labels = Batches(x, Y, CPU)(rows)
    assert found.dtype == numpy.float32
    expected = [x[row] if as_float else x[row] / numpy.float32(255) for row in rows]
    numpy.testing.assert_array_equal(found, numpy.stack(expected))
    numpy.testing.assert_array_equal(labels, [Y[row] for row in rows])


def test_images_stay_bytes_until_they_are_asked_for():
    batches = Batches(X, Y, CPU)
    assert batches.x.dtype == numpy.uint8
    assert len(batches) == 20
    numpy.testing.assert_array_equal(batches(slice(3, 5))[1], [3, 4])


@pytest.fixture
def shuffled():
    """Return what makes an iterator; all end with the test."""
    made = []

    def make(batch_size, seed=0):
        made.append(ShuffledBatches(Batches(X, Y, CPU), batch_size, seed))
        return made[-1]

    yield make
    for iterator in made:
        iterator.finalize()


@pytest.mark.parametrize('batch_size', [1, 5, 6, 13, 20])
def test_epochs_are_counted_as_chainers_iterator_counts_them(shuffled, batch_size):
    ours, chainers = shuffled(batch_size), chainer.iterators.SerialIterator(Y, batch_size)
    for _ in range(90 // batch_size):
        for name in ('epoch', 'is_new_epoch', 'epoch_detail', 'previous_epoch_detail'):
            assert getattr(ours, name) == pytest.approx(getattr(chainers, name)), name
        ours.next()
        chainers.next()


@pytest.mark.parametrize('batch_size', [5, 6, 13])
def test_each_epoch_holds_each_image_once_in_a_new_order(shuffled, batch_size):
    iterator = shuffled(batch_size)
    labels = numpy.concatenate([iterator.next()[1] for _ in range(13)])
    epochs = labels[: len(labels) // 20 * 20].reshape(-1, 20)
    assert (numpy.sort(epochs) == Y).all()
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs) > 1


def test_the_seed_chooses_the_orders_whatever_else_is_drawn(shuffled):
    first, again, other = shuffled(20, 1), shuffled(20, 1), shuffled(20, 2)
    numpy.testing.assert_array_equal(first.next()[1], again.next()[1])
    numpy.random.rand()
    second = first.next()[1]
    numpy.testing.assert_array_equal(second, again.next()[1])
    other.next()
    assert (other.next()[1] != second).any()


@pytest.mark.parametrize('given_out', [0, 3, 7])
def test_goes_on_where_it_was(shuffled, given_out, tmp_path):
    before, after = shuffled(6), shuffled(6)
    for _ in range(given_out):
        before.next()
    chainer.serializers.save_npz(tmp_path / 'iterator.npz', before)
    # It must forget the batch that it had prepared.
    after.next()
    chainer.serializers.load_npz(tmp_path / 'iterator.npz', after)
    for _ in range(5):
        numpy.testing.assert_array_equal(after.next()[0], before.next()[0])
        assert (after.epoch, after.is_new_epoch) == (before.epoch, before.is_new_epoch)


def test_an_error_in_the_thread_reaches_the_caller(shuffled):
    iterator = shuffled(6)
    iterator._images.x = X[:3]
    with pytest.raises(IndexError):
        for _ in range(3):
            iterator.next()
