"""Where blocks of augmented images go: into the output itself, or compressed into a heap of chunks."""

import os
import threading
import zlib
from pathlib import Path

import h5py
import numpy

from augment.layout import Layout


class Target:
    """A file that threads write blocks to; `offset` is where its first block lies."""

    def __init__(self, path: Path, sizes: Layout, offset: int = 0) -> None:
        self.sizes = sizes
        self.offset = offset
        self._file = os.open(path, os.O_WRONLY)

    def write(self, number: int, images: numpy.ndarray) -> list[int]:
        """Write a block of augmented images, and return what the journal should remember of it.

        HDF5 has no part in this: its chunks lie where they belong from the start, and its library would let
        only one thread write at a time.
        """
        block_bytes = self.sizes.block * self.sizes.copies * images[0].nbytes
        position = self.offset + number * block_bytes
        self._write_all(images.reshape(-1).view(numpy.uint8).data, position)
        if hasattr(os, 'posix_fadvise'):
            # Makes the system begin to write to the disk now, not when it is asked to wait for that.
            os.posix_fadvise(self._file, position, images.nbytes, os.POSIX_FADV_DONTNEED)
        return []

    def _write_all(self, values: memoryview, position: int) -> None:
        while values:
            written = os.pwrite(self._file, values, position)
            values, position = values[written:], position + written

    def sync(self) -> None:
        """Wait until what has been written is on disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class CompressedTarget(Target):
    """A heap of compressed chunks, in the order in which they were finished; `assemble` sorts them.

    Nobody knows where a compressed chunk will lie before all chunks before it are compressed, and an HDF5
    file that is being added to does not survive a kill.
    """

    def __init__(self, path: Path, sizes: Layout, done: dict[int, list[int]], level: int) -> None:
        super().__init__(path, sizes)
        self._end = max((sum(places[-2:]) for _, *places in done.values()), default=0)
        self._level = level
        self._lock = threading.Lock()

    def write(self, number: int, images: numpy.ndarray) -> list[int]:
        places = []
        for start in range(0, len(images), self.sizes.chunk):
            chunk = images[start : start + self.sizes.chunk]
            if len(chunk) < self.sizes.chunk:
                missing = numpy.zeros((self.sizes.chunk - len(chunk), *chunk.shape[1:]), chunk.dtype)
                chunk = numpy.concatenate((chunk, missing))
            values = zlib.compress(_shuffled(chunk), self._level)
            with self._lock:
                position, self._end = self._end, self._end + len(values)
            self._write_all(memoryview(values), position)
            places += [position, len(values)]
        return places


def assemble(heap: Path, output: Path, sizes: Layout, done: dict[int, list[int]]) -> None:
    """Put the chunks of `heap` in order into X_train of `output`; `done` is the journal's."""
    with heap.open('rb') as file, h5py.File(output, 'r+') as out:
        images = out['X_train']
        zeros = (0,) * (images.ndim - 1)
        row = 0
        for number in range(sizes.blocks):
            _, *places = done[number]
            for position, size in zip(places[::2], places[1::2], strict=True):
                file.seek(position)
                images.id.write_direct_chunk((row, *zeros), file.read(size))
                row += sizes.chunk


def _shuffled(chunk: numpy.ndarray) -> bytes:
    """Return what HDF5's shuffle filter makes of a chunk: all first bytes, then all second bytes, ..."""
    return chunk.reshape(-1).view(numpy.uint8).reshape(-1, chunk.itemsize).T.tobytes()
