"""The data files: HDF5 in, checked; HDF5 out, whole or not at all. The format is CIFAR10.hdf5.md's."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy

from vgg_cifar.atomic import replacing
from vgg_cifar.datasets.hdf5_storage import local_dataset, opened
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk, read_rows
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.free_space import require_memory
from vgg_cifar.versions import own_version

FORMAT_VERSION = 1

# A label far out of range is a damaged file, not a network with a million outputs.
MOST_CLASSES = 65_536

# Training images that take more are left in the file. A fixed number, and not the memory that happens to be
# free: how images are shuffled depends on it, and a run must not depend on the machine.
LARGEST_IN_MEMORY = 2**31

# Read, checked and stored in pieces of about this size.
CHUNK_BYTES = 2**20


def read(path: str | os.PathLike) -> ImageData:
    """Read a data file, uint8 images as uint8, floats as float32, labels as int32 of shape (N,).

    Training images of more than LARGEST_IN_MEMORY stay in the file as ImagesOnDisk.

    Raises InputError, naming file and data set, for everything that CIFAR10.hdf5.md lists under "Checks".
    """
    path = Path(path)
    with opened(path) as file:
        parts = ['train', 'test']
        if {'X_validation', 'Y_validation'} & set(file):
            parts.append('validation')
        images = {part: _images(file, f'X_{part}', path) for part in parts}
        labels = {part: _labels(file, f'Y_{part}', path, len(images[part])) for part in parts}
        for part in parts[1:]:
            if images[part].shape[1:] != images['train'].shape[1:]:
                raise InputError(
                    f"{path}: X_{part}: found images of shape {images[part].shape[1:]}, expected X_train's "
                    f'{images["train"].shape[1:]}; give both parts the same shape'
                )
        sizes = {part: _bytes_in_memory(dataset) for part, dataset in images.items()}
        on_disk = sizes['train'] > LARGEST_IN_MEMORY
        require_memory(str(path), sum(sizes.values()) - on_disk * sizes['train'])

        y = {part: _read_labels(labels[part], path) for part in parts}
        class_names = _class_names(file, path, y)
        _check_label_range(path, y, len(class_names))
        x = {part: _read_images(images[part], path) for part in parts if not (on_disk and part == 'train')}
        return ImageData(
            name=_text(file, 'name') or path.stem,
            synthetic=_truth(file, 'synthetic', path),
            class_names=class_names,
            source=str(path),
            x_train=ImagesOnDisk(path, 'X_train') if on_disk else x['train'],
            y_train=y['train'],
            x_test=x['test'],
            y_test=y['test'],
            x_validation=x.get('validation'),
            y_validation=y.get('validation'),
            copies=max(1, numpy.size(_attribute(file, 'augment_copies'))),
        )


def write(path: str | os.PathLike, data: ImageData, overwrite: bool = False) -> None:
    """Write a data file with `data`'s provenance in its attributes; it appears whole or not at all.

    The values lie in chunks of whole images with checksums, so that a damaged file is noticed.
    Raises InputError where the file exists and `overwrite` is not set.
    """
    path = Path(path)
    require_writable(path, overwrite)
    with replacing(path) as partial, h5py.File(partial, 'w') as file:
        for part in ('train', 'test', 'validation'):
            for kind in 'xy':
                array = getattr(data, f'{kind}_{part}')
                if array is not None:
                    rows = max(1, min(len(array), CHUNK_BYTES // max(1, array[:1].nbytes)))
                    file.create_dataset(
                        f'{kind.upper()}_{part}',
                        data=array,
                        chunks=(rows, *array.shape[1:]),
                        fletcher32=True,
                    )
        file.attrs.update(
            {
                **data.provenance,
                'name': data.name,
                'synthetic': data.synthetic,
                'class_names': list(data.class_names),
                'n_classes': data.n_classes,
                'source': data.source,
                'sha256': data.fingerprint,
                'created_by': f'vgg-cifar {own_version()}',
                'format_version': FORMAT_VERSION,
            }
        )


def require_writable(path: Path, overwrite: bool) -> None:
    """Raise InputError where `path` exists and must not be overwritten, or cannot be a file."""
    if path.is_dir():
        raise InputError(f'{path}: found a folder, expected a file name; add one')
    if path.exists() and not overwrite:
        raise InputError(f'{path}: exists already; give --overwrite to replace it, or another name with -o')


def _images(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    dataset = local_dataset(file, name, path)
    found = f'{path}: {name}: found {_described(dataset)}, expected'
    if not (dataset.dtype == numpy.uint8 or (dataset.dtype.kind == 'f' and dataset.dtype.itemsize <= 8)):
        raise InputError(f'{found} uint8 or float16, float32, float64; convert it with .astype()')
    shape: tuple[int, ...] = dataset.shape or ()
    hint = {2: '.reshape(len(X), C, H, W)', 3: 'X[:, None] for images of one channel'}
    if len(shape) != 4:
        raise InputError(
            f'{found} (N, C, H, W); reshape it{": " + hint[len(shape)] if len(shape) in hint else ""}'
        )
    if 0 in shape:
        raise InputError(f'{found} at least one image and pixel; it is empty')
    if shape[3] in (1, 3, 4) and shape[1] == shape[2] and shape[1] > 4:
        raise InputError(f'{found} (N, C, H, W), channels first; store X.transpose(0, 3, 1, 2)')
    return dataset


def _labels(file: h5py.File, name: str, path: Path, n_images: int) -> h5py.Dataset:
    dataset = local_dataset(file, name, path)
    found = f'{path}: {name}: found {_described(dataset)}, expected'
    if dataset.dtype.kind not in 'iu':
        kinds = {'f': 'float labels', 'b': 'truth values', 'O': 'strings or objects', 'S': 'strings'}
        kind = kinds.get(dataset.dtype.kind, 'something else')
        raise InputError(f"{found} integers, not {kind}; store class numbers, Y.astype('int32')")
    shape: tuple[int, ...] = dataset.shape or ()
    if len(shape) == 2 and shape[1] > 1 and shape[0] == n_images:
        raise InputError(f'{found} (N,) or (N, 1); for one-hot labels store Y.argmax(axis=1)')
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise InputError(f'{found} (N,) or (N, 1); store one class number for each image')
    if len(dataset) != n_images:
        raise InputError(f'{found} {n_images} labels, one for each image of {name.replace("Y", "X", 1)}')
    return dataset


def _described(dataset: h5py.Dataset) -> str:
    kind = 'strings' if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)
    shape = 'no shape' if dataset.shape is None else f'shape {dataset.shape}'
    return f'{kind} of {shape}'


def _bytes_in_memory(dataset: h5py.Dataset) -> int:
    values = 1
    for length in dataset.shape:
        values *= length
    return values * (1 if dataset.dtype == numpy.uint8 else 4)


def _read_labels(dataset: h5py.Dataset, path: Path) -> numpy.ndarray:
    require_memory(f'{path}: {dataset.name[1:]}', len(dataset) * dataset.dtype.itemsize)
    labels = _values(dataset, slice(None), path).reshape(-1)
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= MOST_CLASSES:
        raise InputError(
            f'{path}: {dataset.name[1:]}: found labels from {least} to {most}, expected 0 to the number of '
            f'classes - 1; number the classes from 0'
        )
    return labels.astype(numpy.int32)


def _read_images(dataset: h5py.Dataset, path: Path) -> numpy.ndarray:
    dtype = numpy.uint8 if dataset.dtype == numpy.uint8 else numpy.float32
    images = numpy.empty(dataset.shape, dtype)
    for rows in _row_slices(images, dataset.chunks):
        read_rows(dataset, rows.start, images[rows], path)
    return images


def _row_slices(images: numpy.ndarray, chunks: tuple[int, ...] | None) -> Iterator[slice]:
    rows = max(1, CHUNK_BYTES * 8 // images[:1].nbytes)
    if chunks is not None:
        # Whole chunks: a compressed one would be decompressed again for each piece of it.
        rows = -(-rows // chunks[0]) * chunks[0]
    for start in range(0, len(images), rows):
        yield slice(start, start + rows)


def _values(dataset: h5py.Dataset, rows: slice, path: Path) -> numpy.ndarray:
    try:
        return dataset[rows]
    except (OSError, RuntimeError) as error:
        raise InputError(
            f'{path}: {dataset.name[1:]}: not readable ({first_line(error)}); get or make the file again'
        ) from error


def _class_names(file: h5py.File, path: Path, y: dict[str, numpy.ndarray]) -> tuple[str, ...]:
    names = _attribute(file, 'class_names')
    count = _attribute(file, 'n_classes')
    if count is not None:
        value = numpy.asarray(count)
        if (
            value.shape not in ((), (1,))
            or value.dtype.kind not in 'iu'
            or not 0 < value.item() <= MOST_CLASSES
        ):
            raise InputError(f'{path}: n_classes: found {_brief(count)}, expected a whole number above 0')
        count = value.item()
    if names is not None:
        texts = [_decoded(name) for name in numpy.asarray(names).reshape(-1).tolist()]
        if not texts or None in texts:
            raise InputError(f'{path}: class_names: found {_brief(names)}, expected a list of short names')
        if count is not None and count != len(texts):
            raise InputError(
                f'{path}: n_classes: found {count}, expected {len(texts)}, one for each of class_names'
            )
        return tuple(text for text in texts if text is not None)
    if count is None:
        count = 1 + max(int(labels.max()) for labels in y.values())
    return tuple(str(label) for label in range(count))


def _check_label_range(path: Path, y: dict[str, numpy.ndarray], n_classes: int) -> None:
    least = min(int(labels.min()) for labels in y.values())
    for part, labels in y.items():
        most = int(labels.max())
        if most >= n_classes:
            one_based = least == 1 and most == n_classes
            advice = (
                'they count from 1, store Y - 1'
                if one_based
                else 'correct them, or n_classes and class_names'
            )
            raise InputError(
                f'{path}: Y_{part}: found labels from {int(labels.min())} to {most}, '
                f'expected 0 to {n_classes - 1}; {advice}'
            )


def _attribute(file: h5py.File, name: str) -> Any:
    try:
        return file.attrs.get(name)
    except (OSError, RuntimeError, TypeError, ValueError):
        # An attribute of a type that h5py has no word for.
        return h5py.Empty('i1')


def _text(file: h5py.File, name: str) -> str | None:
    return _decoded(_attribute(file, name))


def _truth(file: h5py.File, name: str, path: Path) -> bool:
    found = _attribute(file, name)
    if found is None:
        return False
    value = numpy.asarray(found)
    if value.shape not in ((), (1,)) or value.dtype.kind not in 'biu' or value.item() not in (0, 1):
        raise InputError(f'{path}: {name}: found {_brief(found)}, expected true or false')
    return bool(value.item())


def _decoded(value: Any) -> str | None:
    """Return a short printable text, or None: names are shown in messages, tables and pages."""
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'replace')
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 200:
        return None
    return str(value)


def _brief(value: Any) -> str:
    return repr(value)[:60].replace('\n', ' ')
