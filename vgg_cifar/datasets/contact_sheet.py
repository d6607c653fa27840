"""A data set at a glance: a few training images of each class."""

import os

import numpy

from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.image_sheet import draw_sheet

# Rows beyond this would be too small to see.
MOST_CLASSES = 50


def contact_sheet(data: ImageData, path: str | os.PathLike, columns: int = 12) -> None:
    """Draw the first `columns` training images of each class, one class a row, into the PNG file `path`.

    Floats are shown from their least to their largest value. A class without images is left out.
    Raises InputError where `path` does not end in .png.
    """
    rows = {
        name: [visible(data.x_train[row]) for row in numpy.flatnonzero(data.y_train == label)[:columns]]
        for label, name in enumerate(data.class_names[:MOST_CLASSES])
    }
    found = {name: images for name, images in rows.items() if images}
    title = f'{data.name}{" (synthetic)" if data.synthetic else ""}'
    draw_sheet(path, [*found.values()], title, [*found])


def visible(image: numpy.ndarray) -> numpy.ndarray:
    """Return an image from 0 to 1, floats from their least to their largest value."""
    shown = image.astype(numpy.float64)
    if image.dtype == numpy.uint8:
        return shown / 255
    shown -= shown.min()
    return shown / (shown.max() or 1)
