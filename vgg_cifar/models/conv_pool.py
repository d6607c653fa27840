"""Small networks of convolution and pooling: those of reports R4 (section 5) and R5 (sections 3 to 6)."""

from collections.abc import Sequence
from typing import ClassVar

import chainer
import chainer.links as L

from vgg_cifar.accelerators import layers
from vgg_cifar.option_kinds import ANY_NUMBER, Kind, check, or_none, whole, wholes


class ConvPool(chainer.Chain):
    """Layers of [convolution, ReLU, max pooling], then one linear layer.

    Weights start as Chainer's links start them (LeCunNormal), which is also how ConvNetJS, with which report
    R5 was made, starts its own; R4 does not say how. Links: ``conv1``, ``conv2``, ... and ``fc``.

    Args:
        channels: of each layer.
        size: of every kernel.
        pad: zeros around the image before each convolution.
        stride: of every convolution.
        pools: size of each layer's pooling windows.
        pool_strides: of each layer's pooling; without overlap where None.
        bias: where the convolutions' biases start; ConvNetJS starts those before a ReLU at 0.1.
        n_classes: number of outputs.
        image_shape: (channels, height, width) of the images.

    Raises:
        ValueError: an argument is none of the above, or nothing is left of the image.

    """

    options: ClassVar[dict[str, Kind]] = {
        'channels': wholes(1),
        'size': whole(1),
        'pad': whole(0),
        'stride': whole(1),
        'pools': wholes(1),
        'pool_strides': or_none(wholes(1)),
        'bias': ANY_NUMBER,
    }

    def __init__(
        self,
        channels: Sequence[int] = (5, 10),
        size: int = 5,
        pad: int = 0,
        stride: int = 1,
        pools: Sequence[int] = (2, 2),
        pool_strides: Sequence[int] | None = None,
        bias: float = 0.0,
        n_classes: int = 10,
        image_shape: tuple[int, ...] = (1, 28, 28),
    ) -> None:
        super().__init__()
        check(self.options, {'channels': channels, 'size': size, 'pad': pad, 'stride': stride})
        check(self.options, {'pools': pools, 'pool_strides': pool_strides, 'bias': bias})
        strides = pools if pool_strides is None else pool_strides
        if not len(channels) == len(pools) == len(strides) >= 1:
            raise ValueError(
                f'channels is {channels}, pools {pools}, pool_strides {strides}; expected a number each for '
                'every layer'
            )
        n_in, *lengths = image_shape
        self._pools = tuple(zip(pools, strides, strict=True))
        with self.init_scope():
            for layer, n_out in enumerate(channels, start=1):
                setattr(
                    self, f'conv{layer}', L.Convolution2D(n_in, n_out, size, stride, pad, initial_bias=bias)
                )
                pool, pool_stride = self._pools[layer - 1]
                lengths = [(length + 2 * pad - size) // stride + 1 for length in lengths]
                lengths = [(length - pool) // pool_stride + 1 for length in lengths]
                if min(lengths) < 1:
                    raise ValueError(
                        f'image_shape is {image_shape}; nothing of it is left after layer {layer}'
                    )
                n_in = n_out
            self.fc = L.Linear(n_in * lengths[0] * lengths[1], n_classes)

    def forward(self, x: chainer.Variable) -> chainer.Variable:
        """Class scores (N, n_classes), float32, of images (N, C, H, W), before the softmax."""
        h = x
        for layer, (pool, stride) in enumerate(self._pools, start=1):
            h = layers.convolution(self[f'conv{layer}'], None, h, relu=False)
            h = layers.max_pooling(h, pool, stride, relu=True)
        return layers.linear(self.fc, h)

    def layers(self, x: chainer.Variable) -> list[chainer.Variable]:
        """Return what each convolution (with its ReLU) and each pooling makes of the images, in turn."""
        outputs = [x]
        for layer, (pool, stride) in enumerate(self._pools, start=1):
            outputs.append(layers.convolution(self[f'conv{layer}'], None, outputs[-1]))
            outputs.append(layers.max_pooling(outputs[-1], pool, stride))
        return outputs[1:]
