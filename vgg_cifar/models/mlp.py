"""The fully connected network of report R4 (sections 2 to 4), there called a DNN."""

from typing import ClassVar

import chainer
import chainer.links as L

from vgg_cifar.accelerators import layers
from vgg_cifar.option_kinds import DROP_RATIO, Kind, check, choice, whole

NORMALISED = ('none', 'hidden', 'every')


class MLP(chainer.Chain):
    """Hidden layers of [linear, batch normalisation, ReLU, dropout], then one linear layer.

    Weights start as Chainer's links start them (LeCunNormal, biases 0); the report does not say how its own
    do. Links: ``fc1``, ``bn1``, ... and ``fc5``, the last.

    Args:
        hidden: number of hidden layers.
        units: in each of them.
        batch_norm: ``'none'``; behind each ``'hidden'`` linear layer; or behind ``'every'`` one, the last
            too: the report's "immediately after each fully connected layer" can be read as either.
        dropout: drop ratio of the hidden units, which is 1 minus the report's inclusion probability.
        n_classes: number of outputs.
        image_shape: (channels, height, width) of the images.

    Raises:
        ValueError: an argument is none of the above.

    """

    options: ClassVar[dict[str, Kind]] = {
        'hidden': whole(0),
        'units': whole(1),
        'batch_norm': choice(NORMALISED),
        'dropout': DROP_RATIO,
    }

    def __init__(
        self,
        hidden: int = 4,
        units: int = 100,
        batch_norm: str = 'none',
        dropout: float = 0.0,
        n_classes: int = 47,
        image_shape: tuple[int, ...] = (1, 28, 28),
    ) -> None:
        super().__init__()
        given = {'hidden': hidden, 'units': units, 'batch_norm': batch_norm, 'dropout': dropout}
        check(self.options, given)
        channels, height, width = image_shape
        sizes = (channels * height * width, *([units] * hidden), n_classes)
        self.dropout = dropout
        self._layers = range(1, hidden + 2)
        self._normalised = {'none': range(0), 'hidden': self._layers[:-1], 'every': self._layers}[batch_norm]
        with self.init_scope():
            for layer, n_in, n_out in zip(self._layers, sizes, sizes[1:], strict=False):
                setattr(self, f'fc{layer}', L.Linear(n_in, n_out))
                if layer in self._normalised:
                    setattr(self, f'bn{layer}', L.BatchNormalization(n_out))

    def forward(self, x: chainer.Variable) -> chainer.Variable:
        """Class scores (N, n_classes), float32, of images (N, C, H, W), before the softmax."""
        dropout = self.dropout if chainer.config.train else 0.0
        h = x
        for layer in self._layers:
            hidden = layer != self._layers[-1]
            bn = self[f'bn{layer}'] if layer in self._normalised else None
            h = layers.linear(self[f'fc{layer}'], h, bn, relu=hidden)
            h = layers.dropout(h, dropout if hidden else 0.0)
        return h
