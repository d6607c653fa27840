"""Sheets of images, as pictures that a reader looks at."""

import numpy
import PIL.Image
import pytest

from vgg_cifar.errors import InputError
from vgg_cifar.image_sheet import draw_sheet


def white(path):
    """Return where the picture is white."""
    with PIL.Image.open(path) as picture:
        return numpy.asarray(picture.convert('L')) > 250


def test_each_image_has_its_place_and_size(tmp_path):
    black = numpy.zeros((3, 8, 8))
    draw_sheet(tmp_path / 'a.png', [[black, black + 1, black], [black]], 'title', ['a', 'b'], ['x', 'y', 'z'])
    dark = ~white(tmp_path / 'a.png')
    # A square is dark along its whole side, letters are not: count the edges of the squares in each line.
    edges = {tuple(numpy.flatnonzero(numpy.diff(line.astype(int)))) for line in dark}
    squares = {line for line in edges if len(line) > 1 and line[1] - line[0] > 40}
    assert sorted(len(line) for line in squares) == [2, 4]


@pytest.mark.parametrize('title', ['t' * 80, r'$\frac{1}{', 'a\0b\x1b[2J', 'ß'])
def test_nothing_is_cut_at_the_edges(tmp_path, title):
    draw_sheet(tmp_path / 'a.png', [[numpy.zeros((1, 8, 8))]], title, [title])
    found = white(tmp_path / 'a.png')
    assert found[0].all() and found[-1].all() and found[:, 0].all() and found[:, -1].all()


def test_large_images_are_thinned_out(tmp_path):
    image = numpy.broadcast_to(numpy.float32(0), (70, 4096, 4096))
    draw_sheet(tmp_path / 'a.png', [[image] * 2], 'title', ['a'])
    assert (~white(tmp_path / 'a.png')).mean() > 0.2


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"sheet\.svg: found the ending '\.svg', expected \.png"):
        draw_sheet(tmp_path / 'sheet.svg', [[numpy.zeros((1, 8, 8))]], 'title', ['a'])
    assert list(tmp_path.iterdir()) == []
