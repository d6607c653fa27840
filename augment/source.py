"""The file to augment: opened for reading only, and checked before anything is written."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy

from vgg_cifar.errors import InputError, first_line

IMAGES = ('X_train', 'X_test', 'X_validation')
REQUIRED = ('X_train', 'Y_train', 'X_test', 'Y_test')

# Decoded chunks that are kept, so that one which two reads share is decoded once.
CHUNK_CACHE_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Source:
    """An open data file: X_train (N, C, H, W), Y_train (N,) or (N, 1), X_test, Y_test, and whatever else.

    `parts` are further files that hold values of its virtual data sets.
    """

    path: Path
    file: h5py.File
    parts: tuple[Path, ...]

    @property
    def images(self) -> h5py.Dataset:
        """The training images."""
        return self.file['X_train']

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read."""
        return (self.path, *self.parts)

    def sha256(self) -> str:
        """Return the SHA-256 of the file's bytes, as `sha256sum` prints it; of a virtual one's parts too."""
        digest = hashlib.sha256()
        for path in self.files:
            with path.open('rb', buffering=0) as file:
                buffer = memoryview(bytearray(2**20))
                while count := file.readinto(buffer):
                    digest.update(buffer[:count])
        return digest.hexdigest()


def open_source(path: Path) -> Source:
    """Open and check a data file.

    Raises InputError, naming file and data set, where it is no such file: missing or misshapen data sets,
    labels that do not match, values that lie outside of the file (but for virtual data sets beside it).
    """
    file = opened(path)
    try:
        parts: set[Path] = set()
        for name in file:
            if name in REQUIRED or name in IMAGES:
                parts |= _local_parts(file, name, path)
        for name in REQUIRED:
            if name not in file:
                there = ', '.join(sorted(file)[:10]) or 'nothing'
                raise InputError(f'{path}: {name}: missing, the file holds {there}; names are case-sensitive')
        for name in IMAGES:
            if name in file:
                _check_images(file[name], path)
        for part in ('train', 'test'):
            _check_labels(file[f'Y_{part}'], len(file[f'X_{part}']), path)
    except BaseException:
        file.close()
        raise
    return Source(path, file, tuple(sorted(parts)))


def read_images(dataset: h5py.Dataset, rows: slice, path: Path) -> numpy.ndarray:
    """Return rows of images, uint8 as uint8, floats as float32.

    Raises InputError where they cannot be read, or are not finite (as float32): the first such row is named.
    """
    name = dataset.name[1:]
    try:
        images = dataset[rows]
    except (OSError, RuntimeError) as error:
        raise InputError(
            f'{path}: {name}: rows {rows.start} to {rows.stop - 1} are not readable ({first_line(error)}); '
            'get or make the file again'
        ) from error
    if images.dtype == numpy.uint8:
        return images
    # A float64 beyond float32 becomes inf here, which is what is reported below.
    with numpy.errstate(over='ignore'):
        images = images.astype(numpy.float32, copy=False)
    finite = numpy.isfinite(images).reshape(len(images), -1).all(axis=1)
    if not finite.all():
        row = rows.start + int(numpy.argmin(finite))
        raise InputError(
            f'{path}: {name}: found NaN or infinity (as float32) in row {row}, expected finite numbers; '
            'repair or drop that image'
        )
    return images


def opened(path: Path) -> h5py.File:
    """Open an HDF5 file for reading. Raises InputError where it is none, or is damaged."""
    if not path.exists():
        raise InputError(f'{path}: no such file; give the HDF5 file to augment')
    if not path.is_file():
        raise InputError(f'{path}: found a folder, expected an HDF5 file')
    try:
        if not h5py.is_hdf5(path):
            raise InputError(f'{path}: not an HDF5 file; CIFAR10.hdf5.md says how to make one')
        return h5py.File(path, 'r', rdcc_nbytes=CHUNK_CACHE_BYTES)
    except OSError as error:
        raise InputError(f'{path}: not readable ({first_line(error)}); get or make it again') from error


def _local_parts(file: h5py.File, name: str, path: Path) -> set[Path]:
    """Check that a data set lies in the file, or in whole files beside it, and return those files."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InputError(f'{path}: {name}: found a link, expected a data set; copy the data into the file')
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f'{path}: {name}: found a {type(dataset).__name__.lower()}, expected a data set')
    if dataset.external:
        raise InputError(
            f'{path}: {name}: its values lie in {dataset.external[0][0]}; copy them into the file'
        )
    parts = set()
    if dataset.is_virtual:
        for source in dataset.virtual_sources():
            part = path if source.file_name == '.' else path.parent / source.file_name
            if part.resolve().parent != path.resolve().parent:
                raise InputError(f'{path}: {name}: its part {part} lies in another folder; move it beside it')
            # For a part that is not there HDF5 hands out zeros and says nothing.
            if not part.is_file() or not h5py.is_hdf5(part):
                raise InputError(f'{path}: {name}: its part {part} is missing; put it beside the file')
            parts.add(part)
    return parts - {path}


def _check_images(dataset: h5py.Dataset, path: Path) -> None:
    found = f'{path}: {dataset.name[1:]}: found {dataset.dtype} of shape {dataset.shape}, expected'
    if not (dataset.dtype == numpy.uint8 or (dataset.dtype.kind == 'f' and dataset.dtype.itemsize <= 8)):
        raise InputError(f'{found} uint8 or float16, float32, float64; convert it with .astype()')
    if dataset.shape is None or len(dataset.shape) != 4:
        raise InputError(f'{found} (N, C, H, W); reshape it')
    if 0 in dataset.shape:
        raise InputError(f'{found} at least one image and pixel; it is empty')
    if dataset.shape[3] in (1, 3, 4) and dataset.shape[1] == dataset.shape[2] > 4:
        raise InputError(f'{found} (N, C, H, W), channels first; store X.transpose(0, 3, 1, 2)')


def _check_labels(dataset: h5py.Dataset, n_images: int, path: Path) -> None:
    found = f'{path}: {dataset.name[1:]}: found {dataset.dtype} of shape {dataset.shape}, expected'
    if dataset.dtype.kind not in 'iu':
        raise InputError(f"{found} integers; store class numbers, Y.astype('int32')")
    shape = dataset.shape or ()
    if shape not in ((n_images,), (n_images, 1)):
        raise InputError(f'{found} ({n_images},), one class number for each image of X; correct them')
