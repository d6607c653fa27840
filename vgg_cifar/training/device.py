"""Devices by Chainer's words."""

import warnings

import chainer

from vgg_cifar.accelerators import cudnn
from vgg_cifar.errors import InputError


def get_device(name: str) -> chainer.backend.Device:
    """Return the device called ``-1`` or ``@numpy`` (the CPU), or ``0`` or ``@cupy:0`` (the first GPU).

    Warns where a GPU has to do without cuDNN.

    Raises:
        InputError: there is no such device; the message says how to get one.

    """
    try:
        number = int(name)
    except ValueError:
        specifier = name
    else:
        specifier = '@numpy' if number < 0 else f'@cupy:{number}'
    if specifier.startswith('@cupy'):
        obstacle = cudnn.obstacle()
        if obstacle:
            raise InputError(f'-d {name}: {obstacle}; or use -d -1 for the CPU')
        if not chainer.backends.cuda.cudnn_enabled:
            warnings.warn(f'-d {name}: {cudnn.status()}; convolutions are slower without it', stacklevel=2)
    try:
        device = chainer.get_device(specifier)
        device.use()
    except Exception as error:
        raise InputError(
            f'-d {name}: no such device ({error}); expected -1, 0, 1, ..., @numpy or @cupy:0'
        ) from None
    return device
