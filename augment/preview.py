"""Source images beside their copies, in one picture."""

import math
import os
from pathlib import Path

import numpy

from augment.recipe import Recipe
from vgg_cifar.atomic import require_writable
from vgg_cifar.data_file import open_data_file, read_images
from vgg_cifar.free_space import require_memory
from vgg_cifar.image_sheet import draw_sheet, require_png


def preview(source: str | os.PathLike, recipe: Recipe, path: str | os.PathLike, images: int = 8) -> None:
    """Draw training images spread over `source`, a row each, against their copies, a column each, as PNG.

    uint8 images and their copies are shown from 0 to 255, normalized copies from 0 to 1, floats from the
    least to the largest value of the source image.

    Raises InputError where `path` does not end in .png.
    """
    path = Path(path)
    require_png(path)
    require_writable(path, overwrite=True)
    with open_data_file(Path(source)) as opened:
        train, labels = opened.images['train'], opened.labels['train']
        rows = sorted({len(train) * i // images for i in range(images)})
        image_bytes = 4 * math.prod(train.shape[1:])
        require_memory(train.what, 4 * len(rows) * (1 + len(recipe.names)) * image_bytes)
        x = numpy.concatenate([read_images(train, row, row + 1) for row in rows])
        names = [opened.class_names[labels.read(row, row + 1).item()] for row in rows]
    copies = recipe.apply(x).reshape(len(x), len(recipe.names), *x.shape[1:])
    columns = recipe.names
    if 'original' not in columns:
        columns, copies = ['original', *columns], numpy.concatenate((x[:, None], copies), axis=1)

    shown = []
    for i in range(len(x)):
        low, high = (0.0, 255.0) if x.dtype == numpy.uint8 else (float(x[i].min()), float(x[i].max()))
        spans = [(0.0, 1.0) if name == 'normalize' else (low, high) for name in columns]
        shown.append([_shown(copy, *span) for copy, span in zip(copies[i], spans, strict=True)])
    titles = [f'{name.removeprefix("rotate ")}°' if 'rotate' in name else name for name in columns]
    title = f'{opened.path.name}: training images and their copies'
    draw_sheet(
        path, shown, title, [f'row {row}: {name}' for row, name in zip(rows, names, strict=True)], titles
    )


def _shown(image: numpy.ndarray, low: float, high: float) -> numpy.ndarray:
    """Return an image with `low` at 0 and `high` at 1."""
    return (image.astype(numpy.float64) - low) / ((high - low) or 1)
