"""Small pictures of images in rows and columns, for a look at data: one PNG file."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy
import PIL.Image
from matplotlib.figure import Figure

from vgg_cifar.atomic import replacing
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import drawn

# Of an image on the sheet: at 100 dots per inch each pixel of 32 is doubled.
INCHES = 0.7

# Larger images are shown by every second, third, ... of their pixels.
MOST_PIXELS = 256


def require_png(path: Path) -> None:
    """Raise InputError where `path` does not end in .png: nothing else is drawn."""
    if path.suffix.lower() != '.png':
        raise InputError(f'{path}: found the ending {path.suffix!r}, expected .png; only PNG is drawn')


def draw_sheet(
    path: str | os.PathLike,
    images: Sequence[Sequence[numpy.ndarray]],
    title: str,
    rows: Sequence[str],
    columns: Sequence[str] = (),
) -> None:
    """Draw rows of images into the PNG file `path`, which appears whole or not at all.

    Args:
        path: ends in .png.
        images: each (C, H, W) of one size, from 0 to 1; of other than 3 channels the first is shown.
        title: above all of them; this, as all names, may come from a file.
        rows: a name for each row.
        columns: a name for each column, or none.

    """
    path = Path(path)
    require_png(path)
    count = max(map(len, images))
    step = -(-max(images[0][0].shape[1:]) // MOST_PIXELS)
    height, width = images[0][0][0, ::step, ::step].shape
    gap = 1 + max(height, width) // 8
    sheet = numpy.ones((len(images) * (height + gap), count * (width + gap), 3))
    for number, row in enumerate(images):
        top = number * (height + gap)
        for column, image in enumerate(row):
            left = column * (width + gap)
            shown = image if len(image) == 3 else image[:1]
            sheet[top : top + height, left : left + width] = shown[:, ::step, ::step].transpose(1, 2, 0)

    tall = (height + gap) / (width + gap)
    figure = Figure(figsize=(INCHES * count, INCHES * len(images) * tall), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(sheet.clip(0, 1), interpolation='nearest')
    axes.set_frame_on(False)
    rows, columns = [drawn(name) for name in rows], [drawn(name) for name in columns]
    axes.set_yticks(height / 2 + (height + gap) * numpy.arange(len(rows)), rows, fontsize=8)
    axes.set_xticks(width / 2 + (width + gap) * numpy.arange(len(columns)), columns, fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_title(drawn(title), fontsize=9)
    picture = io.BytesIO()
    # With room for names of any length.
    figure.savefig(picture, format='png', bbox_inches='tight', pad_inches=0.1)
    with replacing(path) as partial:
        # 256 colours do for a glance, and a noisy picture is a quarter as large.
        PIL.Image.open(picture).convert('RGB').quantize(256).save(partial, 'PNG', optimize=True)
