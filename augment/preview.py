"""Source images beside their copies, in one picture."""

import io
import os
from pathlib import Path

import numpy
import PIL.Image
from matplotlib.figure import Figure

from augment.recipe import Recipe
from vgg_cifar.data_file import open_data_file, read_images
from vgg_cifar.errors import InputError

# Side of an image on the sheet, in inches; at 100 dots each pixel of 32 is doubled.
INCHES = 0.72


def preview(source: str | os.PathLike, recipe: Recipe, path: str | os.PathLike, images: int = 8) -> None:
    """Draw training images spread over `source`, a row each, against their copies, a column each, as PNG.

    uint8 images and their copies are shown from 0 to 255, normalized copies from 0 to 1, floats from the
    least to the largest value of the source image.

    Raises InputError where `path` does not end in .png.
    """
    path = Path(path)
    if path.suffix.lower() != '.png':
        raise InputError(f'{path}: found the ending {path.suffix!r}, expected .png; only PNG is drawn')
    with open_data_file(Path(source)) as opened:
        train, labels = opened.images['train'], opened.labels['train']
        rows = sorted({len(train) * i // images for i in range(images)})
        x = numpy.concatenate([read_images(train, row, row + 1) for row in rows])
        names = [opened.class_names[labels.read(row, row + 1).item()] for row in rows]
    copies = recipe.apply(x).reshape(len(x), len(recipe.names), *x.shape[1:])
    columns = recipe.names
    if 'original' not in columns:
        columns, copies = ['original', *columns], numpy.concatenate((x[:, None], copies), axis=1)

    figure = Figure(
        figsize=(1 + INCHES * copies.shape[1], 0.5 + (INCHES + 0.05) * len(x)), dpi=100, layout='constrained'
    )
    grid = figure.subplots(*copies.shape[:2], squeeze=False)
    for i, row in enumerate(rows):
        low, high = (0.0, 255.0) if x.dtype == numpy.uint8 else (float(x[i].min()), float(x[i].max()))
        for j, name in enumerate(columns):
            axes = grid[i, j]
            span = (0.0, 1.0) if name == 'normalize' else (low, high)
            axes.imshow(_shown(copies[i, j], *span), cmap='gray', vmin=0, vmax=1, interpolation='nearest')
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
            if i == 0:
                axes.set_title(name.replace('rotate ', '') + ('°' if 'rotate' in name else ''), fontsize=8)
        grid[i, 0].set_ylabel(f'row {row}\n{names[i]}', rotation=0, ha='right', va='center', fontsize=8)
    figure.suptitle(f'{opened.path.name}: training images and their copies', fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format='png')
    partial = path.with_name(f'.{path.name}.partial')
    try:
        # 256 colours do for a glance, and a noisy picture is a quarter as large.
        PIL.Image.open(picture).convert('RGB').quantize(256).save(partial, 'PNG', optimize=True)
        partial.replace(path)
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({error.strerror or error})') from None
    finally:
        partial.unlink(missing_ok=True)


def _shown(image: numpy.ndarray, low: float, high: float) -> numpy.ndarray:
    """Return an image (C, H, W) as (H, W, 3), or (H, W): the first of other than 3 channels; 0 to 1."""
    shown = (image.astype(numpy.float64) - low) / ((high - low) or 1)
    return shown.transpose(1, 2, 0).clip(0, 1) if len(shown) == 3 else shown[0]
