"""A data set at a glance: a few training images of each class."""

import io
import os
from pathlib import Path

import numpy
import PIL.Image
from matplotlib.figure import Figure

from vgg_cifar.atomic import replacing
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError

# Rows beyond this would be too small to see.
MOST_CLASSES = 50


def contact_sheet(data: ImageData, path: str | os.PathLike, columns: int = 12) -> None:
    """Draw the first `columns` training images of each class, one class a row, into the PNG file `path`.

    Floats are shown from their least to their largest value.
    Raises InputError where `path` does not end in .png.
    """
    path = Path(path)
    if path.suffix.lower() != '.png':
        raise InputError(f'{path}: found the ending {path.suffix!r}, expected .png; only PNG is drawn')
    classes = min(data.n_classes, MOST_CLASSES)
    height, width = data.image_shape[1:]
    gap = 1 + max(height, width) // 8
    sheet = numpy.ones((classes * (height + gap), columns * (width + gap), 3))
    for label in range(classes):
        top = label * (height + gap)
        for column, row in enumerate(numpy.flatnonzero(data.y_train == label)[:columns]):
            left = column * (width + gap)
            sheet[top : top + height, left : left + width] = _shown(data.x_train[row])

    figure = Figure(figsize=(0.9 + 0.55 * columns, 0.4 + 0.55 * classes), dpi=100, layout='constrained')
    axes = figure.subplots()
    axes.imshow(sheet, interpolation='nearest')
    axes.set_frame_on(False)
    axes.set_xticks([])
    axes.set_yticks(height / 2 + (height + gap) * numpy.arange(classes), data.class_names[:classes])
    axes.tick_params(length=0)
    figure.suptitle(f'{data.name}{" (synthetic)" if data.synthetic else ""}')
    picture = io.BytesIO()
    figure.savefig(picture, format='png')
    with replacing(path) as partial:
        # 256 colours do for a glance, and a noisy picture is a quarter as large.
        PIL.Image.open(picture).convert('RGB').quantize(256).save(partial, 'PNG', optimize=True)


def _shown(image: numpy.ndarray) -> numpy.ndarray:
    """Return an image (C, H, W) as (H, W, 3) in [0, 1], or (H, W, 1): the first of other than 3 channels."""
    shown = image.astype(numpy.float64)
    if image.dtype == numpy.uint8:
        shown /= 255
    else:
        shown -= shown.min()
        shown /= shown.max() or 1
    return (shown if len(shown) == 3 else shown[:1]).transpose(1, 2, 0)
