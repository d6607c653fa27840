"""The data files' reader and writer, at their edge: files in, data or one clear line out."""

import dataclasses
import re

import h5py
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vgg_cifar import machine
from vgg_cifar.datasets import hdf5
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError


def good():
    """Return the arrays of a small good file: three classes, images of 2 x 3 x 4."""
    random = numpy.random.RandomState(0)
    return {
        'X_train': random.randint(0, 256, (7, 2, 3, 4)).astype(numpy.uint8),
        'Y_train': numpy.array([0, 1, 2, 0, 1, 2, 0], numpy.int32),
        'X_test': random.randint(0, 256, (3, 2, 3, 4)).astype(numpy.uint8),
        'Y_test': numpy.array([2, 1, 0], numpy.int32),
    }


def save(path, attributes=None, **datasets):
    with h5py.File(path, 'w') as file:
        for name, array in datasets.items():
            file[name] = array
        file.attrs.update(attributes or {})
    return path


def refused(path, *fragments):
    """Assert that the file is refused in one line that names it and holds all `fragments`."""
    with pytest.raises(InputError) as error:
        hdf5.read(path)
    message = str(error.value)
    assert '\n' not in message
    for fragment in (str(path), *fragments):
        assert fragment in message


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


BENT = {
    'X_train missing': ({'X_train': None}, 'X_train: missing, the file holds X_test, Y_test, Y_train'),
    'Y_test missing': ({'Y_test': None}, 'Y_test: missing'),
    'half a validation part': ({'X_validation': good()['X_test']}, 'Y_validation: missing'),
    'flat images': (
        {'X_train': numpy.zeros((7, 24), 'u1')},
        'X_train: found uint8 of shape (7, 24), expected (N, C, H, W); reshape it: .reshape(len(X), C, H, W)',
    ),
    'no channel axis': ({'X_train': numpy.zeros((7, 3, 4), 'u1')}, 'X[:, None] for images of one channel'),
    'a scalar': ({'X_train': numpy.uint8(3)}, 'X_train: found uint8 of shape (), expected (N, C, H, W)'),
    'no shape': ({'X_train': h5py.Empty('u1')}, 'X_train: found uint8 of no shape, expected (N, C, H, W)'),
    'channels last': (
        {'X_train': numpy.zeros((7, 8, 8, 3), 'u1')},
        'shape (7, 8, 8, 3), expected (N, C, H, W), channels first; store X.transpose(0, 3, 1, 2)',
    ),
    'wide integers': (
        {'X_train': good()['X_train'].astype('i8')},
        'X_train: found int64 of shape (7, 2, 3, 4)',
    ),
    'truth values': ({'X_test': good()['X_test'] > 9}, 'X_test: found bool of shape'),
    'complex': ({'X_test': good()['X_test'].astype('c8')}, 'X_test: found complex64 of shape'),
    'strings': ({'X_test': numpy.full((3, 2, 3, 4), b'x')}, 'X_test: found strings of shape'),
    'float labels': (
        {'Y_train': numpy.zeros(7, 'f4')},
        'Y_train: found float32 of shape (7,), expected integers, not float labels; store class numbers',
    ),
    'string labels': ({'Y_train': ['cat'] * 7}, 'Y_train: found strings of shape (7,), expected integers'),
    'truth labels': ({'Y_test': numpy.zeros(3, bool)}, 'Y_test: found bool of shape (3,), expected integers'),
    'one-hot labels': ({'Y_test': numpy.eye(3, dtype='i4')}, 'for one-hot labels store Y.argmax(axis=1)'),
    'deep labels': ({'Y_test': numpy.zeros((3, 1, 1), 'i4')}, 'Y_test: found int32 of shape (3, 1, 1)'),
    'too few labels': (
        {'Y_train': numpy.zeros(6, 'i4')},
        'Y_train: found int32 of shape (6,), expected 7 labels, one for each image of X_train',
    ),
    'other test shape': (
        {'X_test': numpy.zeros((3, 2, 3, 5), 'u1')},
        "X_test: found images of shape (2, 3, 5), expected X_train's (2, 3, 4)",
    ),
    'no images': (
        {'X_train': numpy.zeros((0, 2, 3, 4), 'u1'), 'Y_train': numpy.zeros(0, 'i4')},
        'X_train: found uint8 of shape (0, 2, 3, 4), expected at least one image',
    ),
    'negative label': (
        {'Y_test': numpy.array([0, -1, 1])},
        'Y_test: found labels from -1 to 1, expected 0 to',
    ),
    'wild label': (
        {'Y_test': numpy.array([0, 2**63], 'u8').repeat([2, 1])},
        'found labels from 0 to 92233720',
    ),
    'NaN': (
        {'X_test': numpy.where(numpy.arange(72).reshape(3, 2, 3, 4) == 50, numpy.nan, 1.0)},
        'X_test: found NaN or infinity (as float32) first in row 2',
    ),
    'beyond float32': (
        {'X_train': numpy.full((7, 2, 3, 4), 1e300)},
        'X_train: found NaN or infinity (as float32) first in row 0',
    ),
}


@pytest.mark.parametrize('change, message', BENT.values(), ids=BENT.keys())
def test_a_bent_file_is_refused_with_file_and_data_set(tmp_path, change, message):
    file = {name: array for name, array in {**good(), **change}.items() if array is not None}
    refused(save(tmp_path / 'bent.hdf5', **file), message)


ATTRIBUTES = {
    'label out of range': (
        {'n_classes': 2},
        'Y_train: found labels from 0 to 2, expected 0 to 1; correct them',
    ),
    'label without a name': (
        {'class_names': ['a', 'b']},
        'Y_train: found labels from 0 to 2, expected 0 to 1',
    ),
    'counts differ': ({'n_classes': 4, 'class_names': ['a', 'b', 'c']}, 'n_classes: found 4, expected 3'),
    'count is text': ({'n_classes': 'three'}, "n_classes: found 'three', expected a whole number above 0"),
    'count is zero': ({'n_classes': 0}, 'n_classes: found'),
    'names are numbers': ({'class_names': [1, 2, 3]}, 'class_names: found'),
    'names cannot be printed': ({'class_names': ['a', 'b', '\x1b[2J']}, 'class_names: found'),
    'synthetic is text': ({'synthetic': 'perhaps'}, "synthetic: found 'perhaps', expected true or false"),
}


@pytest.mark.parametrize('attributes, message', ATTRIBUTES.values(), ids=ATTRIBUTES.keys())
def test_a_bent_attribute_is_refused_by_name(tmp_path, attributes, message):
    refused(save(tmp_path / 'bent.hdf5', attributes, **good()), message)


def test_labels_that_count_from_one_are_recognised(tmp_path):
    file = good()
    file['Y_train'] += 1
    file['Y_test'] += 1
    path = save(tmp_path / 'one.hdf5', {'n_classes': 3}, **file)
    refused(path, 'Y_train: found labels from 1 to 3, expected 0 to 2; they count from 1, store Y - 1')


def test_a_name_that_cannot_be_printed_gives_way_to_the_file_name(tmp_path):
    path = save(tmp_path / 'plain.hdf5', {'name': 'two\nlines'}, **good())
    assert hdf5.read(path).name == 'plain'


def test_no_file_a_folder_and_not_hdf5(tmp_path):
    refused(tmp_path / 'absent.hdf5', 'no such file', 'vgg-cifar data')
    refused(tmp_path, 'found a folder, expected an HDF5 file')
    text = tmp_path / 'text.hdf5'
    text.write_text('X_train')
    refused(text, 'not an HDF5 file')


def test_a_truncated_file(tmp_path):
    path = save(tmp_path / 'cut.hdf5', **good())
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, 'not readable', 'truncated')


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
    refused(path, f'{name}: not readable')


def test_a_group_in_a_data_set_place(tmp_path):
    file = good()
    del file['X_train']
    path = save(tmp_path / 'group.hdf5', **file)
    with h5py.File(path, 'r+') as opened:
        opened.create_group('X_train')
    refused(path, 'X_train: found a group, expected a data set')


@pytest.mark.parametrize(
    'link, message',
    [
        (h5py.SoftLink('/X_test'), 'X_train: found a soft link'),
        (h5py.SoftLink('/nowhere'), 'X_train: found a soft link'),
        (h5py.ExternalLink('other.hdf5', '/X_train'), 'X_train: found an external link'),
    ],
)
def test_links_are_not_followed(tmp_path, link, message):
    save(tmp_path / 'other.hdf5', **good())
    path = save(tmp_path / 'linked.hdf5', **{**good(), 'X_train': link})
    refused(path, message)


def test_raw_storage_outside_the_file_is_not_read(tmp_path):
    secret = tmp_path / 'secret'
    secret.write_bytes(bytes(7 * 24))
    file = good()
    del file['X_train']
    path = save(tmp_path / 'external.hdf5', **file)
    with h5py.File(path, 'r+') as opened:
        opened.create_dataset('X_train', (7, 2, 3, 4), 'u1', external=[(str(secret), 0, 7 * 24)])
    refused(path, 'X_train: its values lie in', 'secret')


def virtual(path, source, name='X_train'):
    """Save a good file whose X_train is a view of `source`'s data set `name`."""
    file = good()
    del file['X_train']
    save(path, **file)
    layout = h5py.VirtualLayout((7, 2, 3, 4), 'u1')
    layout[:] = h5py.VirtualSource(source, name, (7, 2, 3, 4))
    with h5py.File(path, 'r+') as opened:
        opened.create_virtual_dataset('X_train', layout)
    return path


def test_a_virtual_data_set_over_a_file_beside_it_is_read(tmp_path):
    save(tmp_path / 'part.hdf5', **good())
    path = virtual(tmp_path / 'whole.hdf5', 'part.hdf5')
    numpy.testing.assert_array_equal(hdf5.read(path).x_train, good()['X_train'])


def test_a_virtual_data_set_over_anything_else_is_refused(tmp_path):
    folder = tmp_path / 'here'
    folder.mkdir()
    part = save(tmp_path / 'part.hdf5', **good())
    refused(virtual(folder / 'a.hdf5', '../part.hdf5'), 'its part ../part.hdf5 lies in another folder')
    refused(virtual(folder / 'b.hdf5', str(part)), 'lies in another folder')
    (folder / 'link.hdf5').symlink_to(part)
    refused(virtual(folder / 'c.hdf5', 'link.hdf5'), 'lies in another folder')
    refused(virtual(folder / 'd.hdf5', 'absent.hdf5'), 'its part absent.hdf5 is missing')


def test_parts_are_checked_like_the_file_itself(tmp_path):
    (tmp_path / 'text.hdf5').write_text('no')
    with pytest.raises(InputError, match=r'text\.hdf5: not an HDF5 file'):
        hdf5.read(virtual(tmp_path / 'a.hdf5', 'text.hdf5'))
    save(tmp_path / 'link.hdf5', X_train=h5py.ExternalLink('/etc/passwd', '/'))
    with pytest.raises(InputError, match=r'link\.hdf5: X_train: found an external link'):
        hdf5.read(virtual(tmp_path / 'b.hdf5', 'link.hdf5'))
    with pytest.raises(InputError, match=r'link\.hdf5: Y: missing'):
        hdf5.read(virtual(tmp_path / 'c.hdf5', 'link.hdf5', 'Y'))
    with pytest.raises(InputError, match=r'a\.hdf5: X_train: found parts of parts'):
        hdf5.read(virtual(tmp_path / 'd.hdf5', 'a.hdf5'))


def test_a_file_that_claims_more_than_the_memory_is_refused_before_it_is_read(tmp_path):
    free = machine.free_memory()
    rows = free // 3072 + 1
    path = tmp_path / 'vast.hdf5'
    with h5py.File(path, 'w') as file:
        for part in ('train', 'test'):
            file.create_dataset(f'X_{part}', (rows, 3, 32, 32), 'u1', chunks=(1, 3, 32, 32))
            file.create_dataset(f'Y_{part}', (rows,), 'i4', chunks=(1024,))
    assert path.stat().st_size < 100_000
    refused(path, 'GiB of memory', 'GiB are free')
