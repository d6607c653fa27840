"""Images that stay in their file, against the same images in memory."""

import pickle

import h5py
import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vgg_cifar import datasets
from vgg_cifar.datasets import images_on_disk
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.errors import InputError

N = 203


@pytest.fixture(scope='module')
def images():
    return numpy.random.RandomState(0).randint(0, 256, (N, 3, 4, 4)).astype('float32')


@pytest.fixture(scope='module')
def path(images, tmp_path_factory):
    path = tmp_path_factory.mktemp('disk') / 'DATA.hdf5'
    with h5py.File(path, 'w') as file:
        file.create_dataset('X_train', data=images, chunks=(8, 3, 4, 4))
        file['Y_train'] = numpy.arange(N) % 5
        file['X_test'], file['Y_test'] = images[:10], numpy.arange(10) % 5
    return path


@pytest.fixture(autouse=True)
def small_buffer(monkeypatch):
    # A unit is a chunk of 8 images, the buffer holds 6 of the 26 units.
    monkeypatch.setattr(images_on_disk, 'UNIT_BYTES', 8 * 192)
    monkeypatch.setattr(images_on_disk, 'BUFFER_BYTES', 6 * 8 * 192)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, N - 1), max_size=300), max_size=4))
def test_gathered_rows_are_those_of_the_array(path, images, gathers):
    on_disk = ImagesOnDisk(path, 'X_train')
    for rows in gathers:
        numpy.testing.assert_array_equal(on_disk[numpy.array(rows, int)], images[rows])
    numpy.testing.assert_array_equal(on_disk[5:150], images[5:150])
    assert (len(on_disk), on_disk.shape, on_disk.dtype) == (N, images.shape, images.dtype)


@pytest.mark.parametrize('seed', range(12))
def test_an_epoch_in_local_order_reads_every_unit_once(path, seed):
    on_disk = ImagesOnDisk(path, 'X_train')
    order = on_disk.local_order(numpy.random.RandomState(seed))
    numpy.testing.assert_array_equal(numpy.sort(order), numpy.arange(N))
    numpy.testing.assert_array_equal(order, on_disk.local_order(numpy.random.RandomState(seed)))
    read = []
    read_unit = on_disk._read_unit
    on_disk._read_unit = lambda unit: read.append(unit) or read_unit(unit)
    for start in range(0, N, 8):
        on_disk[order[start : start + 8]]
    assert len(read) <= 26 + 4, 'a few whose last rows come late are read again'


SLICES = st.slices(N)
NUMBERS = st.lists(st.integers(-N, N - 1), max_size=20).map(lambda rows: numpy.array(rows, int))


@settings(max_examples=60)
@given(st.one_of(SLICES, NUMBERS, NUMBERS.map(lambda rows: numpy.isin(numpy.arange(N), rows))))
@example(slice(0, 10, 2))
@example(slice(None, None, -3))
@example(-1)
@example(numpy.int64(7))
@example([[3, -3], [0, 1]])
@example([])
def test_they_are_indexed_like_an_array(path, images, rows):
    expected = images[numpy.array(rows, int) if isinstance(rows, list) else rows]
    found = ImagesOnDisk(path, 'X_train')[rows]
    numpy.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape


@pytest.mark.parametrize('rows', [N, [-N - 1], [0.5], numpy.ones(N - 1, bool), 'x', None])
def test_rows_that_are_not_there_are_an_index_error(path, rows):
    with pytest.raises(IndexError, match='no such row numbers'):
        ImagesOnDisk(path, 'X_train')[rows]


def test_rows_of_one_unit_are_spread_over_half_a_buffer(path):
    on_disk = ImagesOnDisk(path, 'X_train')
    order = on_disk.local_order(numpy.random.RandomState(0))
    place = numpy.empty(N, int)
    place[order] = numpy.arange(N)
    for start in range(0, N - 8, 8):
        assert place[start : start + 8].max() - place[start : start + 8].min() <= (3 + 2) * 8
    neighbours = numpy.abs(numpy.diff(order)) == 1
    assert neighbours.mean() < 0.2


def test_a_large_file_is_left_on_disk_and_has_the_same_fingerprint(path, images, monkeypatch):
    in_memory = datasets.load(path)
    monkeypatch.setattr('vgg_cifar.datasets.hdf5.LARGEST_IN_MEMORY', images.nbytes - 1)
    on_disk = datasets.load(path)
    assert isinstance(on_disk.x_train, ImagesOnDisk)
    assert on_disk.fingerprint == in_memory.fingerprint
    some = on_disk.subset(train_size=50, seed=3)
    numpy.testing.assert_array_equal(some.x_train, in_memory.subset(train_size=50, seed=3).x_train)


def test_images_that_do_not_fit_into_memory_are_not_gathered(path, monkeypatch):
    monkeypatch.setattr('vgg_cifar.machine.free_memory', lambda: 100 * 192)
    with pytest.raises(InputError, match='150 images: needs'):
        ImagesOnDisk(path, 'X_train')[numpy.arange(150)]


def test_another_process_opens_the_file_itself(path, images):
    on_disk = pickle.loads(pickle.dumps(ImagesOnDisk(path, 'X_train')))
    numpy.testing.assert_array_equal(on_disk[numpy.array([7, 190])], images[[7, 190]])


def test_nan_is_named_by_its_row(tmp_path, images):
    with h5py.File(tmp_path / 'NAN.hdf5', 'w') as file:
        file['X_train'] = images
        file['X_train'][77, 1, 2, 3] = numpy.nan
    on_disk = ImagesOnDisk(tmp_path / 'NAN.hdf5', 'X_train')
    with pytest.raises(InputError, match='first in row 77'):
        on_disk[numpy.array([3, 79])]
