"""The transforms against the report's own loop, and against SciPy where the loop has no word."""

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from augment import transforms


def listing(images):
    """Make the copies as the listing of report R1 makes them, image by image."""
    copies = []
    for image in images:
        channels_last = numpy.rollaxis(image, 0, 3)
        flipped = numpy.fliplr(channels_last)
        with numpy.errstate(invalid='ignore'):
            normalized = (channels_last - channels_last.min()) / (channels_last.max() - channels_last.min())
        median = ndimage.median_filter(channels_last, 2)
        copies += [image] + [numpy.rollaxis(copy, 2, 0) for copy in (flipped, normalized, median)]
    return numpy.float32(copies[:])


def same_bits(found, expected):
    return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


def photographs(n=40, shape=(3, 32, 32), dtype='uint8', seed=0):
    """Draw images with edges and gradients, and noise on top."""
    random = numpy.random.RandomState(seed)
    field = random.standard_normal((n, *shape))
    smooth = ndimage.gaussian_filter(field, (0, 0, 2, 2)) * 400 + random.standard_normal(field.shape) * 9
    return numpy.clip(smooth + 128, 0, 255).astype(dtype)


# Without -0: the sign of a zero is the one thing that is not promised.
FLOATS = st.floats(-1e4, 1e4, width=32).map(lambda value: value + 0.0)
SHAPES = arrays.array_shapes(min_dims=4, max_dims=4, max_side=6)
BATCHES = st.one_of(
    arrays.arrays('float32', SHAPES, elements=FLOATS),
    arrays.arrays('float32', SHAPES, elements=st.integers(0, 3)),
    arrays.arrays('uint8', SHAPES),
)


# Its variance is less than any number of its type.
@example(numpy.array([0, 2**-126], 'f4').reshape(1, 1, 1, 2))
@given(BATCHES)
def test_the_copies_are_the_listings_bit_for_bit(images):
    found = transforms.apply_copies(images)
    expected = listing(images.astype('float32'))
    constant = numpy.repeat(numpy.ptp(images, axis=(1, 2, 3)) == 0, 4)
    assert same_bits(found[~constant], expected[~constant])
    assert not found[2::4][constant[::4]].any(), 'a constant image normalizes to zeros'


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
def test_many_real_sized_images_are_the_listings_bit_for_bit(dtype):
    images = photographs(200, dtype=dtype)
    assert same_bits(transforms.apply_copies(images), listing(images.astype('float32')))


def test_each_function_keeps_its_promise_about_dtype_and_leaves_its_input_alone():
    for dtype in ('uint8', 'float32'):
        images = photographs(5, dtype=dtype)
        before = images.copy()
        expected = listing(images.astype('float32')).reshape(5, 4, *images.shape[1:])
        assert same_bits(transforms.flip(images), expected[:, 1].astype(dtype))
        assert same_bits(transforms.normalize(images), expected[:, 2].copy())
        assert same_bits(transforms.median_filter(images), expected[:, 3].astype(dtype))
        assert transforms.rotate(images, 90).dtype == 'float32'
        assert same_bits(images, before)


@given(BATCHES, st.integers(1, 4), st.sampled_from(transforms.WINDOWS))
def test_median_windows_are_scipys(images, size, window):
    expected = ndimage.median_filter(images, (1, size if window == 'channels' else 1, size, size))
    assert same_bits(transforms.median_filter(images, size, window), expected)


def test_a_plane_window_leaves_other_channels_out():
    images = photographs(3)
    found = transforms.median_filter(images, window='plane')
    assert same_bits(found[:, 1:2], transforms.median_filter(images[:, 1:2].copy(), window='plane'))


@given(BATCHES, st.sampled_from([7, 15, 22.5, 30, 45, 90, 180]))
def test_rotations_are_scipys(images, step):
    found = transforms.rotate(images, step).reshape(len(images), -1, *images.shape[1:])
    assert found.shape[1] == 180 // step
    for place, angle in enumerate(transforms.angles(step)):
        expected = ndimage.rotate(images.astype('float32'), angle, (3, 2), reshape=False, order=1)
        # SciPy's releases add the four pixels up in different orders.
        tolerance = 1e-6 * numpy.abs(expected).max(initial=0)
        numpy.testing.assert_allclose(found[:, place], expected, rtol=0, atol=tolerance)


def test_rotation_turns_counterclockwise_and_fills_with_black():
    images = photographs(2)
    found = transforms.rotate(images, 45).reshape(2, 4, 3, 32, 32)
    numpy.testing.assert_array_equal(found[:, 1], numpy.rot90(images, axes=(2, 3)))
    numpy.testing.assert_array_equal(found[:, 3], images[:, :, ::-1, ::-1])
    assert not found[:, 0, :, 0, 0].any()


def test_fifteen_degrees_give_twelve_copies():
    assert transforms.angles(15) == [15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180]
    assert transforms.count_copies(rotate=15) == 16


def test_copies_come_in_the_order_asked_for():
    images = photographs(3)
    everything = transforms.apply_copies(images, rotate=60).reshape(3, 7, 3, 32, 32)
    some = transforms.apply_copies(images, ['median', 'original'], rotate=90).reshape(3, 4, 3, 32, 32)
    assert same_bits(some[:, 0].copy(), everything[:, 3].copy())
    assert same_bits(some[:, 1].copy(), everything[:, 0].copy())
    numpy.testing.assert_array_equal(some[:, 3], everything[:, 6])


def test_pieces_do_not_show():
    images = photographs(300)
    whole = transforms.apply_copies(images, rotate=60)
    single = numpy.concatenate([transforms.apply_copies(images[i : i + 1], rotate=60) for i in range(300)])
    assert same_bits(whole, single)


def test_uint8_holds_the_copies_that_are_whole_numbers():
    images = photographs(6)
    names = ['original', 'flip', 'median']
    out = numpy.empty((18, 3, 32, 32), 'uint8')
    assert transforms.apply_copies(images, names, out=out) is out
    assert same_bits(out.astype('float32'), transforms.apply_copies(images, names))
    for wrong in ({'copies': ['normalize']}, {'copies': [], 'rotate': 180}):
        with pytest.raises(ValueError, match='expected float32'):
            transforms.apply_copies(images, **wrong, out=out[:6])
    with pytest.raises(ValueError, match='expected float32'):
        transforms.apply_copies(images.astype('float32'), names, out=out)


def test_wrong_input_is_refused_with_what_was_expected():
    images = photographs(2)
    with pytest.raises(ValueError, match=r'sharpen.*original, flip, normalize, median'):
        transforms.apply_copies(images, ['sharpen'])
    with pytest.raises(ValueError, match='at least one'):
        transforms.apply_copies(images, [])
    for step in (0, -15, 181, float('nan')):
        with pytest.raises(ValueError, match='180 degrees'):
            transforms.rotate(images, step)
    with pytest.raises(ValueError, match='channels, plane'):
        transforms.median_filter(images, window='cube')
    with pytest.raises(ValueError, match='found shape'):
        transforms.apply_copies(images, out=numpy.empty((2, 3, 32, 32), 'float32'))
    for wrong in (images.astype('int32'), images[0]):
        with pytest.raises(TypeError, match=r'expected uint8 or float32 of shape \(N, C, H, W\)'):
            transforms.apply_copies(wrong)


def test_no_images_give_no_copies():
    assert transforms.apply_copies(photographs(0)).shape == (0, 3, 32, 32)
