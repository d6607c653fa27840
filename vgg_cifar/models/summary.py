"""The layers of a network, counted: report R1's table of dimensions, memory and parameters."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import chainer
import numpy


@dataclass(frozen=True)
class Layer:
    """One row: a function of the network that owns parameters or changes its input's shape.

    Attributes:
        name: the link's name, or the function's where it has no parameters.
        shape: output shape for one image, without the batch axis.
        activations: numbers in the output for one image.
        parameters: trained numbers, biases included.
        multiply_accumulates: multiply-adds of a forward pass over one image.

    """

    name: str
    shape: tuple[int, ...]
    activations: int
    parameters: int
    multiply_accumulates: int


def layers(model: chainer.Chain, image_shape: tuple[int, ...] = (3, 32, 32)) -> list[Layer]:
    """Trace `model` on one blank image and count its layers, first to last.

    The report's own table (section "Convolutional Neural Network: Background") keeps the sizes of an
    ImageNet network after the first pooling, repeats a wrong channel count and leaves the biases out.
    Here every number is the traced network's own.
    """
    image = numpy.zeros((1, *image_shape), model.dtype if hasattr(model, 'dtype') else numpy.float32)
    # Chainer's own functions, one node each; test mode, so that no running statistic moves.
    with chainer.using_config('train', False), chainer.using_config('use_ideep', 'never'):
        x = chainer.Variable(image)
        y = model(x)
    owners = {id(parameter.node): name.split('/')[1:-1] for name, parameter in model.namedparams()}
    rows = [Layer('input', tuple(image_shape), math.prod(image_shape), 0, 0)]
    for function in functions(y):
        (output,) = function.outputs
        shape = tuple(output().shape[1:])
        weights = [node for node in function.inputs if id(node) in owners]
        # Activations and dropout keep the shape; a reshape keeps the number of elements.
        if not weights and math.prod(shape) == math.prod(function.inputs[0].shape[1:]):
            continue
        name = '.'.join(owners[id(weights[0])]) if weights else function.label
        rows.append(
            Layer(
                name,
                shape,
                math.prod(shape),
                sum(math.prod(node.shape) for node in weights),
                _multiply_accumulates(weights, shape),
            )
        )
    return rows


def _multiply_accumulates(weights: list, shape: tuple[int, ...]) -> int:
    """Each output of a convolution or linear layer is a dot product with one row of its weights."""
    if not weights or len(weights[0].shape) < 2:
        return 0
    return math.prod(shape) * math.prod(weights[0].shape[1:])


def functions(y: chainer.Variable) -> Iterator[chainer.FunctionNode]:
    """Every function between the input and `y`, in the order in which they ran."""
    seen: dict[int, chainer.FunctionNode] = {}
    pending = [y.creator_node]
    while pending:
        function = pending.pop()
        if function is None or id(function) in seen:
            continue
        seen[id(function)] = function
        pending.extend(node.creator_node for node in function.inputs)
    yield from sorted(seen.values(), key=lambda function: function.rank)


def table(model: chainer.Chain, image_shape: tuple[int, ...] = (3, 32, 32)) -> str:
    """`layers` as aligned text, with a line of totals; memory is for float32."""
    rows = layers(model, image_shape)
    total = Layer('total', (), *(sum(getattr(row, field) for row in rows) for field in _COUNTS))
    lines = [f'{"layer":<22}{"output":>14}{"activations":>13}{"parameters":>12}{"multiply-adds":>15}']
    for row in [*rows, total]:
        shape = 'x'.join(map(str, row.shape))
        counts = f'{row.activations:>13,}{row.parameters:>12,}{row.multiply_accumulates:>15,}'
        lines.append(f'{row.name:<22}{shape:>14}{counts}')
    lines.append(
        f'one image: {4 * total.activations / 2**20:.2f} MiB of activations; '
        f'the network: {4 * total.parameters / 2**20:.2f} MiB of parameters (float32)'
    )
    return '\n'.join(lines)


_COUNTS = ('activations', 'parameters', 'multiply_accumulates')
