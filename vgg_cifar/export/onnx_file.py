"""A network as an ONNX file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from vgg_cifar.export.layers_in_order import Layer
from vgg_cifar.export.trained import Trained
from vgg_cifar.versions import own_version

# Old, so that old readers take the file too: ONNX 1.8, of 2020, and its operators.
OPSET = 13
IR_VERSION = 7

OPERATORS = {
    'convolution': 'Conv',
    'normalisation': 'BatchNormalization',
    'relu': 'Relu',
    'leaky_relu': 'LeakyRelu',
    'max_pooling': 'MaxPool',
    'average_pooling': 'AveragePool',
    'flatten': 'Flatten',
    'linear': 'Gemm',
    'add': 'Add',
}


def write(path: Path, trained: Trained, layers: Sequence[Layer]) -> None:
    """Write the network: `images` (N, C, H, W) to `scores` (N, classes), float32, for any N."""
    nodes, weights = [], []
    for place, layer in enumerate(layers):
        inputs = [_result(each, layers) for each in layer.inputs]
        for name, array in layer.arrays.items():
            inputs.append(f'{layer.name}.{name}')
            weights.append(numpy_helper.from_array(numpy.ascontiguousarray(array), inputs[-1]))
        output = _result(place, layers)
        nodes.append(helper.make_node(OPERATORS[layer.kind], inputs, [output], output, **_attributes(layer)))
    graph = helper.make_graph(
        nodes,
        'network',
        [helper.make_tensor_value_info('images', TensorProto.FLOAT, ['N', *trained.image_shape])],
        [helper.make_tensor_value_info('scores', TensorProto.FLOAT, ['N', *layers[-1].shape])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=IR_VERSION)
    model.producer_name, model.producer_version = 'vgg-cifar', own_version()
    helper.set_model_props(model, {'class_names': json.dumps(trained.class_names)})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _result(place: int, layers: Sequence[Layer]) -> str:
    if place < 0:
        return 'images'
    if place == len(layers) - 1:
        return 'scores'
    return f'{place}_{layers[place].name or layers[place].kind}'


def _attributes(layer: Layer) -> dict[str, Any]:
    options = layer.options
    found: dict[str, Any] = {}
    if 'kernel_size' in options:
        # Before the first and behind the last row and column.
        found = {'kernel_shape': options['kernel_size'], 'strides': options['stride']}
        found['pads'] = options['padding'] * 2
    if layer.kind == 'convolution':
        found |= {'dilations': options['dilation'], 'group': options['groups']}
    elif layer.kind == 'average_pooling':
        found['count_include_pad'] = 1
    elif layer.kind == 'normalisation':
        found['epsilon'] = options['eps']
    elif layer.kind == 'leaky_relu':
        found['alpha'] = options['negative_slope']
    elif layer.kind == 'linear':
        found['transB'] = 1
    return found
