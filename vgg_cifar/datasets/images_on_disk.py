"""Training images that are too many for memory: they stay in their file, and are gathered by row number."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar.counting import counted
from vgg_cifar.data_file import image_dtype, read_images
from vgg_cifar.free_space import require_memory
from vgg_cifar.hdf5_file import Rows, opened

# What is read at once: large enough that a disk or a network file system is read nearly at full speed.
UNIT_BYTES = 2**20

# Units that are held in memory.
BUFFER_BYTES = 512 * 2**20


class ImagesOnDisk:
    """Images (N, C, H, W) in an HDF5 file, uint8 or, from any float type, float32; indexed like an array.

    `images[rows]` takes what an array takes for its first axis: a number, an array of numbers or of truth
    values, a slice. What was read last is kept, in units of whole chunks: gathering in `local_order` reads
    every unit once an epoch.

    Args:
        path: the file.
        name: the data set in it, one of images that `data_file` has checked.

    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._rows = Rows(opened(path), name)
        self.shape = self._rows.shape
        self.dtype = image_dtype(self._rows)
        image_bytes = self._image_bytes()
        # Whole chunks: a compressed one would be unpacked again for each piece of it.
        self.unit = self._rows.chunk * max(1, round(UNIT_BYTES / (self._rows.chunk * image_bytes)))
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
            rows = range(len(self))[rows]
            if rows.step == 1 and rows:
                self._require_memory(len(rows))
                return read_images(self._rows, rows.start, rows.stop)
        rows = numpy.asarray(rows)
        if rows.dtype == bool and rows.shape == (len(self),):
            (rows,) = rows.nonzero()
        if rows.size and (
            rows.dtype.kind not in 'iu' or not -len(self) <= rows.min() <= rows.max() < len(self)
        ):
            raise IndexError(f'rows {rows.reshape(-1)[:5]} ... of {len(self)} images: no such row numbers')
        rows = rows.astype(numpy.int64)
        flat = numpy.where(rows < 0, rows + len(self), rows).reshape(-1)
        return self._gather(flat).reshape(rows.shape + self.shape[1:])

    def _gather(self, rows: numpy.ndarray) -> numpy.ndarray:
        self._require_memory(len(rows))
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
        self._buffer[slot * self.unit :][:count] = read_images(self._rows, start, start + count)
        self._slots[unit] = self._slot_of[unit] = slot

    def _require_memory(self, images: int) -> None:
        require_memory(f'{self._path}: {counted(images, "image")}', images * self._image_bytes())

    def _image_bytes(self) -> int:
        return self.dtype.itemsize * int(numpy.prod(self.shape[1:]))
