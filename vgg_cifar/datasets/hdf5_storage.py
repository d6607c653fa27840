"""Where an HDF5 data set's values really lie.

A file from outside can point elsewhere: links and external storage can read any file that its reader may
read. What is opened here lies in the file itself, or, as a virtual data set, in files beside it.
"""

from pathlib import Path

import h5py

from vgg_cifar.errors import InputError, first_line


def local_dataset(file: h5py.File, name: str, path: Path, parts: bool = True) -> h5py.Dataset:
    """Return the data set `name` of the open `file` at `path`; a virtual one only where `parts` are allowed.

    Raises InputError where it is missing, not a data set, or lies where it should not.
    """
    link = file.get(name, getlink=True)
    if link is None:
        there = ', '.join(sorted(file)[:10]) or 'nothing'
        raise InputError(f'{path}: {name}: missing, the file holds {there}; names are case-sensitive')
    if not isinstance(link, h5py.HardLink):
        kind = 'a soft link' if isinstance(link, h5py.SoftLink) else 'an external link'
        raise InputError(f'{path}: {name}: found {kind}, expected a data set; copy the data into the file')
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f'{path}: {name}: found a {type(dataset).__name__.lower()}, expected a data set')
    try:
        dataset.dtype  # noqa: B018
    except TypeError as error:
        raise InputError(f'{path}: {name}: {first_line(error)}; store plain numbers') from error
    if dataset.external:
        raise InputError(
            f'{path}: {name}: its values lie in {dataset.external[0][0]}; copy them into the file'
        )
    if dataset.is_virtual:
        if not parts:
            raise InputError(
                f'{path}: {name}: found parts of parts, expected the data; copy it into the file'
            )
        for part in {(source.file_name, source.dset_name) for source in dataset.virtual_sources()}:
            _check_part(*part, name=name, path=path)
    return dataset


def _check_part(file_name: str, dataset_name: str, name: str, path: Path) -> None:
    # For a part that is not there HDF5 hands out zeros and says nothing.
    source = path if file_name == '.' else path.parent / file_name
    if source.resolve().parent != path.parent.resolve():
        raise InputError(
            f'{path}: {name}: its part {file_name} lies in another folder; move it beside the file'
        )
    if not source.is_file():
        raise InputError(f'{path}: {name}: its part {file_name} is missing; put it beside the file')
    dataset_name = dataset_name.removeprefix('/')
    if '/' in dataset_name:
        raise InputError(f'{source}: {dataset_name}: found a part inside a group, expected it at the top')
    with opened(source) as file:
        local_dataset(file, dataset_name, source, parts=False)


def opened(path: Path) -> h5py.File:
    """Open an HDF5 file for reading. Raises InputError where it is none, or is damaged."""
    if not path.exists():
        raise InputError(f'{path}: no such file; `vgg-cifar data NAME -o {path}` makes one')
    if not path.is_file():
        raise InputError(f'{path}: found a folder, expected an HDF5 file')
    try:
        if not h5py.is_hdf5(path):
            raise InputError(f'{path}: not an HDF5 file; CIFAR10.hdf5.md says how to make one')
        return h5py.File(path, 'r')
    except OSError as error:
        raise InputError(f'{path}: not readable ({first_line(error)}); get or make it again') from error
