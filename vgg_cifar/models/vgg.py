"""The VGG-style network of report R1 (section 8, "Code"; section 1 for its depths)."""

from typing import ClassVar

import chainer
import chainer.links as L

from vgg_cifar.accelerators import layers
from vgg_cifar.option_kinds import DROP_RATIO, TRUTH, Kind, check, choice

DEPTHS: dict[str, tuple[tuple[int, ...], ...]] = {
    'listing': ((64, 64), (128, 128), (256, 256, 256, 256)),
    'A': ((64,), (128,), (256, 256), (512, 512)),
    'D': ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512)),
    'E': ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512)),
}
"""The channels of every convolution, block by block; each block ends in a 2x2 pooling and dropout."""


def max_pooling(h: chainer.Variable) -> chainer.Variable:
    """2x2 max pooling with stride 2; an odd last row or column is left out, as average pooling leaves it."""
    return layers.max_pooling(h, 2)


def average_pooling(h: chainer.Variable) -> chainer.Variable:
    """2x2 average pooling with stride 2."""
    return layers.average_pooling(h, 2)


POOLINGS = {'max': max_pooling, 'average': average_pooling}
FILTER_SIZES = (3, 5, 7)
HIDDEN_UNITS = 500


class VGG(chainer.Chain):
    """Blocks of [convolution, batch normalisation, ReLU], pooled 2x2, then three fully connected layers.

    Links are named as in the report's listing: ``conv1_1``, ``bn1_1``, ... ``conv3_4``, ``bn3_4``, then
    ``fc4``, ``fc5``, ``fc6`` (one further number up where there are four blocks), so that a .npz file
    saved by the listing's network loads. Weights start as Chainer's links start them (LeCunNormal).

    The report's depths are columns A, D and E of the VGG table (Simonyan and Zisserman, 2014, table 1),
    "pruned down to a maximum of 4 layers". It does not say layers of what. Read here as blocks, of which
    the table has five: the first four fit a 32x32 image and leave 2x2 pixels, the fifth would leave one
    pixel and convolve mostly padding. So A is 64 | 128 | 256 256 | 512 512, D is 64 64 | 128 128 |
    256 x3 | 512 x3, E is 64 64 | 128 128 | 256 x4 | 512 x4. The listing is E cut after its third block.

    Args:
        depth: a key of `DEPTHS`.
        batch_norm: normalise every convolution's output over the batch, before its ReLU.
        dropout: drop ratio in [0, 1) after each pooling and each hidden fully connected layer; 0 for none.
        pooling: ``'max'`` or ``'average'``.
        filter_size: 3, 5 or 7; the padding keeps the image's size.
        n_classes: number of outputs.
        image_shape: (channels, height, width) of the images.

    Raises:
        ValueError: an argument is none of the above.

    """

    options: ClassVar[dict[str, Kind]] = {
        'depth': choice(DEPTHS),
        'batch_norm': TRUTH,
        'dropout': DROP_RATIO,
        'pooling': choice(POOLINGS),
        'filter_size': choice(FILTER_SIZES),
    }

    def __init__(
        self,
        depth: str = 'listing',
        batch_norm: bool = True,
        dropout: float = 0.4,
        pooling: str = 'max',
        filter_size: int = 3,
        n_classes: int = 10,
        image_shape: tuple[int, ...] = (3, 32, 32),
    ) -> None:
        super().__init__()
        check(self.options, {'depth': depth, 'batch_norm': batch_norm, 'dropout': dropout})
        check(self.options, {'pooling': pooling, 'filter_size': filter_size})
        in_channels, height, width = image_shape
        self.dropout = dropout
        self._pool = POOLINGS[pooling]
        self._blocks: list[list[tuple[str, str | None]]] = []

        with self.init_scope():
            for block, channels in enumerate(DEPTHS[depth], start=1):
                names: list[tuple[str, str | None]] = []
                for layer, out_channels in enumerate(channels, start=1):
                    conv, bn = f'conv{block}_{layer}', f'bn{block}_{layer}' if batch_norm else None
                    setattr(
                        self,
                        conv,
                        L.Convolution2D(in_channels, out_channels, filter_size, pad=filter_size // 2),
                    )
                    if bn:
                        setattr(self, bn, L.BatchNormalization(out_channels))
                    names.append((conv, bn))
                    in_channels = out_channels
                self._blocks.append(names)
            shrink = 2 ** len(self._blocks)
            if min(height, width) < shrink:
                raise ValueError(
                    f'image_shape is {image_shape}; depth {depth!r} halves images {len(self._blocks)} times '
                    f'and needs at least {shrink}x{shrink} pixels'
                )
            sizes = (
                in_channels * (height // shrink) * (width // shrink),
                HIDDEN_UNITS,
                HIDDEN_UNITS,
                n_classes,
            )
            self._fully_connected = [f'fc{len(self._blocks) + k}' for k in (1, 2, 3)]
            for name, n_in, n_out in zip(self._fully_connected, sizes, sizes[1:], strict=False):
                setattr(self, name, L.Linear(n_in, n_out))

    def forward(self, x: chainer.Variable, dropout: float | None = None) -> chainer.Variable:
        """Class scores, before the softmax.

        Args:
            x: images (N, C, H, W), float32.
            dropout: drop ratio of this call, applied in training and in testing; by default the network's
                own ratio in training and none in testing (``chainer.config.train``).

        Returns:
            chainer.Variable: (N, n_classes), float32.

        """
        if dropout is None:
            dropout = self.dropout if chainer.config.train else 0.0
        h = x
        for block in self._blocks:
            for conv, bn in block:
                h = layers.convolution(self[conv], self[bn] if bn else None, h)
            h = layers.dropout(self._pool(h), dropout)
        *hidden, last = self._fully_connected
        for name in hidden:
            h = layers.dropout(layers.linear(self[name], h, relu=True), dropout)
        return layers.linear(self[last], h)
