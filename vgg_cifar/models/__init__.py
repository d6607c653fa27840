"""Network families, one file each."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import chainer

from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.models.conv_nn import Calculate_Test_Accuracy, Conv_NN
from vgg_cifar.models.conv_pool import ConvPool
from vgg_cifar.models.mlp import MLP
from vgg_cifar.models.reduction_cnn import ReductionCNN
from vgg_cifar.models.residual_vgg import ResidualVGG
from vgg_cifar.models.vgg import VGG
from vgg_cifar.option_kinds import check

__all__ = [
    'FAMILIES',
    'MLP',
    'SHORT_OPTIONS',
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

SHORT_OPTIONS: dict[str, tuple[str, ...]] = {
    'vgg': ('depth', 'batch_norm', 'dropout', 'pooling', 'filter_size'),
}
"""The options that have names of their own, at the command line and in files, by family."""


@functools.cache
def option_defaults(family: str) -> dict[str, Any]:
    """Return a family's options with their defaults; `inspect.Parameter.empty` for one that must be given."""
    parameters = inspect.signature(FAMILIES[family]).parameters.values()
    return {each.name: each.default for each in parameters if each.name not in ('n_classes', 'image_shape')}


def option_names(family: str) -> list[str]:
    """Return the names of a family's options."""
    return list(option_defaults(family))


def completed(family: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the defaults of those that have short names.

    Raises:
        InputError: the family has no such option, or it cannot have such a value.

    """
    known = option_defaults(family)
    for name in options:
        if name not in known:
            raise InputError(
                f'--model-options: {family} has no {shown(name)!r}; expected one of {", ".join(known)}'
            )
    try:
        check(FAMILIES[family].options, options)
    except ValueError as error:
        raise InputError(f'--model {family}: {error}') from None
    return {**{name: known[name] for name in SHORT_OPTIONS.get(family, ())}, **options}


def build(
    family: str, options: Mapping[str, Any], n_classes: int, image_shape: tuple[int, ...]
) -> chainer.Chain:
    """Return a network; an InputError says which option or image shape is not the family's."""
    try:
        return FAMILIES[family](**options, n_classes=n_classes, image_shape=image_shape)
    except (ValueError, TypeError) as error:
        raise InputError(f'--model {family}: {error}') from None
