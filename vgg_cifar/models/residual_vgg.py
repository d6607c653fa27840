"""The networks of report R3 (section 5): VGG-08 and VGG-38, with batch normalisation and shortcuts."""

from typing import ClassVar

import chainer
import chainer.links as L

from vgg_cifar.accelerators import layers
from vgg_cifar.models import pytorch_links
from vgg_cifar.option_kinds import DROP_RATIO, TRUTH, Kind, check, whole

STAGES = 3
CHANNELS = 32
# PyTorch's, where Chainer's own is 0.2.
SLOPE = 0.01


class ResidualVGG(chainer.Chain):
    """An entry block, three stages of blocks of two convolutions, one linear layer.

    The entry block is convolution, batch normalisation, leaky ReLU. A stage has `blocks` blocks of twice
    [convolution, leaky ReLU] and ends in a reduction block: convolution, leaky ReLU, 2x2 average pooling,
    convolution, leaky ReLU. All convolutions are 3x3 with pad 1 and 32 channels. With 5 blocks that makes
    37 convolutions and a linear layer (VGG-38), with none 7 and a linear layer (VGG-08).

    Links: ``entry``, ``entry_bn``; in stage 1 ``conv1_1`` ... ``conv1_12`` (the last two are the reduction's)
    and ``bn1_1`` ...; ``fc``.

    What the text leaves open is taken from the course's PyTorch framework, which it names: weights that
    start as PyTorch's do, biases only in the reductions' convolutions and in the linear layer, a mean over
    each whole map before the linear layer. The shortcut runs around both convolutions of a block and is
    added before the block's last activation, as in He et al. (2016); in a reduction it is pooled too.

    Args:
        blocks: of each stage: 5 is VGG-38, 0 is VGG-08.
        batch_norm: normalise before every activation, not only in the entry block.
        residual: a shortcut around every two convolutions.
        dropout: drop ratio before the linear layer.
        n_classes: number of outputs.
        image_shape: (channels, height, width) of the images, at least 8x8.

    Raises:
        ValueError: an argument is none of the above.

    """

    options: ClassVar[dict[str, Kind]] = {
        'blocks': whole(0),
        'batch_norm': TRUTH,
        'residual': TRUTH,
        'dropout': DROP_RATIO,
    }

    def __init__(
        self,
        blocks: int = 5,
        batch_norm: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        n_classes: int = 100,
        image_shape: tuple[int, ...] = (3, 32, 32),
    ) -> None:
        super().__init__()
        given = {'blocks': blocks, 'batch_norm': batch_norm, 'residual': residual, 'dropout': dropout}
        check(self.options, given)
        n_in, *size = image_shape
        if min(size) < 2**STAGES:
            raise ValueError(
                f'image_shape is {image_shape}; residual_vgg halves images {STAGES} times and needs at least '
                f'{2**STAGES}x{2**STAGES} pixels'
            )
        self.residual, self.dropout, self.batch_norm = residual, dropout, batch_norm
        self._convolutions = 2 * (blocks + 1)
        with self.init_scope():
            self.entry = pytorch_links.convolution(n_in, CHANNELS, bias=False)
            self.entry_bn = L.BatchNormalization(CHANNELS)
            for stage in range(1, STAGES + 1):
                for number in range(1, self._convolutions + 1):
                    reduces = number > self._convolutions - 2
                    convolution = pytorch_links.convolution(CHANNELS, CHANNELS, bias=reduces)
                    setattr(self, f'conv{stage}_{number}', convolution)
                    if batch_norm:
                        setattr(self, f'bn{stage}_{number}', L.BatchNormalization(CHANNELS))
            self.fc = pytorch_links.linear(CHANNELS, n_classes, bias=True)

    def forward(self, x: chainer.Variable) -> chainer.Variable:
        """Class scores (N, n_classes), float32, of images (N, C, H, W), before the softmax."""
        h = layers.convolution(self.entry, self.entry_bn, x, SLOPE)
        for stage in range(1, STAGES + 1):
            for number in range(1, self._convolutions, 2):
                reduces = number == self._convolutions - 1
                shortcut = layers.average_pooling(h, 2) if reduces else h
                h = self._convolved(f'{stage}_{number}', h)
                h = layers.average_pooling(h, 2) if reduces else h
                h = self._convolved(f'{stage}_{number + 1}', h, shortcut if self.residual else None)
        h = layers.average_pooling(h, h.shape[2:])
        return layers.linear(self.fc, layers.dropout(h, self.dropout if chainer.config.train else 0.0))

    def _convolved(
        self, place: str, h: chainer.Variable, shortcut: chainer.Variable | None = None
    ) -> chainer.Variable:
        bn = self[f'bn{place}'] if self.batch_norm else None
        return layers.convolution(self[f'conv{place}'], bn, h, SLOPE, shortcut)
