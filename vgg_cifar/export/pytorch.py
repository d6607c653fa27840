"""A network for PyTorch: its weights by PyTorch's names, and the source of a module that takes them."""

from collections.abc import Sequence

import numpy

from vgg_cifar.export.layers_in_order import Layer
from vgg_cifar.export.trained import Trained

LOADERS = {
    '.pt': ('import torch\n', "torch.load(path, map_location='cpu', weights_only=True)"),
    '.safetensors': ('from safetensors.torch import load_file\n', 'load_file(path)'),
}
"""What a module imports to read its weights, and how it does, by the ending of their file."""


def weights(layers: Sequence[Layer]) -> dict[str, numpy.ndarray]:
    """Return a state dict: conv1_1.weight, bn1_1.running_mean, ..."""
    found = {
        f'{layer.name}.{name}': numpy.ascontiguousarray(array)
        for layer in layers
        for name, array in layer.arrays.items()
    }
    # PyTorch wants it, and needs it for nothing here.
    counts = {
        f'{layer.name}.num_batches_tracked': numpy.zeros((), numpy.int64)
        for layer in layers
        if layer.kind == 'normalisation'
    }
    return found | counts


def module(trained: Trained, layers: Sequence[Layer], ending: str) -> str:
    """Return the source of a module `Network`, and of a function `load` that gives it the weights."""
    imports, read = LOADERS[ending]
    values = 'from 0 to 1' if trained.scaled else 'as in the file that it was trained on'
    made = [_made(layer) for layer in layers if layer.name]
    names = _names(layers)
    steps = [
        f'{name} = {_step(layer, [names[each] for each in layer.inputs])}'
        for name, layer in zip(names.values(), layers, strict=False)
    ]
    return TEMPLATE.format(
        ending=ending,
        shape=', '.join(map(str, trained.image_shape)),
        values=values,
        count=len(trained.class_names),
        classes=ascii(list(trained.class_names)),
        imports=imports,
        read=read,
        made='\n'.join(f'        {line}' for line in made),
        steps='\n'.join(f'        {line}' for line in steps),
        last=names[len(layers) - 1],
    )


TEMPLATE = '''\
"""A network for PyTorch, exported by vgg-cifar.

    network = load('FILE{ending}')
    probabilities = network(images).softmax(1)

Images (N, {shape}), float32, {values}; scores (N, {count}), before the softmax.
Chainer and PyTorch differ in what is not said, so here it is: batch normalisation adds Chainer's eps to the
variance (2e-5, PyTorch's own is 1e-5), padding counts as zeros in averages, and windows of a pooling that the
image does not fill are left out (cover_all=False). There is no dropout: the network is for testing.
"""

{imports}from torch import nn
from torch.nn import functional as F

CLASSES = {classes}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
{made}

    def forward(self, images):
{steps}
        return {last}


def load(path):
    network = Network()
    network.load_state_dict({read})
    return network.eval()
'''


def _made(layer: Layer) -> str:
    """Return the line that makes a layer with weights."""
    options, n_out = layer.options, len(layer.arrays['weight'])
    bias = '' if 'bias' in layer.arrays else ', bias=False'
    if layer.kind == 'convolution':
        n_in = layer.arrays['weight'].shape[1] * options['groups']
        plain = {'stride': (1, 1), 'padding': (0, 0), 'dilation': (1, 1), 'groups': 1}
        others = ''.join(f', {name}={options[name]}' for name in plain if options[name] != plain[name])
        return f'self.{layer.name} = nn.Conv2d({n_in}, {n_out}, {options["kernel_size"]}{others}{bias})'
    if layer.kind == 'linear':
        return f'self.{layer.name} = nn.Linear({layer.arrays["weight"].shape[1]}, {n_out}{bias})'
    kind = 'BatchNorm2d' if len(layer.shape) == 3 else 'BatchNorm1d'
    return f'self.{layer.name} = nn.{kind}({n_out}, eps={options["eps"]})'


def _names(layers: Sequence[Layer]) -> dict[int, str]:
    """Return what each layer's result is called: x, or another name where it is needed later as well."""
    needed = {}
    for place, layer in enumerate(layers):
        for each in layer.inputs:
            needed[each] = place
    later = {place for place, last in needed.items() if last > place + 1}
    names = {place: f'shortcut{place}' if place in later else 'x' for place in range(len(layers))}
    return names | {-1: 'images'}


def _step(layer: Layer, inputs: list[str]) -> str:
    """Return the expression that runs a layer."""
    x, options = inputs[0], layer.options
    if layer.name:
        return f'self.{layer.name}({x})'
    if layer.kind == 'add':
        return ' + '.join(inputs)
    if layer.kind == 'flatten':
        return f'{x}.flatten(1)'
    if layer.kind == 'relu':
        return f'F.relu({x})'
    if layer.kind == 'leaky_relu':
        return f'F.leaky_relu({x}, {options["negative_slope"]})'
    kind = 'max_pool2d' if layer.kind == 'max_pooling' else 'avg_pool2d'
    padding = '' if options['padding'] == (0, 0) else f', padding={options["padding"]}'
    return f'F.{kind}({x}, {options["kernel_size"]}, {options["stride"]}{padding})'
