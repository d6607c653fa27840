"""Draws a trained network's filters, and what they make of one image, layer by layer."""

import functools
import math
from pathlib import Path

import chainer
import numpy
from matplotlib.axes import Axes

from vgg_cifar import models, npz
from vgg_cifar.datasets.shape_outlines import ring
from vgg_cifar.errors import InputError
from vgg_cifar.models import ConvPool
from vgg_cifar.reporting.canvas import Drawing, Panel
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training import settings_json
from vgg_cifar.training import weights as weights_file
from vgg_cifar.training.settings import Settings

GAP = 1
NOTE = (
    'The run with seed 0. Filters: a column for each, a row for each channel that it sees. Black is the '
    'least value of a picture, white the largest. The image is a drawn ring, of no data set.'
)
MOST_WIDE = 10_000


def make(folder: StudyFolder, figure: Figure) -> Drawing | None:
    """Return the filters and activations of the figure's one variant; None where its run has left no weights.

    The image is drawn here, an upright ring: a network that has learnt digits takes it for a 0, and no image
    of a data set need be kept beside the run.
    """
    (variant,) = figure.variants
    run = folder.runs(variant)[0]
    weights = run.path / 'model.npz'
    if not weights.exists() or run.settings is None:
        return None
    settings = settings_json.from_json(run.settings, str(run.path / 'settings.json'))
    network = _load(weights, settings)
    image = drawn_image(settings.crop or 28).repeat(network.conv1.W.shape[1], axis=1)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        outputs = [numpy.asarray(each.array[0]) for each in network.layers(chainer.Variable(image))]
    convolutions = [network[f'conv{number}'] for number in range(1, len(outputs) // 2 + 1)]
    panels = []
    for number, (convolution, seen) in enumerate(zip(convolutions, [image[0], *outputs[1::2]], strict=False)):
        kernels, channels, height, width = convolution.W.shape
        after, pooled = outputs[2 * number], outputs[2 * number + 1]
        count = f'{kernels} x {height} x {width} x {channels} + {kernels} = {convolution.W.size + kernels:,}'
        # A column for each kernel, a row for each channel that it sees.
        filters = convolution.W.array.swapaxes(0, 1).reshape(-1, height, width)
        least, most = float(after.min()), float(after.max())
        panels += [
            _panel(seen[:1], f'input {number + 1}', wide=1.1),
            _panel(filters, f'filters\n{count} parameters', columns=kernels),
            _panel(after, f'activations {_shape(after)}\nfrom {least:.2f} to {most:.2f}'),
            _panel(pooled, f'after pooling {_shape(pooled)}'),
        ]
    return Drawing(tuple(panels), 4, {}, NOTE)


def drawn_image(size: int) -> numpy.ndarray:
    """Return the image (1, 1, size, size), float32, 0 to 1: a white ring on black, higher than wide."""
    place = (numpy.arange(size, dtype=numpy.float32) - (size - 1) / 2) / (0.4 * size)
    distance = ring(numpy.float32(1.35) * place[None, :], -place[:, None]) * numpy.float32(0.4 * size)
    return numpy.clip(0.5 - distance, 0, 1).astype(numpy.float32)[None, None]


def _load(weights: Path, settings: Settings) -> ConvPool:
    with npz.opened(weights) as arrays:
        try:
            (n_classes,), channels = arrays.shapes['fc/b'], arrays.shapes['conv1/W'][1]
        except (KeyError, ValueError, IndexError):
            raise InputError(f'{weights}: not the weights of a {settings.model} network') from None
    if max(n_classes, channels) > MOST_WIDE:
        raise InputError(f'{weights}: {n_classes} classes of images with {channels} channels')
    size = settings.crop or 28
    network = models.build(settings.model, settings.model_options, n_classes, (channels, size, size))
    assert isinstance(network, ConvPool)
    weights_file.load(weights, network)
    return network


def _shape(maps: numpy.ndarray) -> str:
    channels, height, width = maps.shape
    return f'{height}x{width}x{channels}'


def _panel(tiles: numpy.ndarray, title: str, columns: int | None = None, wide: float = 2.8) -> Panel:
    return Panel(functools.partial(_show, tiles=tiles, title=title, columns=columns), wide, 2.3)


def _show(axes: Axes, tiles: numpy.ndarray, title: str, columns: int | None) -> None:
    """Show maps (n, h, w) side by side on one scale of grey."""
    n, height, width = tiles.shape
    columns = columns or math.ceil(math.sqrt(n))
    lines = math.ceil(n / columns)
    tall, wide = height + GAP, width + GAP
    sheet = numpy.full((lines * tall - GAP, columns * wide - GAP), numpy.nan, numpy.float32)
    for number, tile in enumerate(tiles):
        line, column = divmod(number, columns)
        sheet[line * tall :, column * wide :][:height, :width] = tile
    axes.imshow(sheet, cmap='gray', interpolation='nearest')
    axes.set_title(title, fontsize=8)
    axes.axis('off')
