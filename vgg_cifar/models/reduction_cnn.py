"""The networks of report R2 (section 4): convolutions, each with one of three ways to reduce the image."""

from typing import ClassVar

import chainer

from vgg_cifar.accelerators import layers
from vgg_cifar.models import pytorch_links
from vgg_cifar.option_kinds import TRUTH, Kind, check, choice, whole

REDUCTIONS = ('max_pooling', 'striding', 'dilation')
LAYERS = 4
# Dilated convolutions lose most: 28 pixels become 26, 22, 16, 8.
LEAST_PIXELS = 24


class ReductionCNN(chainer.Chain):
    """Four times [3x3 convolution, ReLU, reduction], adaptive average pooling to 2x2, one linear layer.

    A reduction is 2x2 max pooling, a 3x3 convolution with stride 2, or one with dilation 2, 3, 4, 5; the
    convolutions are followed by ReLU. The report names the course's PyTorch framework; what its text leaves
    open is taken from there: pad 1 everywhere, also for max pooling (28 pixels become 15, 8, 5, 3) and for
    dilation, which is how dilation reduces the image (28 become 26, 22, 16, 8); no biases; weights that
    start as PyTorch's do.

    Args:
        reduction: ``'max_pooling'``, ``'striding'`` or ``'dilation'``.
        doubling: twice the kernels from layer to layer, 16 to 128, instead of 16 in each.
        kernels: of the first layer.
        n_classes: number of outputs.
        image_shape: (channels, height, width) of the images: square, at least 24x24.

    Raises:
        ValueError: an argument is none of the above.

    """

    options: ClassVar[dict[str, Kind]] = {
        'reduction': choice(REDUCTIONS),
        'doubling': TRUTH,
        'kernels': whole(1),
    }

    def __init__(
        self,
        reduction: str = 'max_pooling',
        doubling: bool = False,
        kernels: int = 16,
        n_classes: int = 47,
        image_shape: tuple[int, ...] = (1, 28, 28),
    ) -> None:
        super().__init__()
        check(self.options, {'reduction': reduction, 'doubling': doubling, 'kernels': kernels})
        n_in, height, width = image_shape
        if height != width or height < LEAST_PIXELS:
            raise ValueError(
                f'image_shape is {image_shape}; reduction_cnn needs square images of at least '
                f'{LEAST_PIXELS}x{LEAST_PIXELS}'
            )
        self.reduction = reduction
        with self.init_scope():
            for layer in range(LAYERS):
                n_out = kernels * 2**layer if doubling else kernels
                setattr(self, f'conv{layer + 1}', pytorch_links.convolution(n_in, n_out, bias=False))
                if reduction != 'max_pooling':
                    stride, dilation = (2, 1) if reduction == 'striding' else (1, layer + 2)
                    reduce = pytorch_links.convolution(n_out, n_out, False, stride, dilation)
                    setattr(self, f'reduce{layer + 1}', reduce)
                n_in = n_out
            self.fc = pytorch_links.linear(2 * 2 * n_in, n_classes, bias=False)

    def forward(self, x: chainer.Variable) -> chainer.Variable:
        """Class scores (N, n_classes), float32, of images (N, C, H, W), before the softmax."""
        h = x
        for layer in range(1, LAYERS + 1):
            pools = self.reduction == 'max_pooling'
            h = layers.convolution(self[f'conv{layer}'], None, h, relu=not pools)
            if pools:
                # The report has one ReLU before and one behind: the one behind does for both.
                h = layers.max_pooling(h, 2, pad=1, relu=True)
            else:
                h = layers.convolution(self[f'reduce{layer}'], None, h)
        return layers.linear(self.fc, adaptive_average_pooling(h))


def adaptive_average_pooling(h: chainer.Variable) -> chainer.Variable:
    """Return (N, C, 2, 2): means over the halves of an image, which overlap where its width is odd."""
    width = h.shape[3]
    if width == 2:
        return h
    return layers.average_pooling(h, (width + 1) // 2, width // 2)
