"""A data set small enough to train on in seconds."""

import h5py
import numpy
import pytest


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Path of an HDF5 file with 240 + 30 images of 3x8x8 in three classes that differ in colour."""
    random = numpy.random.RandomState(0)
    path = tmp_path_factory.mktemp('data') / 'tiny.hdf5'
    with h5py.File(path, 'w') as file:
        for part, count in (('train', 240), ('test', 30)):
            y = numpy.arange(count, dtype='i4') % 3
            x = random.randint(0, 100, (count, 3, 8, 8))
            x[numpy.arange(count), y] += 100
            file[f'X_{part}'] = x.astype('u1')
            file[f'Y_{part}'] = y
    return path


@pytest.fixture
def settings(tiny):
    """Settings of a run of a second or two."""
    from vgg_cifar.training.settings import Settings

    return Settings(data=str(tiny), batch_size=20, epochs=3, train_size=120, model_options={'dropout': 0.2})
