"""Network families, one file each."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import chainer

from vgg_cifar.errors import InputError
from vgg_cifar.models.conv_nn import Calculate_Test_Accuracy, Conv_NN
from vgg_cifar.models.conv_pool import ConvPool
from vgg_cifar.models.mlp import MLP
from vgg_cifar.models.reduction_cnn import ReductionCNN
from vgg_cifar.models.residual_vgg import ResidualVGG
from vgg_cifar.models.vgg import VGG

__all__ = [
    'FAMILIES',
    'MLP',
    'VGG',
    'Calculate_Test_Accuracy',
    'ConvPool',
    'Conv_NN',
    'ReductionCNN',
    'ResidualVGG',
]

FAMILIES: dict[str, type[chainer.Chain]] = {
    'vgg': VGG,
    'reduction_cnn': ReductionCNN,
    'residual_vgg': ResidualVGG,
    'mlp': MLP,
    'conv_pool': ConvPool,
}
"""By name; a family's options are the arguments of its class but for those that the images settle."""


@functools.cache
def option_names(family: str) -> list[str]:
    """Return the names of a family's options."""
    names = inspect.signature(FAMILIES[family]).parameters
    return [name for name in names if name not in ('n_classes', 'image_shape')]


def build(
    family: str, options: Mapping[str, Any], n_classes: int, image_shape: tuple[int, ...]
) -> chainer.Chain:
    """Return a network; an InputError says which option or image shape is not the family's."""
    try:
        return FAMILIES[family](**options, n_classes=n_classes, image_shape=image_shape)
    except (ValueError, TypeError) as error:
        raise InputError(f'--model {family}: {error}') from None
