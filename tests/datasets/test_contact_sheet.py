import dataclasses

import numpy
import PIL.Image
import pytest

from vgg_cifar.datasets import load
from vgg_cifar.datasets.contact_sheet import contact_sheet
from vgg_cifar.errors import InputError


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
def test_images_appear_in_their_class_row(tmp_path, channels, dtype):
    data = load('shapes10', train_size=20, test_size=1)
    # All dark but the images of class 7, which are half bright.
    x = numpy.zeros((20, channels, 32, 32), dtype)
    x[data.y_train == 7, :, :16] = 255
    contact_sheet(dataclasses.replace(data, x_train=x), tmp_path / 'sheet.png')
    with PIL.Image.open(tmp_path / 'sheet.png') as picture:
        grey = numpy.asarray(picture.convert('L'))
    columns = numpy.flatnonzero((grey < 10).sum(axis=0) > grey.shape[0] // 2)
    dark = (grey[:, columns] < 10).mean(axis=1) > 0.9
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate([[0], dark, [0]])))
    heights = edges[1::2] - edges[::2]
    assert len(heights) == 10
    assert numpy.argmin(heights) == 7


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"sheet\.svg: found the ending '\.svg', expected \.png"):
        contact_sheet(load('shapes10', train_size=10, test_size=1), tmp_path / 'sheet.svg')
    assert list(tmp_path.iterdir()) == []
