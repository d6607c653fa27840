"""Data sets into files and out of them; what is refused is tested with `vgg_cifar.data_file`."""

import dataclasses
import errno
import re
import types

import h5py
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from small_data_file import good, save

from vgg_cifar.datasets import hdf5
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError

images = arrays.array_shapes(min_dims=3, max_dims=3, max_side=4)


@st.composite
def image_data(draw):
    shape = draw(images)
    dtype = draw(st.sampled_from([numpy.uint8, numpy.float32]))
    floats = {'allow_nan': False, 'allow_infinity': False} if dtype == numpy.float32 else {}
    n_classes = draw(st.integers(1, 5))
    parts = {}
    for part in ('train', 'test', 'validation')[: draw(st.integers(2, 3))]:
        n = draw(st.integers(1, 5))
        elements = arrays.from_dtype(numpy.dtype(dtype), **floats)
        parts[f'x_{part}'] = draw(arrays.arrays(dtype, (n, *shape), elements=elements))
        parts[f'y_{part}'] = draw(arrays.arrays(numpy.int32, n, elements=st.integers(0, n_classes - 1)))
    names = tuple(f'class {label}' for label in range(n_classes))
    return ImageData(draw(st.sampled_from(['a set', 'ß'])), draw(st.booleans()), names, 'generated', **parts)


@settings(max_examples=30)
@given(data=image_data())
def test_what_was_written_is_read_back(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('round') / 'data.hdf5'
    hdf5.write(path, data)
    back = hdf5.read(path)
    assert back.fingerprint == data.fingerprint
    assert (back.name, back.synthetic, back.class_names) == (data.name, data.synthetic, data.class_names)
    assert back.source == str(path)


@pytest.mark.parametrize('x_type', ['u1', '<f2', '<f4', '>f4', '<f8'])
@pytest.mark.parametrize('y_type', ['i1', 'u1', '<i4', '>i8', '<u8'])
@pytest.mark.parametrize('column', [False, True])
def test_every_accepted_type_gives_the_same_data(tmp_path, x_type, y_type, column):
    file = good()
    for part in ('train', 'test'):
        file[f'X_{part}'] = file[f'X_{part}'].astype(x_type)
        file[f'Y_{part}'] = file[f'Y_{part}'].astype(y_type)
        if column:
            file[f'Y_{part}'] = file[f'Y_{part}'][:, None]
    data = hdf5.read(save(tmp_path / 'any.hdf5', **file))
    assert data.x_train.dtype == (numpy.uint8 if x_type == 'u1' else numpy.float32)
    assert data.y_train.dtype == numpy.int32
    assert data.x_train.dtype.isnative
    numpy.testing.assert_array_equal(data.x_train, good()['X_train'])
    numpy.testing.assert_array_equal(data.y_train, good()['Y_train'])
    numpy.testing.assert_array_equal(data.y_test, good()['Y_test'])


def test_without_attributes_the_file_name_and_the_labels_say_what_it_is(tmp_path):
    data = hdf5.read(save(tmp_path / 'mine.hdf5', **good()))
    assert (data.name, data.synthetic, data.n_classes) == ('mine', False, 3)
    assert data.class_names == ('0', '1', '2')
    assert data.x_validation is None


def test_a_long_file_is_read_whole_across_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, 'CHUNK_BYTES', 8)
    path = tmp_path / 'pieces.hdf5'
    with h5py.File(save(path, **good()), 'r+') as file:
        del file['X_train']
        file.create_dataset('X_train', data=good()['X_train'], chunks=(3, 2, 3, 4), compression='gzip')
    numpy.testing.assert_array_equal(hdf5.read(path).x_train, good()['X_train'])


def test_attributes_of_a_written_file(tmp_path):
    path = tmp_path / 'data.hdf5'
    data = hdf5.read(save(tmp_path / 'in.hdf5', **good()))
    hdf5.write(path, dataclasses.replace(data, provenance={'source_sha1': 'abc'}))
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
        assert file['X_train'].fletcher32
    assert attributes['sha256'] == data.fingerprint
    assert attributes['source_sha1'] == 'abc'
    assert attributes['source'] == str(tmp_path / 'in.hdf5')
    assert attributes['n_classes'] == 3
    assert re.match('vgg-cifar', attributes['created_by'])


def test_writing_replaces_only_when_told_to(tmp_path):
    path = tmp_path / 'data.hdf5'
    path.write_text('precious')
    data = hdf5.read(save(tmp_path / 'in.hdf5', **good()))
    with pytest.raises(InputError, match=r'data\.hdf5: exists already; give --overwrite'):
        hdf5.write(path, data)
    assert path.read_text() == 'precious'
    hdf5.write(path, data, overwrite=True)
    assert hdf5.read(path).fingerprint == data.fingerprint
    assert sorted(file.name for file in tmp_path.iterdir()) == ['data.hdf5', 'in.hdf5']


@pytest.mark.parametrize('name', ['X_train', 'Y_train'])
def test_a_flipped_bit_in_a_written_file_is_noticed(tmp_path, name):
    path = tmp_path / 'flipped.hdf5'
    data = hdf5.read(save(tmp_path / 'in.hdf5', **good()))
    hdf5.write(path, data)
    with h5py.File(path) as file:
        offset = file[name].id.get_chunk_info(0).byte_offset
    contents = bytearray(path.read_bytes())
    contents[offset] ^= 1
    path.write_bytes(contents)
    with pytest.raises(InputError, match=f'{name}: rows 0 to 6: not readable'):
        hdf5.read(path)


def test_overwriting_through_a_link_leaves_the_link(tmp_path):
    (tmp_path / 'disk').mkdir()
    path, target = tmp_path / 'data.hdf5', tmp_path / 'disk/data.hdf5'
    target.write_text('old')
    path.symlink_to(target)
    hdf5.write(path, hdf5.read(save(tmp_path / 'in.hdf5', **good())), overwrite=True)
    assert path.is_symlink()
    assert h5py.is_hdf5(target)
    assert [file.name for file in target.parent.iterdir()] == ['data.hdf5']


def test_a_disk_without_room_is_noticed_before_hdf5_writes(tmp_path, monkeypatch):
    # Its library ends in a segmentation fault where a disk fills up under it.
    data = hdf5.read(save(tmp_path / 'in.hdf5', **good()))
    monkeypatch.setattr('shutil.disk_usage', lambda _: types.SimpleNamespace(free=2**20))
    with pytest.raises(InputError, match=r'1\.0 MB are needed, 1\.0 MB are free; free \d+ bytes more, or'):
        hdf5.write(tmp_path / 'data.hdf5', data)
    monkeypatch.undo()
    monkeypatch.setattr('os.posix_fallocate', fails)
    with pytest.raises(OSError, match='quota'):
        hdf5.write(tmp_path / 'data.hdf5', data)
    assert [file.name for file in tmp_path.iterdir()] == ['in.hdf5']


def fails(*_):
    raise OSError(errno.EDQUOT, 'quota')


def test_a_file_that_needs_more_than_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = save(tmp_path / 'vast.hdf5', **good())
    monkeypatch.setattr('vgg_cifar.machine.free_memory', lambda: 10 * 24 + 10 * 8)
    hdf5.read(path)
    monkeypatch.setattr('vgg_cifar.machine.free_memory', lambda: 10 * 24 + 10 * 8 - 1)
    monkeypatch.setattr(numpy, 'empty', None)
    with pytest.raises(
        InputError, match=r'vast\.hdf5: needs 320 bytes of memory, 319 bytes are free, 1 byte too few; use'
    ):
        hdf5.read(path)
