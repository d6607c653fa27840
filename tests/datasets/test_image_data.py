import dataclasses

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgg_cifar.datasets.image_data import ImageData, scale
from vgg_cifar.errors import InputError


def numbered(n_train=20, n_test=10, n_validation=0):
    """Return data in which an image's first pixel is its row number, and its label that number mod 3."""

    def part(start, n):
        x = numpy.zeros((n, 1, 2, 2), numpy.uint8)
        x[:, 0, 0, 0] = numpy.arange(start, start + n)
        return x, (x[:, 0, 0, 0] % 3).astype(numpy.int32)

    validation = part(200, n_validation) if n_validation else (None, None)
    return ImageData(
        'numbers', True, ('a', 'b', 'c'), 'generated', *part(0, n_train), *part(100, n_test), *validation
    )


def rows(x):
    return x[:, 0, 0, 0].tolist()


@given(train=st.integers(1, 12), validation=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_subset_draws_disjoint_rows_without_replacement_and_keeps_labels_beside_images(
    train, validation, seed
):
    subset = numbered().subset(train, validation, 4, seed)
    drawn = rows(subset.x_train) + rows(subset.x_validation)
    assert len(subset.x_train) == train
    assert len(subset.x_validation) == validation
    assert len(set(drawn)) == train + validation
    assert set(drawn) <= set(range(20))
    assert len(set(rows(subset.x_test))) == 4
    for part in ('train', 'validation', 'test'):
        x, y = getattr(subset, f'x_{part}'), getattr(subset, f'y_{part}')
        assert [row % 3 for row in rows(x)] == y.tolist()


def test_subset_is_the_same_for_the_same_seed_and_another_for_another():
    data = numbered()
    assert data.subset(10, 5, seed=1).fingerprint == data.subset(10, 5, seed=1).fingerprint
    assert data.subset(10, 5, seed=1).fingerprint != data.subset(10, 5, seed=2).fingerprint


def test_subset_without_a_train_size_keeps_all_that_validation_leaves():
    subset = numbered().subset(validation_size=6)
    assert sorted(rows(subset.x_train) + rows(subset.x_validation)) == list(range(20))
    assert len(subset.x_train) == 14


def test_subset_copies_nothing_where_nothing_is_asked():
    data = numbered()
    assert data.subset() is data
    assert data.subset(20, 0, 10) is data
    assert data.subset(test_size=3).x_train is data.x_train


def test_validation_rows_come_from_the_data_own_validation_part_where_there_is_one():
    data = numbered(n_validation=10)
    subset = data.subset(validation_size=4)
    assert set(rows(subset.x_validation)) <= set(range(200, 210))
    assert subset.x_train is data.x_train


@pytest.mark.parametrize(
    'arguments, message',
    [
        ({'train_size': 21}, 'generated: X_train has 20 images, 21 asked for'),
        (
            {'train_size': 18, 'validation_size': 3},
            'X_train has 20 images, 18 for training and 3 for validation asked for',
        ),
        ({'validation_size': 20}, 'X_train has 20 images, at least 1 for training and 20 for validation'),
        ({'test_size': 11}, 'X_test has 10 images, 11 asked for'),
        ({'test_size': 0}, '0 test images asked for; ask for 1 or more'),
        ({'train_size': -1}, '-1 training images asked for'),
        ({'validation_size': -1}, '-1 validation images asked for'),
    ],
)
def test_more_than_there_is_is_refused_in_one_line(arguments, message):
    with pytest.raises(InputError) as error:
        numbered().subset(**arguments)
    assert message in str(error.value)
    assert '\n' not in str(error.value)


def test_more_validation_rows_than_the_own_part_holds_are_refused():
    with pytest.raises(InputError, match='X_validation has 10 images, 11 asked for'):
        numbered(n_validation=10).subset(validation_size=11)


def test_fingerprint_is_pinned():
    # A changed value means that finished runs are no longer recognised as done on the same data.
    assert numbered().fingerprint == '12efa086b3495f7ce5bba744ce4ac6bbfbc9c44d89702fe2bba3130425275a60'


def test_fingerprint_sees_contents_but_not_memory_layout_or_byte_order():
    data = numbered()
    strided = dataclasses.replace(
        data,
        x_train=numpy.asfortranarray(data.x_train),
        y_train=data.y_train.astype('>i4'),
    )
    assert strided.fingerprint == data.fingerprint
    x = data.x_train.copy()
    x[3, 0, 1, 1] = 1
    assert dataclasses.replace(data, x_train=x).fingerprint != data.fingerprint
    flat = data.x_train.reshape(20, 4, 1, 1)
    assert dataclasses.replace(data, x_train=flat).fingerprint != data.fingerprint


def test_scale_maps_every_uint8_to_its_255th_and_passes_floats():
    scaled = scale(numpy.arange(256, dtype=numpy.uint8))
    assert scaled.dtype == numpy.float32
    expected = [numpy.float32(value) / numpy.float32(255) for value in range(256)]
    assert scaled.tolist() == [float(value) for value in expected]
    floats = numpy.array([-1, 7], numpy.float32)
    assert scale(floats) is floats
    assert scale(floats.astype(numpy.float64)).dtype == numpy.float32
