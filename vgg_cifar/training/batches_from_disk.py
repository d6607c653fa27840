"""Batches of images that stay in their file, so that it may be larger than memory."""

from collections.abc import Sequence
from typing import Any

import chainer
import numpy

from vgg_cifar.datasets.image_data import scale
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.training.batches import Batches


class BatchesFromDisk(Batches):
    """What Batches are, of images on disk: each batch is gathered in memory and sent to the device.

    `order` is a random order that reads the file once; see `ImagesOnDisk.local_order` for what that costs in
    randomness.
    """

    def __init__(self, x: ImagesOnDisk, y: numpy.ndarray, device: chainer.backend.Device) -> None:
        self.device = device
        self.x = x
        self.y = device.send(y)

    def __call__(self, rows: Sequence[int] | numpy.ndarray | slice) -> tuple[Any, Any]:
        x = scale(self.device.send(self.x[rows]))
        return x, self.y[rows if isinstance(rows, slice) else self.device.xp.asarray(rows)]

    def order(self, random: numpy.random.RandomState) -> numpy.ndarray:
        return self.x.local_order(random)
