import h5py
import numpy
import pytest

from vgg_cifar import datasets
from vgg_cifar.errors import InputError


def test_shapes10_is_drawn_in_the_sizes_asked_for():
    data = datasets.load('shapes10', train_size=30, test_size=10)
    assert (len(data.x_train), len(data.x_test)) == (30, 10)
    assert data.synthetic


def test_a_file_is_read_whole_whatever_sizes_are_given(tmp_path):
    path = tmp_path / 'a.hdf5'
    with h5py.File(path, 'w') as file:
        for part in ('train', 'test'):
            file[f'X_{part}'], file[f'Y_{part}'] = numpy.zeros((5, 1, 2, 2), 'u1'), numpy.arange(5)
    assert len(datasets.load(path, train_size=3).x_train) == 5
    assert datasets.load(str(path)).source == str(path)


def test_the_name_of_a_set_that_is_no_file_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r'vgg-cifar data cifar10 -o CIFAR10\.hdf5'):
        datasets.load('cifar10')
    with pytest.raises(InputError, match=r'shapes11: no such file'):
        datasets.load('shapes11')
