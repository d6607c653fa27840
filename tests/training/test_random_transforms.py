"""Random windows and erased rectangles, against their definitions."""

import chainer
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.errors import InputError
from vgg_cifar.training import random_transforms
from vgg_cifar.training.batches import Batches, ShuffledBatches
from vgg_cifar.training.random_transforms import AREA, ASPECT, middle_crop, random_crop, random_erasing

few = settings(max_examples=40)
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(8, 40)


def random(seed):
    return numpy.random.RandomState(seed)


@few
@given(seed=seeds, height=sides, width=sides, probability=st.sampled_from([0.0, 0.5, 1.0]))
def test_what_is_erased_is_a_rectangle_of_the_reports_area_and_aspect(seed, height, width, probability):
    # Noise is below 1 and so never 2.
    x = numpy.full((20, 2, height, width), 2, numpy.float32)
    erased = random_erasing(x, random(seed), probability) != 2
    changed = 0
    for image in erased:
        numpy.testing.assert_array_equal(image[0], image[1])
        rows, columns = (numpy.flatnonzero(image[0].any(axis=axis)) for axis in (1, 0))
        if len(rows) == 0:
            continue
        changed += 1
        tall, wide = (places[-1] - places[0] + 1 for places in (rows, columns))
        assert image[0].sum() == tall * wide
        # Lengths are whole pixels: each is off by up to a half.
        assert (tall - 0.5) * (wide - 0.5) <= AREA[1] * height * width
        assert (tall + 0.5) * (wide + 0.5) >= AREA[0] * height * width
        assert (tall - 0.5) / (wide + 0.5) <= ASPECT[1]
        assert (tall + 0.5) / max(wide - 0.5, 0.1) >= ASPECT[0]
    # A rectangle of less than a pixel's width erases nothing, which is rare: of 20 images not half.
    least, most = {0.0: (0, 0), 0.5: (1, 19), 1.0: (10, 20)}[probability]
    assert least <= changed <= most


def test_half_of_the_images_are_erased_everywhere_alike():
    x = numpy.full((4000, 1, 32, 32), 2, numpy.float32)
    erased = random_erasing(x, random(0), 0.5)[:, 0] != 2
    share = erased.any(axis=(1, 2)).mean()
    assert abs(share - 0.5) < 4 * 0.5 / 4000**0.5
    # The middle is covered more often than a corner, but left and right, top and bottom are alike.
    covered = erased.mean(axis=0)
    assert abs(covered[:, :16].mean() - covered[:, 16:].mean()) < 0.01
    assert abs(covered[:16].mean() - covered[16:].mean()) < 0.01
    # Even aspect ratios of 0.3 to 3.3 and areas of 2 to 33 %; those that do not fit are drawn again.
    assert 0.12 < covered.mean() / share < 0.19


@few
@given(seed=seeds, height=sides, width=sides, size=st.integers(1, 8))
def test_a_random_window_is_a_window(seed, height, width, size):
    x = numpy.arange(3 * 2 * height * width, dtype=numpy.float32).reshape(3, 2, height, width)
    found = random_crop(x, random(seed), size)
    assert found.shape == (3, 2, size, size)
    for image, window in zip(x, found, strict=True):
        top, left = (place[0] for place in numpy.nonzero(image[0] == window[0, 0, 0]))
        numpy.testing.assert_array_equal(window, image[:, top : top + size, left : left + size])


def test_windows_lie_everywhere_and_the_middle_one_in_the_middle():
    x = numpy.zeros((2000, 1, 28, 28), numpy.float32)
    x[:] = numpy.arange(28 * 28).reshape(28, 28)
    corners = random_crop(x, random(0), 24)[:, 0, 0, 0]
    assert sorted(set(corners)) == [28 * top + left for top in range(5) for left in range(5)]
    assert middle_crop(x[:1], 24)[0, 0, 0, 0] == 28 * 2 + 2


def test_a_window_larger_than_the_image_is_refused():
    with pytest.raises(InputError, match='--crop is 30, but the images have 28x28 pixels'):
        random_transforms.build(30, 0.0, (1, 28, 28))
    assert random_transforms.build(None, 0.0, (1, 28, 28)) is None


def test_batches_repeat_from_the_seed_and_resume_to_the_bit(tmp_path):
    x = random(0).randint(0, 256, (30, 1, 12, 12)).astype('u1')
    images = Batches(x, numpy.arange(30, dtype='i4'), chainer.get_device('@numpy'))

    def batches(seed=3):
        return ShuffledBatches(images, 8, seed, random_transforms.build(8, 0.5, (1, 12, 12)))

    whole = [next(it)[0] for it in [batches()] for _ in range(9)]
    first = batches()
    for expected in whole[:4]:
        numpy.testing.assert_array_equal(next(first)[0], expected)
    chainer.serializers.save_npz(tmp_path / 'state.npz', first)
    resumed = batches()
    chainer.serializers.load_npz(tmp_path / 'state.npz', resumed)
    for expected in whole[4:]:
        numpy.testing.assert_array_equal(next(resumed)[0], expected)
    assert not numpy.array_equal(next(batches(seed=4))[0], whole[0])
