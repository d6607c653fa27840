"""Trains on copies of the training images too, as report R1 does (section 6)."""

import dataclasses
from collections.abc import Sequence

from augment import transforms
from vgg_cifar.datasets.image_data import ImageData, scale
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.errors import InputError

COPIES = tuple(name for name in transforms.COPIES if name != 'original')
"""What the report adds to each image, in its listing's order."""


def augmented(data: ImageData, copies: Sequence[str]) -> ImageData:
    """Return `data` with the copies of each training image behind it; the other parts stay as they are.

    The images are scaled first, so that the copies are all in [0, 1]: of an image that holds 0 to 255 the
    normalised copy alone would be.

    Args:
        data: the images to train on.
        copies: some of `COPIES`; none for no change.

    Returns:
        ImageData: x_train float32 (N * (1 + len(copies)), C, H, W), y_train to match.

    Raises:
        InputError: the images do not fit into memory.

    """
    if not copies:
        return data
    if isinstance(data.x_train, ImagesOnDisk):
        raise InputError(
            f'{data.source}: X_train is too large to copy in memory, which --augment asks for; '
            'write the copies to a file first (python -m augment), or take fewer images (--train-size)'
        )
    names = ('original', *copies)
    return dataclasses.replace(
        data,
        x_train=transforms.apply_copies(scale(data.x_train), names),
        y_train=data.y_train.repeat(len(names)),
    )
