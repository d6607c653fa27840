"""Where an output comes from, in its attributes; and what tells one job from another."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py

from augment.layout import Layout
from augment.recipe import Recipe
from vgg_cifar.data_file import DataFile
from vgg_cifar.versions import own_version, version

LIBRARIES = ('numpy', 'scipy', 'h5py')


def identity(
    source: DataFile, rows: slice, recipe: Recipe, sizes: Layout, source_sha256: str | None = None
) -> dict[str, Any]:
    """Return what the output's values depend on: an unfinished output goes on only where all is the same.

    The source is read through for its checksum unless `source_sha256` is known.
    """
    return {
        'source_sha256': source_sha256 or sha256(source.files),
        'rows': [rows.start, rows.stop],
        'recipe': {**asdict(recipe), 'copies': list(recipe.copies)},
        'layout': asdict(sizes),
        'version': own_version(),
    }


def sha256(files: Iterable[Path]) -> str:
    """Return the SHA-256 of files' bytes, of one as `sha256sum` prints it."""
    digest = hashlib.sha256()
    for path in files:
        with path.open('rb', buffering=0) as file:
            buffer = memoryview(bytearray(2**20))
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
    return digest.hexdigest()


def attributes(source: DataFile, identity: dict[str, Any], recipe: Recipe, command: str) -> dict[str, Any]:
    """Return the output's attributes: its copies in order, the source's checksum, versions, the command."""
    versions = [f'{name} {version(name)}' for name in LIBRARIES]
    return {
        'augment_copies': recipe.names,
        'augment_median_window': recipe.median_window,
        'augment_source': source.path.name,
        'augment_source_sha256': identity['source_sha256'],
        'augment_source_rows': len(source.images['train']),
        'augment_rows': identity['rows'],
        'augment_versions': [f'vgg-cifar {own_version()}', *versions, f'HDF5 {h5py.version.hdf5_version}'],
        'augment_command': command,
        'created_by': f'augment of vgg-cifar {own_version()}',
    }
