"""`vgg-cifar export`: a trained network for other frameworks."""

import argparse
import sys
from pathlib import Path

from vgg_cifar.atomic import replacing, require_writable
from vgg_cifar.errors import InputError
from vgg_cifar.export import layers_in_order, pytorch, trained
from vgg_cifar.foreign_text import shown

EXAMPLES = """examples:
  vgg-cifar export runs/first first.onnx                     for ONNX Runtime and others
  vgg-cifar export runs/first first.safetensors > first.py   the weights, and a PyTorch module for them
  vgg-cifar export runs/first/best.npz first.pt > first.py   as PyTorch's own file, the best epoch's
  vgg-cifar export listing.npz listing.onnx                  weights that report R1's listing has saved
  vgg-cifar export weights.npz net.onnx --model residual_vgg --model-options blocks=5 batch_norm=True

The network takes images (N, C, H, W), float32, bytes divided by 255, and gives scores before the softmax."""

WRITERS = {'.onnx': 'onnx', '.safetensors': 'safetensors', '.pt': 'torch'}
"""The package that writes files of each ending."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the network and where it goes."""
    parser.description = 'Writes a trained network as a file for ONNX Runtime, PyTorch and others.'
    parser.epilog = EXAMPLES
    trained.add_arguments(parser)
    parser.add_argument(
        'out',
        metavar='OUT',
        type=Path,
        help='OUT.onnx, OUT.safetensors or OUT.pt; for the latter two the source of a PyTorch module goes to '
        'the standard output',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace OUT where it exists')


def run(arguments: argparse.Namespace) -> int:
    """Write the file; say what it takes and gives."""
    out: Path = arguments.out
    if out.suffix not in WRITERS:
        raise InputError(
            f'{out}: found the ending {shown(out.suffix)!r}, expected one of {", ".join(WRITERS)}'
        )
    require_writable(out, arguments.overwrite)
    _check_package(out)
    network = trained.from_arguments(arguments)
    layers = layers_in_order.traced(network.model, network.image_shape)
    with replacing(out) as partial:
        if out.suffix == '.onnx':
            from vgg_cifar.export import onnx_file

            onnx_file.write(partial, network, layers)
        elif out.suffix == '.safetensors':
            from safetensors.numpy import save

            partial.write_bytes(save(pytorch.weights(layers)))
        else:
            import torch

            torch.save({k: torch.from_numpy(each) for k, each in pytorch.weights(layers).items()}, partial)
    if out.suffix in pytorch.LOADERS:
        print(pytorch.module(network, layers, out.suffix), end='')
    shape = ', '.join(map(str, network.image_shape))
    print(
        f'wrote {out}: images (N, {shape}), float32{" from 0 to 1" if network.scaled else ""}, to scores '
        f'(N, {len(network.class_names)}) before the softmax; weights from {network.source}',
        file=sys.stderr,
    )
    return 0


def _check_package(out: Path) -> None:
    package = WRITERS[out.suffix]
    try:
        __import__(package)
    except ImportError as error:
        how = (
            'pip install torch, or write OUT.safetensors, which PyTorch reads as well'
            if package == 'torch'
            else f'pip install {package}'
        )
        raise InputError(f'{out}: {package} writes such files, and is not here ({error}); {how}') from None
