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
    classes = range(min(data.n_classes, MOST_CLASSES))
    figure = Figure(figsize=(0.9 + 0.55 * columns, 0.4 + 0.55 * len(classes)), dpi=100, layout='constrained')
    axes = figure.subplots(len(classes), columns, squeeze=False)
    for label in classes:
        rows = numpy.flatnonzero(data.y_train == label)[:columns]
        for column in range(columns):
            place = axes[label, column]
            place.set(xticks=[], yticks=[], frame_on=False)
            if column < len(rows):
                place.imshow(_shown(data.x_train[rows[column]]), cmap='gray')
        axes[label, 0].set_ylabel(data.class_names[label], rotation=0, ha='right', va='center')
    figure.suptitle(f'{data.name}{" (synthetic)" if data.synthetic else ""}')
    picture = io.BytesIO()
    figure.savefig(picture, format='png')
    with replacing(path) as partial:
        # 256 colours do for a glance, and a noisy picture is a quarter as large.
        PIL.Image.open(picture).convert('RGB').quantize(256).save(partial, 'PNG', optimize=True)


def _shown(image: numpy.ndarray) -> numpy.ndarray:
    """Return an image (C, H, W) as matplotlib takes it; more than three channels show the first."""
    if image.dtype != numpy.uint8:
        image = image - image.min()
        image = image / (image.max() or 1)
    return image.transpose(1, 2, 0) if len(image) == 3 else image[0]
