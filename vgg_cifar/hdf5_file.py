"""HDF5 files from outside: opened, and their data sets read, without believing what they say.

A file can point elsewhere: links, external storage and virtual data sets can name any file that its reader
may read. It can declare any shape, and HDF5 hands out zeros for what was never written. A compressed chunk
can unpack to a thousand times what it should. What `Rows` reads lies in the file itself or, of a virtual data
set, in plain data sets of files beside it; all of it was written, and unpacks to what was declared.
"""

import contextlib
import errno
import importlib
import itertools
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy

from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.file_kind import kind
from vgg_cifar.foreign_text import shown

# Unpacked chunks that are kept for each data set, so that one which two reads share is unpacked once.
CACHE_BYTES = 32 * 2**20

# A compressed chunk is unpacked whole, whatever is read of it.
LARGEST_CHUNK = 256 * 2**20

# LZF unpacks to 88 times its size at most, and HDF5 tries again and again until the result fits.
LARGEST_LZF_CHUNK = LARGEST_CHUNK // 16

LZF = 32000


def opened(path: Path) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises InputError where it is missing, none, damaged, locked or not closed.
    """
    with _file_errors(shown(str(path), 200)):
        if not path.exists():
            raise InputError(f'{path}: no such file; `vgg-cifar data NAME -o {path}` makes one')
        if not path.is_file():
            raise InputError(f'{path}: found {kind(path)}, expected an HDF5 file')
        # A file that others may not read, or that is locked, is HDF5 all the same.
        with path.open('rb'):
            pass
        if not h5py.is_hdf5(path):
            raise InputError(f'{path}: not an HDF5 file; CIFAR10.hdf5.md says how to make one')
        return h5py.File(path, 'r')


class Rows:
    """The rows of a data set, in its file or, of a virtual data set, in parts beside it.

    The parts are kept open, so that what is read is what was checked. `close` closes them; the file is the
    caller's.

    Attributes:
        what: the file and the data set, for messages.
        name: of the data set.
        shape: as declared; () where the data set has none.
        dtype: of the values.
        described: type and shape, for messages.
        chunk: how many rows are stored in one piece, 1 where they are not cut.
        attrs: the data set's attributes.

    Raises:
        InputError: the data set is missing or no data set, its values lie where they should not, or were not
            all written, or are compressed so that they cannot be read safely.

    """

    def __init__(self, file: h5py.File, name: str) -> None:
        path = Path(file.filename)
        self.name = name
        self.what = f'{path}: {shown(name)}'
        self._file = file
        self._parts: dict[Path, h5py.File] = {}
        dataset = _dataset(file, name, self.what)
        self.shape: tuple[int, ...] = dataset.shape or ()
        self.dtype: numpy.dtype = dataset.dtype
        self.attrs = dataset.attrs
        self.described = _described(dataset)
        try:
            virtual = dataset.is_virtual and self.shape
            self._pieces = self._sources(dataset, path) if virtual else [_Piece(dataset, self.what)]
        except BaseException:
            self.close()
            raise
        self.chunk = max((piece.chunk for piece in self._pieces), default=1)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the parts, but for the data set's own."""
        return tuple(sorted(self._parts))

    @property
    def stored_bytes(self) -> int:
        """How much of these files the values take, at most."""
        return sum(piece.stored_bytes for piece in self._pieces)

    def pieces(self, rows: int) -> Iterator[tuple[int, int]]:
        """Yield the ends (start, stop) of pieces of `rows` rows or a few more, which make up the whole.

        Pieces are of whole chunks: a compressed one would be unpacked again for each piece of it.
        """
        step = -(-max(1, rows) // self.chunk) * self.chunk
        for start in range(0, len(self), step):
            yield start, min(len(self), start + step)

    def read(self, start: int, stop: int) -> numpy.ndarray:
        """Return the rows from `start` to before `stop`, which must be there.

        Raises InputError where they cannot be read, or unpack to more than they should.
        """
        found = [
            piece.read(max(start, piece.start), min(stop, piece.stop))
            for piece in self._pieces
            if piece.start < stop and start < piece.stop
        ]
        if len(found) == 1:
            return found[0]
        return numpy.concatenate([numpy.empty((0, *self.shape[1:]), self.dtype), *found])

    def close(self) -> None:
        """Close the parts."""
        for part in self._parts.values():
            part.close()

    def _sources(self, dataset: h5py.Dataset, path: Path) -> list['_Piece']:
        try:
            sources = dataset.virtual_sources()
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f'{self.what}: its parts have no readable names ({first_line(error)})'
            ) from error
        pieces = [self._piece(source, self._part(source.file_name, path)) for source in sources]
        pieces.sort(key=lambda piece: piece.start)
        row = 0
        for start, stop in (*((piece.start, piece.stop) for piece in pieces), (len(self), len(self))):
            if start > row:
                raise InputError(
                    f'{self.what}: rows {row} to {start - 1} have no source; give the virtual data set a '
                    'part for every row'
                )
            if start < row:
                raise InputError(f'{self.what}: row {start} has two sources; give every row one')
            row = stop
        return pieces

    def _part(self, name: str, path: Path) -> h5py.File:
        """Return the open file that a virtual data set names."""
        if name == '.':
            return self._file
        # HDF5 writes a percent sign twice.
        name = name.replace('%%', '%')
        what = f'{self.what}: its part {shown(name)}'
        with _file_errors(what):
            part = (path.parent / name).resolve()
            if part.parent != path.resolve().parent:
                raise InputError(f'{what} lies in another folder; move it beside the file')
            if not part.exists():
                # HDF5 would hand out zeros for it, and say nothing.
                raise InputError(f'{what} is missing; put it beside the file')
            if not part.is_file():
                raise InputError(f'{what}: found {kind(part)}, expected an HDF5 file')
            if part not in self._parts:
                self._parts[part] = opened(part)
                # By now a link may lie there, which leads elsewhere.
                handle = self._parts[part].id.get_vfd_handle()
                if not os.path.samestat(os.fstat(handle), part.lstat()):
                    raise InputError(f'{what} was replaced while it was opened; run the command again')
        return self._parts[part]

    def _piece(self, source: Any, part: h5py.File) -> '_Piece':
        """Return what an entry of a virtual data set stands for, once it is known to be whole plain rows."""
        name = source.dset_name.removeprefix('/')
        what = f'{self.what}: its part {shown(Path(part.filename).name)}: {shown(name)}'
        if '/' in name:
            raise InputError(f'{what}: found a part inside a group, expected it at the top')
        dataset = _dataset(part, name, what)
        if dataset.is_virtual:
            raise InputError(f'{what}: found parts of parts, expected the data; copy it into the file')
        shape = dataset.shape or ()
        if not shape or shape[1:] != self.shape[1:] or not _same_type(dataset.dtype, self.dtype):
            raise InputError(f'{what}: found {_described(dataset)}, expected part of {self.described}')
        rows = _whole_rows(source.vspace, self.shape)
        if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
            # Of a part that has grown since, HDF5 takes as many rows as there were.
            of_part = rows and (0, rows[1] - rows[0])
        else:
            of_part = _whole_rows(source.src_space, shape)
        if rows is None or of_part is None or rows[1] - rows[0] != of_part[1] - of_part[0]:
            raise InputError(f'{what}: does not stand for whole rows in their order; copy the data instead')
        if of_part[1] > shape[0]:
            raise InputError(
                f'{what}: found {counted(shape[0], "row")}, expected {of_part[1]}; make the part again'
            )
        return _Piece(dataset, what, rows[0], rows[1], of_part[0])


class _Piece:
    """Rows `start` to before `stop` of a whole, which lie in a plain data set from its row `offset` on."""

    def __init__(
        self, dataset: h5py.Dataset, what: str, start: int = 0, stop: int | None = None, offset: int = 0
    ) -> None:
        self.start, self.stop, self.offset = start, stop or (dataset.shape or (0,))[0], offset
        self.chunk = dataset.chunks[0] if dataset.chunks else 1
        self._what = what
        self._filters = _filters(dataset, what)
        self._chunk_bytes = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        self._unpacks_well: set[int] = set()
        if self._filters:
            _check_chunk_size(self._chunk_bytes, self._filters, what)
        _check_written(dataset, what)
        self.stored_bytes: int = dataset.id.get_storage_size()
        self._dataset = _with_cache(dataset, max(CACHE_BYTES, self._chunk_bytes if self._filters else 0))

    def read(self, start: int, stop: int) -> numpy.ndarray:
        start, stop = start - self.start + self.offset, stop - self.start + self.offset
        try:
            if h5py.h5z.FILTER_DEFLATE in self._filters:
                for row in range(start // self.chunk, -(-stop // self.chunk)):
                    if row not in self._unpacks_well:
                        self._check_unpacked(row)
                        self._unpacks_well.add(row)
            return self._dataset[start:stop]
        except (OSError, RuntimeError) as error:
            raise InputError(
                f'{self._what}: rows {start} to {stop - 1}: not readable ({first_line(error)}); '
                'get or make the file again'
            ) from error

    def _check_unpacked(self, row: int) -> None:
        """Raise InputError where a chunk unpacks to more than its size: HDF5 would unpack all of it first."""
        deflate = 1 << self._filters.index(h5py.h5z.FILTER_DEFLATE)
        other_axes = zip(self._dataset.shape[1:], self._dataset.chunks[1:], strict=True)
        # Room for a checksum.
        most = self._chunk_bytes + 4
        for place in itertools.product(*(range(0, length, chunk) for length, chunk in other_axes)):
            offset = (row * self.chunk, *place)
            info = self._dataset.id.get_chunk_info_by_coord(offset)
            larger = info.size > most + most // 100 + 64
            if not larger and not info.filter_mask & deflate:
                _, packed = self._dataset.id.read_direct_chunk(offset)
                with contextlib.suppress(zlib.error):
                    larger = len(zlib.decompressobj().decompress(packed, most + 1)) > most
            if larger:
                raise InputError(
                    f'{self._what}: the chunk at row {offset[0]} unpacks to more than the '
                    f'{self._chunk_bytes} bytes that it should; get or make the file again'
                )


def _dataset(file: h5py.File, name: str, what: str) -> h5py.Dataset:
    """Return a data set whose values lie in the file or are virtual; nothing that leads elsewhere."""
    try:
        link = file.get(name, getlink=True)
    # Such as '.', which is no name.
    except (RuntimeError, ValueError):
        link = None
    if link is None:
        there = ', '.join(shown(found) for found in sorted(file)[:10]) or 'nothing'
        raise InputError(f'{what}: missing, the file holds {there}; names are case-sensitive')
    if not isinstance(link, h5py.HardLink):
        kind = 'a soft link' if isinstance(link, h5py.SoftLink) else 'an external link'
        raise InputError(f'{what}: found {kind}, expected a data set; copy the data into the file')
    try:
        dataset = file[name]
    except (KeyError, OSError, RuntimeError) as error:
        raise InputError(f'{what}: not readable ({first_line(error)}); get or make the file again') from error
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f'{what}: found a {type(dataset).__name__.lower()}, expected a data set')
    try:
        dataset.dtype  # noqa: B018
    except TypeError as error:
        raise InputError(f'{what}: {first_line(error)}; store plain numbers') from error
    if dataset.external:
        raise InputError(
            f'{what}: its values lie in {shown(dataset.external[0][0])}; copy them into the HDF5 file'
        )
    return dataset


def _whole_rows(space: h5py.h5s.SpaceID, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the first row and the one after the last that `space` selects; None for anything but these."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return 0, shape[0]
    try:
        (start, *others), (last, *ends) = space.get_select_bounds()
        count = space.get_select_npoints()
    # Such as one that grows with its source.
    except (RuntimeError, ValueError):
        return None
    whole = not any(others) and tuple(end + 1 for end in ends) == shape[1:]
    return (start, last + 1) if whole and count == (last + 1 - start) * math.prod(shape[1:]) else None


def _filters(dataset: h5py.Dataset, what: str) -> list[int]:
    """Return what a data set's chunks went through, in this order."""
    properties = dataset.id.get_create_plist()
    found = [properties.get_filter(number) for number in range(properties.get_nfilters())]
    numbers = [number for number, *_ in found]
    for number, _, _, name in found:
        if not h5py.h5z.filter_avail(number):
            # It brings the common ones; to import it is enough.
            with contextlib.suppress(ImportError):
                importlib.import_module('hdf5plugin')
        if not h5py.h5z.filter_avail(number):
            text = shown(name.split(b'\0')[0]) or 'without a name'
            raise InputError(
                f'{what}: its values went through the filter {text} ({number}), which HDF5 lacks here; '
                '`pip install hdf5plugin` brings the common ones, or `h5repack -f NONE` where the filter is'
            )
    deflate, checksum = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32
    if deflate in numbers and numbers[numbers.index(deflate) + 1 :] not in ([], [checksum]):
        raise InputError(f'{what}: found gzip below other filters; `h5repack -f GZIP=4` puts that right')
    return numbers


def _check_chunk_size(size: int, filters: list[int], what: str) -> None:
    most = LARGEST_LZF_CHUNK if LZF in filters else LARGEST_CHUNK
    if size > most:
        raise InputError(
            f'{what}: found compressed chunks of {size / 2**20:.0f} MiB, expected {most / 2**20:.0f} MiB at '
            'most, for one is unpacked whole; `h5repack -l CHUNK=...` makes smaller ones'
        )


def _check_written(dataset: h5py.Dataset, what: str) -> None:
    """Raise InputError where values were never written: HDF5 would hand out zeros and say nothing."""
    if not dataset.size:
        return
    if dataset.chunks is None:
        if dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
            raise InputError(f'{what}: its values were never written; write them, or get the file again')
        return
    counts = [-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    there = dataset.id.get_num_chunks()
    if there == math.prod(counts):
        return
    # One of the first, of which there is one more than there are chunks, is missing.
    for number in range(there + 1):
        offset: tuple[int, ...] = ()
        for count, chunk in zip(counts[::-1], dataset.chunks[::-1], strict=True):
            number, place = divmod(number, count)
            offset = (place * chunk, *offset)
        if dataset.id.get_chunk_info_by_coord(offset).byte_offset is None:
            raise InputError(
                f'{what}: found {there} of {counted(math.prod(counts), "chunk")}, the first that was '
                f'never written is at row {offset[0]}; write all rows, or get the file again'
            )


def _with_cache(dataset: h5py.Dataset, size: int) -> h5py.Dataset:
    properties = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    properties.set_chunk_cache(10_007, size, 1.0)
    return h5py.Dataset(h5py.h5d.open(dataset.file.id, dataset.name.encode(), properties))


def _same_type(one: numpy.dtype, other: numpy.dtype) -> bool:
    """Return whether two types differ by the order of their bytes at most."""
    return one.newbyteorder('=') == other.newbyteorder('=')


def _described(dataset: h5py.Dataset) -> str:
    kind = 'strings' if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)
    shape = 'no shape' if dataset.shape is None else f'shape {dataset.shape}'
    return f'{kind} of {shape}'


@contextlib.contextmanager
def _file_errors(what: str) -> Iterator[None]:
    """Turn what the system and HDF5 say of a file into one line with what to do."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f'{what}: {_reason(error)}') from error


def _reason(error: Exception) -> str:
    text = first_line(error)
    number = error.errno if isinstance(error, OSError) else None
    if 'unable to lock file' in text:
        if number in (errno.EAGAIN, errno.EACCES):
            return (
                'locked by a program that writes to it; wait for that or end it, or, if there is none, set '
                'HDF5_USE_FILE_LOCKING=FALSE'
            )
        return f'cannot be locked on its file system ({text}); set HDF5_USE_FILE_LOCKING=FALSE'
    if 'already open for write' in text:
        return (
            'was not closed by what wrote it, and may lack its end; make it again, or, if you know that it '
            'is whole, `h5clear -s` marks it as closed'
        )
    if number in (errno.EACCES, errno.EPERM):
        return 'may not be read; ask its owner, or copy it'
    if number == errno.ENAMETOOLONG or 'null' in text:
        return 'no name that a file can have; correct it'
    return f'not readable ({shown(text, 200)}); get or make it again'
