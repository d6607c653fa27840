"""Training images that are too many for memory: they stay in their file, and are gathered by row number."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy

from vgg_cifar.datasets.hdf5_storage import opened
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.free_space import require_memory

# What is read at once: large enough that a disk or a network file system is read nearly at full speed.
UNIT_BYTES = 2**20

# Units that are held in memory.
BUFFER_BYTES = 512 * 2**20


class ImagesOnDisk:
    """Images (N, C, H, W) in an HDF5 file, uint8 or, from any float type, float32; indexed like an array.

    `images[rows]` with an array of row numbers gathers those images; with a slice it reads them. What was
    read last is kept, in units of whole chunks: gathering in `local_order` reads every unit once an epoch.

    Args:
        path: the file.
        name: the data set in it, which must have been checked.

    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._dataset = opened(path)[name]
        self.shape: tuple[int, ...] = self._dataset.shape
        self.dtype = numpy.dtype('uint8' if self._dataset.dtype == numpy.uint8 else 'float32')
        image_bytes = self._image_bytes()
        chunk = self._dataset.chunks[0] if self._dataset.chunks else 1
        # Whole chunks: a compressed one would be decompressed again for each piece of it.
        self.unit = chunk * max(1, round(UNIT_BYTES / (chunk * image_bytes)))
        self._capacity = max(2, BUFFER_BYTES // (self.unit * image_bytes))
        self._buffer: numpy.ndarray | None = None
        self._slots: OrderedDict[int, int] = OrderedDict()
        self._slot_of = numpy.full(-(-len(self) // self.unit), -1)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens the file itself.
        return ImagesOnDisk, (self._path.absolute(), self._name)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> numpy.ndarray:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            images = numpy.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
            read_rows(self._dataset, start, images, self._path)
            return images
        rows = numpy.asarray(rows)
        require_memory(f'{self._path}: {len(rows)} images', len(rows) * self._image_bytes())
        units = rows // self.unit
        wanted = numpy.unique(units)
        if 0 < len(wanted) <= self._capacity:
            return self._gathered(rows, units, wanted)
        images = numpy.empty((len(rows), *self.shape[1:]), self.dtype)
        for start in range(0, len(wanted), self._capacity):
            some = wanted[start : start + self._capacity]
            here = numpy.flatnonzero((units >= some[0]) & (units <= some[-1]))
            images[here] = self._gathered(rows[here], units[here], some)
        return images

    def local_order(self, random: numpy.random.RandomState) -> numpy.ndarray:
        """Return a random order of all rows that a buffer serves, each unit being read once.

        The units come in a random order, and each one's rows are spread evenly over the time in which half a
        buffer of units comes: that far from each other rows of one unit can be, and no farther.
        """
        count = len(self._slot_of)
        place = random.permutation(count)
        spread = min(count, self._capacity // 2)
        rows = numpy.arange(len(self))
        return numpy.argsort(
            place[rows // self.unit] + spread * random.random_sample(len(self)), kind='stable'
        )

    def _gathered(self, rows: numpy.ndarray, units: numpy.ndarray, wanted: numpy.ndarray) -> numpy.ndarray:
        for unit in wanted.tolist():
            if unit in self._slots:
                self._slots.move_to_end(unit)
        for unit in wanted[self._slot_of[wanted] < 0].tolist():
            self._read_unit(unit)
        assert self._buffer is not None
        return self._buffer[self._slot_of[units] * self.unit + rows % self.unit]

    def _read_unit(self, unit: int) -> None:
        if self._buffer is None:
            capacity = min(self._capacity, len(self._slot_of))
            require_memory(str(self._path), capacity * self.unit * self._image_bytes())
            self._buffer = numpy.empty((capacity * self.unit, *self.shape[1:]), self.dtype)
        if len(self._slots) < len(self._buffer) // self.unit:
            slot = len(self._slots)
        else:
            oldest, slot = self._slots.popitem(last=False)
            self._slot_of[oldest] = -1
        start = unit * self.unit
        count = min(self.unit, len(self) - start)
        read_rows(self._dataset, start, self._buffer[slot * self.unit :][:count], self._path)
        self._slots[unit] = self._slot_of[unit] = slot

    def _image_bytes(self) -> int:
        return self.dtype.itemsize * int(numpy.prod(self.shape[1:]))


def read_rows(dataset: h5py.Dataset, start: int, out: numpy.ndarray, path: Path) -> None:
    """Read images from row `start` on into `out`, uint8 or float32.

    Raises InputError where they cannot be read, or are not finite (as float32): the first such row is named.
    """
    name = dataset.name[1:]
    # A float64 beyond float32 becomes inf here, which is what is reported below.
    with numpy.errstate(over='ignore'):
        try:
            out[...] = dataset[start : start + len(out)]
        except (OSError, RuntimeError) as error:
            raise InputError(
                f'{path}: {name}: not readable ({first_line(error)}); get or make the file again'
            ) from error
    if out.dtype == numpy.float32:
        finite = numpy.isfinite(out).all(axis=(1, 2, 3))
        if not finite.all():
            raise InputError(
                f'{path}: {name}: found NaN or infinity (as float32) first in row '
                f'{start + int(numpy.argmin(finite))}, expected finite numbers; repair or drop that image'
            )
