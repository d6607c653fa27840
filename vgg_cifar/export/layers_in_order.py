"""The layers of a network in the order in which they run, of which others' files are made."""

from dataclasses import dataclass, field
from typing import Any

import chainer
import chainer.links as L
import numpy

from vgg_cifar.errors import WorkFailed
from vgg_cifar.models.summary import functions


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        kind: convolution, normalisation, relu, leaky_relu, max_pooling, average_pooling, flatten, linear
            or add.
        name: of its link; empty where it has no weights.
        inputs: the places in the list of those layers whose results it takes; -1 is the images.
        shape: of its result for one image.
        options: by PyTorch's names: kernel_size, stride, padding, dilation, groups, eps, negative_slope.
        arrays: by PyTorch's names: weight, bias, running_mean, running_var.

    """

    kind: str
    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, numpy.ndarray] = field(default_factory=dict)


def traced(model: chainer.Chain, image_shape: tuple[int, ...]) -> list[Layer]:
    """Return the layers that `model` runs in test mode; no dropout is among them.

    Raises:
        WorkFailed: a layer is none of `Layer.kind`.

    """
    # Chainer's own functions, one node each.
    with chainer.using_config('train', False), chainer.using_config('use_ideep', 'never'):
        x = chainer.Variable(numpy.zeros((1, *image_shape), numpy.float32))
        y = model(x)
    links = {
        id(parameter.node): (name.strip('/').replace('/', '.'), link)
        for name, link in model.namedlinks(skipself=True)
        for parameter in link.params()
    }
    layers: list[Layer] = []
    places = {id(x.node): -1}
    for function in functions(y):
        name, link = next((links[id(node)] for node in function.inputs if id(node) in links), ('', None))
        inputs = tuple(places[id(node)] for node in function.inputs if id(node) in places)
        (output,) = function.outputs
        shape = tuple(output().shape[1:])
        places[id(output())] = len(layers)
        layers.append(_layer(function, name, link, inputs, shape))
    return layers


def _layer(function: Any, name: str, link: Any, inputs: tuple[int, ...], shape: tuple[int, ...]) -> Layer:
    kind = type(function).__name__
    if kind == 'Convolution2DFunction' and isinstance(link, L.Convolution2D):
        f = function
        options = {
            'kernel_size': tuple(link.W.shape[2:]),
            'stride': (f.sy, f.sx),
            'padding': (f.ph, f.pw),
            'dilation': (f.dy, f.dx),
            'groups': f.groups,
        }
        return Layer('convolution', name, inputs, shape, options, _weights(link))
    if kind == 'LinearFunction' and isinstance(link, L.Linear):
        return Layer('linear', name, inputs, shape, {}, _weights(link))
    if kind == 'FixedBatchNormalization' and isinstance(link, L.BatchNormalization):
        arrays = {
            'weight': link.gamma.array,
            'bias': link.beta.array,
            'running_mean': link.avg_mean,
            'running_var': link.avg_var,
        }
        return Layer('normalisation', name, inputs, shape, {'eps': float(link.eps)}, arrays)
    if kind == 'MaxPoolingND' and not function.cover_all:
        f = function
        options = {'kernel_size': tuple(f.ksize), 'stride': tuple(f.stride), 'padding': tuple(f.pad)}
        return Layer('max_pooling', '', inputs, shape, options)
    if kind == 'AveragePooling2D':
        f = function
        options = {'kernel_size': (f.kh, f.kw), 'stride': (f.sy, f.sx), 'padding': (f.ph, f.pw)}
        return Layer('average_pooling', '', inputs, shape, options)
    if kind == 'LeakyReLU':
        return Layer('leaky_relu', '', inputs, shape, {'negative_slope': float(function.slope)})
    if kind == 'ReLU':
        return Layer('relu', '', inputs, shape)
    if kind == 'Add' and len(inputs) == 2:
        return Layer('add', '', inputs, shape)
    if kind == 'Reshape' and len(shape) == 1:
        return Layer('flatten', '', inputs, shape)
    raise WorkFailed(
        f'{name or function.label}: {kind} is not known, as it is used here, in other frameworks'
    )


def _weights(link: Any) -> dict[str, numpy.ndarray]:
    biases = {} if link.b is None else {'bias': link.b.array}
    return {'weight': link.W.array, **biases}
