import dataclasses

import numpy
import pytest

from vgg_cifar.datasets import contact_sheet as module
from vgg_cifar.datasets import load
from vgg_cifar.datasets.contact_sheet import contact_sheet


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
def test_images_appear_in_their_class_row(tmp_path, monkeypatch, dtype):
    data = load('shapes10', train_size=20, test_size=1)
    keep = data.y_train != 7
    x = data.x_train.astype(dtype)[keep]
    drawn = []
    monkeypatch.setattr(module, 'draw_sheet', lambda *arguments: drawn.append(arguments))
    data = dataclasses.replace(data, x_train=x, y_train=data.y_train[keep], name='mine')
    contact_sheet(data, tmp_path / 'sheet.png', columns=1)
    ((path, images, title, names),) = drawn
    assert (path, title) == (tmp_path / 'sheet.png', 'mine (synthetic)')
    labels = [label for label in range(10) if label != 7]
    assert names == [data.class_names[label] for label in labels]
    for label, row in zip(labels, images, strict=True):
        (image,) = row
        first = x[numpy.argmax(data.y_train == label)].astype(float)
        if dtype == 'float32':
            first = (first - first.min()) / (first.max() - first.min())
        else:
            first /= 255
        numpy.testing.assert_allclose(image, first, atol=1e-12)
