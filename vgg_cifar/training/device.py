"""Devices by Chainer's words."""

import functools
import logging

import chainer

from vgg_cifar.accelerators import cudnn
from vgg_cifar.errors import InputError

logger = logging.getLogger(__name__)

_WITHOUT = {
    False: 'convolutions are slower without it',
    True: 'training steps are slower without them, as no layers are fused and no step is captured',
}
"""What a GPU lacks, by whether it has cuDNN."""


def get_device(name: str) -> chainer.backend.Device:
    """Return the device called ``-1`` or ``@numpy`` (the CPU), or ``0`` or ``@cupy:0`` (the first GPU).

    Says where a GPU has to do without cuDNN, or without its graphs.

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
        if not cudnn.live():
            _notice(f'-d {name}: {cudnn.status()}; {_WITHOUT[chainer.backends.cuda.cudnn_enabled]}')
    try:
        device = chainer.get_device(specifier)
        device.use()
    except Exception as error:
        raise InputError(
            f'-d {name}: no such device ({error}); expected -1, 0, 1, ..., @numpy or @cupy:0'
        ) from None
    return device


# A study asks for its device again for every run.
@functools.cache
def _notice(line: str) -> None:
    logger.warning('%s', line)
