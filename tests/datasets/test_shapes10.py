import itertools

import numpy
import pytest

from vgg_cifar.datasets import shapes10
from vgg_cifar.datasets.shape_outlines import OUTLINES
from vgg_cifar.errors import InputError


@pytest.fixture(scope='module')
def drawn():
    return shapes10.generate(2000, 1000)


def test_types_and_what_it_is_called(drawn):
    assert (drawn.x_train.shape, drawn.x_train.dtype) == ((2000, 3, 32, 32), numpy.uint8)
    assert (drawn.y_test.shape, drawn.y_test.dtype) == ((1000,), numpy.int32)
    assert (drawn.name, drawn.synthetic, drawn.source, drawn.n_classes) == ('shapes10', True, 'generated', 10)


def test_the_same_seed_gives_the_same_set_and_another_another(drawn):
    assert shapes10.generate(2000, 1000).fingerprint == drawn.fingerprint
    assert shapes10.generate(2000, 1000, seed=1).fingerprint != drawn.fingerprint


def test_the_random_numbers_are_the_same_with_every_numpy(drawn):
    # The labels come from random bits alone; a changed value means another set under the same name.
    assert drawn.y_train[:20].tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9, 1, 3, 5, 8, 9, 7, 4, 0, 2, 6]


@pytest.mark.parametrize('size', [1, 499, 501])
def test_a_larger_set_begins_with_the_smaller_one(drawn, size):
    small = shapes10.generate(size, size)
    numpy.testing.assert_array_equal(small.x_train, drawn.x_train[:size])
    numpy.testing.assert_array_equal(small.y_train, drawn.y_train[:size])
    numpy.testing.assert_array_equal(small.x_test, drawn.x_test[:size])


def test_no_image_comes_twice(drawn):
    images = numpy.concatenate([drawn.x_train, drawn.x_test])
    assert len({image.tobytes() for image in images}) == len(images)


def test_each_class_comes_once_in_every_ten_images_in_changing_order(drawn):
    blocks = drawn.y_train.reshape(-1, 10)
    assert (numpy.sort(blocks, axis=1) == numpy.arange(10)).all()
    assert len({tuple(block) for block in blocks.tolist()}) > 150


def test_colours_do_not_give_the_class_away(drawn):
    # Nearest class mean in mean colour and its spread, trained on one part and judged on the other.
    def colours(x):
        x = x.reshape(len(x), 3, -1) / 255
        return numpy.concatenate([x.mean(axis=2), x.std(axis=2)], axis=1)

    means = numpy.stack([colours(drawn.x_train[drawn.y_train == label]).mean(axis=0) for label in range(10)])
    distances = ((colours(drawn.x_test)[:, None] - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == drawn.y_test).mean() < 0.2


def test_single_pixels_do_not_give_the_class_away(drawn):
    # A ridge classifier on pixels, in its dual form; chance is 0.1.
    x, x_test = (part.reshape(len(part), -1) / 255 - 0.5 for part in (drawn.x_train, drawn.x_test))
    targets = numpy.eye(10)[drawn.y_train] - 0.1
    weights = x.T @ numpy.linalg.solve(x @ x.T + 1000 * numpy.eye(len(x)), targets)
    assert ((x_test @ weights).argmax(axis=1) == drawn.y_test).mean() < 0.2


def masks():
    y, x = numpy.mgrid[-1.2:1.2:96j, -1.2:1.2:96j].astype(numpy.float32)
    return {name: outline(x, y) < 0 for name, outline in OUTLINES.items()}


def test_outlines_fill_about_the_unit_circle_and_differ_under_every_turn():
    shapes = masks()
    turned = [numpy.rot90(mask, turns) for mask in shapes.values() for turns in range(4)]
    for (i, one), (j, other) in itertools.combinations(enumerate(turned), 2):
        if i // 4 != j // 4:
            assert (one & other).sum() / (one | other).sum() < 0.85
    for name, mask in shapes.items():
        y, x = numpy.nonzero(mask)
        radius = numpy.hypot(x - 47.5, y - 47.5).max() * 2.4 / 95
        assert 0.8 < radius < 1.25, name


@pytest.mark.parametrize('name', OUTLINES)
def test_outlines_measure_distance_near_the_edge(name):
    # Coverage is made from the distance: its slope must be 1, or edges are too soft or too hard.
    y, x = numpy.mgrid[-1.2:1.2:481j, -1.2:1.2:481j]
    distance = OUTLINES[name](x, y)
    slope = numpy.hypot(*numpy.gradient(distance, 2.4 / 480))
    near = numpy.abs(distance) < 0.03
    assert abs(numpy.median(slope[near]) - 1) < 0.01


@pytest.mark.parametrize(
    'arguments, message',
    [
        ({'train_size': 0}, 'train size: found 0, expected 1 or more'),
        ({'test_size': -5}, 'test size: found -5'),
        ({'seed': -1}, 'seed: found -1, expected 0 or more'),
    ],
)
def test_sizes_and_seeds_out_of_range(arguments, message):
    with pytest.raises(InputError, match=message):
        shapes10.generate(**arguments)
