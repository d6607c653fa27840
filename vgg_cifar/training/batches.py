"""Batches of images on a device, gathered by index: one fancy-indexing per batch, no loop over samples."""

import concurrent.futures
import functools
from collections.abc import Callable, Sequence
from typing import Any

import chainer
import numpy

from vgg_cifar.accelerators import cudnn
from vgg_cifar.datasets.image_data import scale


class Batches:
    """Labelled images that live on a device, asked for by their row numbers.

    Args:
        x: images (N, C, H, W), uint8 or float32; uint8 stays uint8 on the device.
        y: labels (N,), int32.
        device: where the images are kept.

    """

    def __init__(self, x: numpy.ndarray, y: numpy.ndarray, device: chainer.backend.Device) -> None:
        self.device = device
        self.x = device.send(x)
        self.y = device.send(y)

    def __len__(self) -> int:
        return len(self.y)

    def __call__(self, rows: Sequence[int] | numpy.ndarray | slice) -> tuple[Any, Any]:
        """Return the images of `rows` as float32, uint8 scaled to [0, 1], and their labels."""
        if not isinstance(rows, slice):
            rows = self.device.xp.asarray(rows, numpy.int64)
            if self.device.xp is not numpy and self.x.dtype == numpy.uint8 and cudnn.live():
                from vgg_cifar.accelerators.cudnn import kernels

                return kernels.gathered(self.x, self.y, rows)
        return scale(self.x[rows]), self.y[rows]

    def order(self, random: numpy.random.RandomState) -> numpy.ndarray:
        """Return all row numbers in a random order."""
        return random.permutation(len(self))


# Changes a batch of images by numbers that it draws from the given generator.
Transform = Callable[[Any, numpy.random.RandomState], Any]


class ShuffledBatches(chainer.dataset.Iterator):
    """Batch after batch without end, each epoch in an order of its own, for Chainer's updaters.

    An epoch's order is drawn from the seed and the epoch's number alone, and what `transform` draws from the
    seed and the batch's number, so how many images have been given out is all that a snapshot must know.
    A batch may hold the end of an epoch and the start of the next.
    The next batch is prepared by a thread while the current one is used.

    Args:
        images: what to give out.
        batch_size: images per batch.
        seed: of the orders.
        transform: what becomes of each batch's images.
        part: of each batch, what is given out; by default all. The images of a part are transformed as they
            are in the whole batch.

    """

    def __init__(
        self,
        images: Batches,
        batch_size: int,
        seed: int,
        transform: Transform | None = None,
        part: slice = slice(None),
    ) -> None:
        self.batch_size = batch_size
        self._images = images
        self._seed = seed
        self._transform = transform
        self._part = part
        self._given = 0
        self._thread = concurrent.futures.ThreadPoolExecutor(1, 'batches')
        self._ahead: concurrent.futures.Future | None = None
        # An epoch, and the one that a batch may reach into.
        self._order = functools.lru_cache(2)(self._draw_order)

    def __next__(self) -> tuple[Any, Any]:
        prepared = self._ahead or self._prepare(self._given)
        self._given += self.batch_size
        batch = prepared.result()
        self._ahead = self._prepare(self._given)
        return batch

    next = __next__

    @property
    def epoch(self) -> int:
        """How many epochs are complete."""
        return self._given // len(self._images)

    @property
    def epoch_detail(self) -> float:
        """How many epochs have passed, with the part of the current one."""
        return self._given / len(self._images)

    @property
    def previous_epoch_detail(self) -> float | None:
        """`epoch_detail` before the last batch; None where there was none."""
        return (self._given - self.batch_size) / len(self._images) if self._given else None

    @property
    def is_new_epoch(self) -> bool:
        """Whether the last batch completed an epoch."""
        return self._given > 0 and self.epoch > (self._given - self.batch_size) // len(self._images)

    def finalize(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def serialize(self, serializer: chainer.AbstractSerializer) -> None:
        """Save or restore how many images have been given out."""
        self._given = int(serializer('given', self._given))
        if not isinstance(serializer, chainer.Serializer):
            self._ahead = None

    def _prepare(self, start: int) -> concurrent.futures.Future:
        return self._thread.submit(self._take, start)

    def _take(self, start: int) -> tuple[Any, Any]:
        # Which GPU is in use, a thread does not learn from the one that started it.
        with chainer.using_device(self._images.device):
            rows = self._rows(start, start + self.batch_size)
            if self._transform is None:
                return self._images(rows[self._part])
            x, y = self._images(rows)
            # Three numbers, so that no batch draws what an epoch's order is drawn from.
            random = numpy.random.RandomState((self._seed, 1, start // self.batch_size))
            return self._transform(x, random)[self._part], y[self._part]

    def _rows(self, start: int, stop: int) -> numpy.ndarray:
        """Return the rows of a piece of all epochs' orders, laid end to end."""
        n = len(self._images)
        first = start // n
        orders = numpy.concatenate([self._order(epoch) for epoch in range(first, (stop - 1) // n + 1)])
        return orders[start - first * n : stop - first * n]

    def _draw_order(self, epoch: int) -> numpy.ndarray:
        # Not the newer Generator: the numbers that RandomState draws are fixed for all versions of NumPy.
        return self._images.order(numpy.random.RandomState((self._seed, epoch)))
