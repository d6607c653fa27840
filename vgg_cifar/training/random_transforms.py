"""What is done to the training images at random, batch by batch, while the network trains.

Functions of a batch (N, C, H, W), float32, NumPy or CuPy, and of a generator that they draw from: the same
generator, the same result. They give a new array and loop over no images.
"""

import functools
from typing import Any

import chainer
import numpy

from vgg_cifar.errors import InputError
from vgg_cifar.training.batches import Transform

AREA = (0.02, 0.33)
ASPECT = (0.3, 3.3)
"""Report R3, section 5.2.1: the erased part of an image, and its height over its width."""

# A rectangle that does not fit is drawn again; after so many the image stays as it is. Few need a second.
ATTEMPTS = 10


def random_erasing(x: Any, random: numpy.random.RandomState, probability: float) -> Any:
    """Fill a rectangle of random place and shape with even noise from 0 to 1 (Zhong et al., 2017).

    Args:
        x: the batch.
        random: where the numbers come from.
        probability: that an image is changed at all.

    """
    xp = chainer.backend.get_array_module(x)
    n, _, height, width = x.shape
    area = random.uniform(*AREA, (n, ATTEMPTS)) * height * width
    aspect = random.uniform(*ASPECT, (n, ATTEMPTS))
    tall = numpy.rint(numpy.sqrt(area * aspect)).astype(int)
    wide = numpy.rint(numpy.sqrt(area / aspect)).astype(int)
    fits = (tall < height) & (wide < width)
    first = fits.argmax(axis=1)[:, None]
    tall, wide = (numpy.take_along_axis(lengths, first, 1)[:, 0] for lengths in (tall, wide))
    changed = fits.any(axis=1) & (random.uniform(size=n) < probability)
    inside = _between(random, height, tall)[:, :, None] & _between(random, width, wide)[:, None, :]
    inside &= changed[:, None, None]
    noise = random.uniform(size=x.shape).astype(numpy.float32)
    return xp.where(xp.asarray(inside)[:, None], xp.asarray(noise), x)


def _between(random: numpy.random.RandomState, length: int, extents: numpy.ndarray) -> numpy.ndarray:
    """Return for each extent a random place of it on `length` pixels: bool (N, length)."""
    room = numpy.maximum(length - extents, 0) + 1
    start = numpy.floor(random.uniform(size=len(extents)) * room).astype(int)[:, None]
    pixels = numpy.arange(length)
    return (pixels >= start) & (pixels < start + extents[:, None])


def random_crop(x: Any, random: numpy.random.RandomState, size: int) -> Any:
    """Return a window of size x size pixels of each image, all places equally likely."""
    xp = chainer.backend.get_array_module(x)
    n, channels, height, width = x.shape
    pixels = numpy.arange(size)
    rows = random.randint(0, height - size + 1, n)[:, None] + pixels
    columns = random.randint(0, width - size + 1, n)[:, None] + pixels
    return x[
        xp.arange(n)[:, None, None, None],
        xp.arange(channels)[None, :, None, None],
        xp.asarray(rows)[:, None, :, None],
        xp.asarray(columns)[:, None, None, :],
    ]


def middle_crop(x: Any, size: int) -> Any:
    """Return the window of size x size pixels in the middle of each image."""
    top, left = ((length - size) // 2 for length in x.shape[2:])
    return x[:, :, top : top + size, left : left + size]


def build(crop: int | None, erasing: float, image_shape: tuple[int, ...]) -> Transform | None:
    """Return the transform that settings ask for, windows before rectangles; None where they ask for none.

    Raises:
        InputError: the window is larger than an image.

    """
    steps: list[Transform] = []
    if crop is not None:
        if crop > min(image_shape[1:]):
            raise InputError(
                f'--crop is {crop}, but the images have {image_shape[1]}x{image_shape[2]} pixels'
            )
        steps.append(functools.partial(random_crop, size=crop))
    if erasing:
        steps.append(functools.partial(random_erasing, probability=erasing))
    if not steps:
        return None

    def transform(x: Any, random: numpy.random.RandomState) -> Any:
        for step in steps:
            x = step(x, random)
        return x

    return transform
