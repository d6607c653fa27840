"""Where blocks of augmented images go: into the output itself, or compressed into a heap of chunks."""

import contextlib
import errno
import mmap
import os
import threading
import zlib
from pathlib import Path

import h5py
import numpy

from augment.layout import PAGE_BYTES, Layout


class Target:
    """A file that threads write blocks to, from `offset` on.

    HDF5 has no part in this: its chunks lie where they belong from the start, and its library would let only
    one thread write at a time. Whole pages go to the disk without a copy in the system's memory: that takes
    half of the processor's time off, and pushes nothing else out of that memory.
    """

    def __init__(self, path: Path, sizes: Layout, offset: int = 0) -> None:
        self.sizes = sizes
        self.offset = offset
        self._path = path
        self._file = os.open(path, os.O_WRONLY)
        self._direct: int | None = None
        if hasattr(os, 'O_DIRECT') and sizes.whole_pages and offset % PAGE_BYTES == 0:
            # Not every file system can.
            with contextlib.suppress(OSError):
                self._direct = os.open(path, os.O_WRONLY | os.O_DIRECT)

    def space(self, image_shape: tuple[int, ...], dtype: str) -> numpy.ndarray:
        """Return memory for the images of a block, rounded up to whole chunks."""
        shape = (self.sizes.block_images, *image_shape)
        size = numpy.dtype(dtype).itemsize * int(numpy.prod(shape))
        # It begins with a page, as writing around the system's memory demands.
        return numpy.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)

    def write(self, number: int, space: numpy.ndarray, count: int) -> list[int]:
        """Write the first `count` images of `space` as a block; return what the journal should keep."""
        whole = -(-count // self.sizes.chunk) * self.sizes.chunk
        space[count:whole] = 0
        return self._write_chunks(number, space[:whole])

    def _write_chunks(self, number: int, chunks: numpy.ndarray) -> list[int]:
        position = self.offset + number * self.sizes.block * self.sizes.copies * chunks[0].nbytes
        values = chunks.reshape(-1).view(numpy.uint8).data
        if self._direct is not None:
            try:
                _write_all(self._direct, values, position)
                return []
            except OSError as error:
                # A device of larger blocks than pages.
                if error.errno != errno.EINVAL:
                    raise
        _write_all(self._file, values, position)
        if hasattr(os, 'posix_fadvise'):
            # Makes the system begin to write to the disk now, not when it is asked to wait for that.
            os.posix_fadvise(self._file, position, len(values), os.POSIX_FADV_DONTNEED)
        return []

    def sync(self) -> None:
        """Wait until what has been written is on disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
        if self._direct is not None:
            os.close(self._direct)


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

    def _write_chunks(self, number: int, chunks: numpy.ndarray) -> list[int]:
        places = []
        for start in range(0, len(chunks), self.sizes.chunk):
            values = zlib.compress(_shuffled(chunks[start : start + self.sizes.chunk]), self._level)
            with self._lock:
                position, self._end = self._end, self._end + len(values)
            _write_all(self._file, memoryview(values), position)
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


def _write_all(file: int, values: memoryview, position: int) -> None:
    while values:
        written = os.pwrite(file, values, position)
        values, position = values[written:], position + written
