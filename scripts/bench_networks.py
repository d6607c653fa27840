"""The reports' networks, each as its report trains it, for scripts/bench_step.py.

A network is one of vgg_cifar.models, and beside it a plain list of layers, from which the same network is
made out of Chainer's own links, as an old script has it, and out of PyTorch's modules.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Layers: (kind, arguments ...); `around` adds what its second list makes of the input to what its first does.
Layers = Sequence[tuple]


class Network(NamedTuple):
    """How a report trains a network; `layers` is the same as `family` with `options`."""

    family: str
    options: Mapping[str, Any]
    layers: Layers
    image_shape: tuple[int, int, int]
    n_classes: int
    optimizer: str = 'adam'
    lr: float | None = None
    weight_decay: float = 0.0
    batch: int = 100


def _conv(
    n_in: int, n_out: int, size: int = 3, stride: int = 1, pad: int = 1, gap: int = 1, bias: bool = True
):
    return 'conv', n_in, n_out, size, stride, pad, gap, bias


def _vgg() -> Layers:
    layers: list[tuple] = []
    n_in = 3
    for channels in ((64, 64), (128, 128), (256, 256, 256, 256)):
        for n_out in channels:
            layers += [_conv(n_in, n_out), ('bn', n_out, 4), ('relu', 0.0)]
            n_in = n_out
        layers += [('max', 2, 2, 0), ('dropout', 0.4)]
    layers += [('flatten',)]
    for size in (4096, 500):
        layers += [('linear', size, 500, True), ('relu', 0.0), ('dropout', 0.4)]
    return [*layers, ('linear', 500, 10, True)]


def _mlp(batch_norm: bool) -> Layers:
    layers: list[tuple] = [('flatten',)]
    sizes = (784, 100, 100, 100, 100)
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [('linear', n_in, n_out, True), *([('bn', n_out, 2)] if batch_norm else ()), ('relu', 0.0)]
    return [*layers, ('linear', 100, 47, True)]


def _conv_pool(channels: Sequence[int], image: Sequence[int], n_out: int, pad: int = 0) -> Layers:
    layers: list[tuple] = []
    n_in, side, _ = image
    for n in channels:
        layers += [_conv(n_in, n, 5, 1, pad), ('relu', 0.0), ('max', 2, 2, 0)]
        n_in, side = n, (side + 2 * pad - 4) // 2
    return [*layers, ('flatten',), ('linear', n_in * side * side, n_out, True)]


def _reduction(reduction: str, doubling: bool) -> Layers:
    layers: list[tuple] = []
    n_in, side = 1, 28
    for k in range(4):
        n_out = 16 * 2**k if doubling else 16
        layers += [_conv(n_in, n_out, bias=False), ('relu', 0.0)]
        if reduction == 'max_pooling':
            layers += [('max', 2, 2, 1)]
            side = side // 2 + 1
        else:
            stride, gap = (2, 1) if reduction == 'striding' else (1, k + 2)
            layers += [_conv(n_out, n_out, stride=stride, gap=gap, bias=False), ('relu', 0.0)]
            side = (side + 2 - 2 * gap - 1) // stride + 1
        n_in = n_out
    if side != 2:
        layers += [('average', (side + 1) // 2, side // 2)]
    return [*layers, ('flatten',), ('linear', 4 * n_in, 47, False)]


def _residual() -> Layers:
    layers: list[tuple] = [_conv(3, 32, bias=False), ('bn', 32, 4), ('relu', 0.01)]
    for _ in range(3):
        for block in range(6):
            reduces = block == 5
            shrink = [('average', 2, 2)] if reduces else []
            layer = [_conv(32, 32, bias=reduces), ('bn', 32, 4)]
            layers += [('around', [*layer, ('relu', 0.01), *shrink, *layer], shrink), ('relu', 0.01)]
    return [*layers, ('average', 4, 4), ('flatten',), ('linear', 32, 100, True)]


_EMNIST: dict[str, Any] = {'image_shape': (1, 28, 28), 'n_classes': 47}
_R2 = {**_EMNIST, 'weight_decay': 1e-5}


def _r2(reduction: str, doubling: bool = False) -> Network:
    options = {'reduction': reduction, 'doubling': doubling}
    return Network('reduction_cnn', options, _reduction(reduction, doubling), **_R2)


def _r4_cnn(*channels: int) -> Network:
    options = {'channels': channels, 'pools': (2,) * len(channels)}
    layers = _conv_pool(channels, (1, 28, 28), 47)
    return Network('conv_pool', options, layers, **_EMNIST, lr=1e-3, weight_decay=1e-3)


_L2 = {**_EMNIST, 'weight_decay': 1e-3}
NETWORKS = {
    'R1': Network('vgg', {'dropout': 0.4}, _vgg(), (3, 32, 32), 10),
    'R2-max-pooling': _r2('max_pooling'),
    'R2-striding': _r2('striding'),
    'R2-doubling': _r2('max_pooling', True),
    'R2-dilation-doubling': _r2('dilation', True),
    'R3-VGG-38': Network(
        'residual_vgg', {'blocks': 5, 'batch_norm': True, 'residual': True}, _residual(), (3, 32, 32), 100
    ),
    'R4-DNN-SGD': Network('mlp', {}, _mlp(False), optimizer='sgd', lr=0.05, **_L2),
    'R4-DNN-Adam': Network('mlp', {}, _mlp(False), lr=1e-3, **_L2),
    'R4-DNN-Adam-BN': Network('mlp', {'batch_norm': 'hidden'}, _mlp(True), lr=1e-3, **_L2),
    'R4-CNN-1': _r4_cnn(5),
    'R4-CNN-2': _r4_cnn(5, 10),
    'R5': Network(
        'conv_pool',
        {'channels': (8, 16), 'size': 5, 'pad': 2, 'pools': (2, 3), 'bias': 0.1},
        [
            *(_conv(1, 8, 5, 1, 2), ('relu', 0.0), ('max', 2, 2, 0)),
            *(_conv(8, 16, 5, 1, 2), ('relu', 0.0), ('max', 3, 3, 0)),
            *(('flatten',), ('linear', 256, 10, True)),
        ],
        (1, 24, 24),
        10,
        optimizer='adadelta',
        weight_decay=5e-5,
        batch=20,
    ),
}


def chainer_network(layers: Layers) -> Any:
    """Return the network out of Chainer's own links and functions."""
    import chainer
    import chainer.functions as F
    import chainer.links as L

    class Plain(chainer.ChainList):
        def __init__(self, layers: Layers) -> None:
            super().__init__()
            self.steps: list[Any] = []
            for kind, *given in layers:
                self.steps.append(self._step(kind, given))

        def _step(self, kind: str, given: list) -> Any:
            if kind in ('conv', 'linear', 'bn', 'around'):
                links = [self._link(kind, given)]
                if kind == 'around':
                    links.append(Plain(given[1]))
                for link in links:
                    self.add_link(link)
                return links[0] if kind != 'around' else lambda x: links[0](x) + links[1](x)
            return {
                'relu': lambda x: F.leaky_relu(x, given[0]) if given[0] else F.relu(x),
                'max': lambda x: F.max_pooling_2d(x, *given, cover_all=False),
                'average': lambda x: F.average_pooling_2d(x, *given),
                'dropout': lambda x: F.dropout(x, *given),
                'flatten': lambda x: F.reshape(x, (len(x), -1)),
            }[kind]

        def _link(self, kind: str, given: list) -> Any:
            if kind == 'conv':
                n_in, n_out, size, stride, pad, gap, bias = given
                return L.Convolution2D(n_in, n_out, size, stride, pad, nobias=not bias, dilate=gap)
            if kind == 'linear':
                n_in, n_out, bias = given
                return L.Linear(n_in, n_out, nobias=not bias)
            return L.BatchNormalization(given[0]) if kind == 'bn' else Plain(given[0])

        def forward(self, x: Any) -> Any:
            for step in self.steps:
                x = step(x)
            return x

    return Plain(layers)


def torch_network(layers: Layers) -> Any:
    """Return the network out of PyTorch's modules."""
    from torch import nn

    class Around(nn.Module):
        def __init__(self, body: Layers, shortcut: Layers) -> None:
            super().__init__()
            self.body, self.shortcut = torch_network(body), torch_network(shortcut)

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    made = {
        'conv': lambda n_in, n_out, size, stride, pad, gap, bias: nn.Conv2d(
            n_in, n_out, size, stride, pad, gap, bias=bias
        ),
        'linear': nn.Linear,
        'bn': lambda n, n_axes: nn.BatchNorm2d(n) if n_axes == 4 else nn.BatchNorm1d(n),
        'around': Around,
        'relu': lambda slope: nn.LeakyReLU(slope) if slope else nn.ReLU(),
        'max': nn.MaxPool2d,
        'average': nn.AvgPool2d,
        'dropout': nn.Dropout,
        'flatten': nn.Flatten,
    }
    return nn.Sequential(*(made[kind](*given) for kind, *given in layers))
