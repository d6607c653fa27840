"""What report R1 says that can be counted: its table of layers, and small filters stacked."""

import functools
import math

import chainer
import chainer.functions as F
import chainer.links as L
import numpy

from vgg_cifar.models import VGG, summary
from vgg_cifar.studies.study import CheckedTable

# The report's table (section "Convolutional Neural Network: Background"), row by row: layer, dimensions,
# and the parameter count as a product, as the report writes it.
REPORTED = (
    ('INPUT', (32, 32, 3), (0,)),
    ('CONV3-64', (32, 32, 64), (3, 3, 3, 64)),
    ('CONV3-64', (32, 32, 64), (3, 3, 64, 64)),
    ('POOL2', (112, 112, 64), (0,)),
    ('CONV3-128', (112, 112, 128), (3, 3, 64, 128)),
    ('CONV3-128', (112, 112, 128), (3, 3, 64, 128)),
    ('POOL2', (56, 56, 128), (0,)),
    ('CONV3-256', (56, 56, 256), (3, 3, 128, 256)),
    ('CONV3-256', (56, 56, 256), (3, 3, 256, 256)),
    ('CONV3-256', (56, 56, 256), (3, 3, 256, 256)),
    ('POOL2', (28, 28, 256), (0,)),
    ('CONV3-512', (28, 28, 512), (3, 3, 256, 512)),
    ('CONV3-512', (28, 28, 512), (3, 3, 512, 512)),
    ('CONV3-512', (28, 28, 512), (3, 3, 512, 512)),
    ('POOL2', (14, 14, 512), (0,)),
    ('CONV3-512', (14, 14, 512), (3, 3, 512, 512)),
    ('CONV3-512', (14, 14, 512), (3, 3, 512, 512)),
    ('CONV3-512', (14, 14, 512), (3, 3, 512, 512)),
    ('POOL2', (7, 7, 512), (0,)),
    ('FC', (1, 1, 4096), (7, 7, 512, 4096)),
    ('FC', (1, 1, 4096), (4096, 4096)),
    ('FC', (1, 1, 1000), (4096, 1000)),
)
FIFTH_BLOCK = slice(15, 19)


@functools.cache
def layer_table() -> CheckedTable:
    """Put the report's table beside that of column D on 32x32 images, whose layers it lists."""
    traced = summary.layers(VGG(depth='D', batch_norm=False, dropout=0))
    ours: list[summary.Layer | None] = list(traced)
    ours[FIFTH_BLOCK.start : FIFTH_BLOCK.start] = [None] * (FIFTH_BLOCK.stop - FIFTH_BLOCK.start)
    rows, sizes_right, counts_right = [], 0, 0
    for (name, size, factors), layer in zip(REPORTED, ours, strict=True):
        reported = math.prod(factors)
        theirs = (name, _product(size), f'{math.prod(size):,}', f'{reported:,}')
        if layer is None:
            rows.append((*theirs, 'none', '', '', 'ImageNet: on 32x32 the fifth block is left out'))
            continue
        shape = (*layer.shape[1:], layer.shape[0]) if len(layer.shape) == 3 else (1, 1, *layer.shape)
        # The report leaves the biases out.
        weights = layer.parameters - layer.shape[0] if layer.parameters else 0
        sizes_right += shape == size
        counts_right += weights == reported
        slips = ['ImageNet size'] * (shape != size)
        if weights != reported:
            fan_in = layer.name.startswith('conv')
            slips.append('count of another number of input channels' if fan_in else 'ImageNet count')
        ours_here = (layer.name, _product(shape), f'{math.prod(shape):,}', f'{weights:,}')
        rows.append((*theirs, *ours_here[1:], '; '.join(slips)))
    total = len(REPORTED)
    return CheckedTable(
        (
            'layer',
            'size, report',
            'memory, report',
            'weights, report',
            'size, here',
            'memory, here',
            'weights, here',
            'slip',
        ),
        tuple(rows),
        f'{sizes_right} of {total} rows have the size of the network on 32x32 images, '
        f'{counts_right} its number of weights (biases left out on both sides).',
        sizes_right == counts_right == total,
    )


@functools.cache
def stacked_filters() -> CheckedTable:
    """Count the weights, and the pixels that one output sees, of three stacked 3x3 layers and of one 7x7."""
    rows, holds = [], True
    for channels in (64, 128, 256, 512):
        small = [L.Convolution2D(channels, channels, 3, pad=1, nobias=True, initialW=0) for _ in range(3)]
        large = [L.Convolution2D(channels, channels, 7, pad=3, nobias=True, initialW=0)]
        counts = [sum(layer.W.size for layer in layers) for layers in (small, large)]
        holds &= counts == [27 * channels**2, 49 * channels**2]
        rows.append((f'{channels}', f'{counts[0]:,}', f'{counts[1]:,}', f'{counts[0] / counts[1]:.2f}'))
    stacked, single = _field((3, 3, 3)), _field((7,))
    return CheckedTable(
        ('channels C', 'three 3x3 layers', 'one 7x7 layer', 'ratio'),
        tuple(rows),
        f'Three stacked 3x3 layers see {stacked}x{stacked} pixels, one 7x7 layer {single}x{single}; '
        'they have 27 C² weights against 49 C², biases left out.',
        holds and stacked == single == 7,
    )


def _field(sizes: tuple[int, ...]) -> int:
    """Return the width of what one output sees through layers of these sizes: where its gradient is not 0."""
    image = chainer.Variable(numpy.zeros((1, 1, 15, 15), numpy.float32))
    h = image
    for size in sizes:
        h = F.convolution_2d(h, numpy.ones((1, 1, size, size), numpy.float32), pad=size // 2)
    (gradient,) = chainer.grad([h[0, 0, 7, 7]], [image])
    return int(numpy.count_nonzero(gradient.array[0, 0, 7]))


def _product(size: tuple[int, ...]) -> str:
    return 'x'.join(map(str, size))
