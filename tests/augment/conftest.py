"""A small data file."""

import h5py
import numpy
import pytest


@pytest.fixture(scope='session')
def images():
    """Give 90 images (3, 8, 8): noise, one of them constant."""
    drawn = numpy.random.RandomState(0).randint(0, 256, (90, 3, 8, 8)).astype('uint8')
    drawn[5] = 7
    return drawn


@pytest.fixture
def source(tmp_path, images):
    """Give the path of a data file of them, with a test set, class names, and something else."""
    path = tmp_path / 'IN.hdf5'
    with h5py.File(path, 'w') as file:
        file['X_train'], file['Y_train'] = images, numpy.arange(90, dtype='int32') % 7
        file['X_test'], file['Y_test'] = images[:20, ::-1], numpy.arange(20, dtype='int64')[:, None] % 7
        file['mean'] = images.mean(axis=0)
        file.create_group('notes')['text'] = 'kept'
        file['alias'] = h5py.SoftLink('/mean')
        file.attrs['class_names'] = [f'class {i}' for i in range(7)]
        file.attrs['sha256'] = 'of the source'
        file['Y_train'].attrs['unit'] = 'class number'
    return path


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Cut even a small file into many chunks and blocks."""
    monkeypatch.setattr('augment.layout.CHUNK_BYTES', 16 * 768)
    monkeypatch.setattr('augment.layout.BLOCK_BYTES', 64 * 768)
    monkeypatch.setattr('augment.skeleton.PIECE_BYTES', 4096)
