"""Batches of images on a device, gathered by index: one fancy-indexing per batch, no loop over samples."""

from collections.abc import Sequence
from typing import Any

import chainer
import numpy

from vgg_cifar.datasets.image_data import scale


class Batches:
    """Labelled images that live on a device, handed to Chainer's iterators and updaters by their row numbers.

    Chainer's iterators walk over ``rows`` and stay cheap; the updater's ``converter`` is this object, which
    turns their row numbers into arrays.

    Args:
        x: images (N, C, H, W), uint8 or float32; uint8 stays uint8 on the device.
        y: labels (N,), int32.
        device: where the images are kept.

    """

    def __init__(self, x: numpy.ndarray, y: numpy.ndarray, device: chainer.backend.Device) -> None:
        self.x = device.send(x)
        self.y = device.send(y)
        self.rows = range(len(y))

    def __call__(self, rows: Sequence[int] | slice, device: Any = None) -> tuple[Any, Any]:
        """Return the images of `rows` as float32, uint8 scaled to [0, 1], and their labels."""
        if not isinstance(rows, slice):
            rows = chainer.backend.get_device_from_array(self.y).xp.asarray(rows)
        return scale(self.x[rows]), self.y[rows]
