"""What a data file may be refused for, in one line that names the file, the data set and what to do."""

import h5py
import numpy
import pytest
from small_data_file import good, save

from augment.__main__ import main as augment
from vgg_cifar.cli import main as vgg_cifar
from vgg_cifar.data_file import open_data_file, read_images
from vgg_cifar.errors import InputError


def read(path):
    """Read the file's images and return how many classes it has."""
    with open_data_file(path) as file:
        for images in file.images.values():
            read_images(images, 0, len(images))
        return len(file.class_names)


def refused(path, *fragments):
    with pytest.raises(InputError) as error:
        read(path)
    message = str(error.value)
    assert '\n' not in message
    for fragment in (str(path), *fragments):
        assert fragment in message


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
    'one-hot float labels': (
        {'Y_train': numpy.eye(7, dtype='f4')},
        'expected (N,) or (N, 1); for one-hot labels store Y.argmax(axis=1)',
    ),
    'integers that astype would wrap': (
        {'X_train': good()['X_train'].astype('u2') * 256},
        'X_train: found uint16 of shape (7, 2, 3, 4), expected uint8 or float16, float32, float64; store '
        "(X / X.max()).astype('float32'), or X.astype('uint8') if all are from 0 to 255",
    ),
    'a million channels': (
        {'X_test': numpy.zeros((1, 10**6, 1, 1), 'u1'), 'X_train': numpy.zeros((1, 10**6, 1, 1), 'u1')},
        'expected images of 256 MiB as float32 and 65536 along an axis at most',
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
    'no test images': (
        {'X_test': numpy.zeros((0, 2, 3, 4), 'u1'), 'Y_test': numpy.zeros(0, 'i4')},
        'X_test: found uint8 of shape (0, 2, 3, 4), expected at least one image',
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


def test_labels_that_may_count_from_one_are_taken_with_a_line(tmp_path, caplog):
    file = good()
    assert read(save(tmp_path / 'zero.hdf5', **file)) == 3
    assert not caplog.messages
    file['Y_train'] += 1
    file['Y_test'] = file['Y_test'].clip(1)
    assert read(save(tmp_path / 'one.hdf5', **file)) == 4
    (message,) = caplog.messages
    assert message.startswith(f'{tmp_path / "one.hdf5"}: label 0 does not occur; do they count from 1?')


def test_a_name_that_cannot_be_printed_gives_way_to_the_file_name(tmp_path):
    path = save(tmp_path / 'plain.hdf5', {'name': 'two\nlines'}, **good())
    with open_data_file(path) as file:
        assert file.name == 'plain'


def pieces(path, name, *sources):
    """Replace a data set by a virtual one over `sources`: a file, a data set and the rows, of ten."""
    with h5py.File(path, 'r+') as file:
        whole = file.pop(name)
        layout = h5py.VirtualLayout(whole.shape, whole.dtype)
        for source, of_source, rows in sources:
            shape = (rows.stop - rows.start, *whole.shape[1:])
            layout[rows] = h5py.VirtualSource(source, of_source, shape, whole.dtype)
        file.create_virtual_dataset(name, layout)
    return path


@pytest.fixture
def files(tmp_path):
    """Give a folder of files of which each is wrong in the way that its name says."""
    (tmp_path / 'elsewhere').mkdir()
    secret = tmp_path / 'not-for-you.txt'
    secret.write_bytes(b'SECRET ' * 100)
    x = good()['X_train']
    elsewhere = save(tmp_path / 'elsewhere/data.hdf5', X=x)
    save(tmp_path / 'part.hdf5', X=x)
    save(tmp_path / 'link.hdf5', X=h5py.ExternalLink(str(elsewhere), 'X'))
    with h5py.File(tmp_path / 'raw.hdf5', 'w') as file:
        file.create_dataset('X', x.shape, 'u1', external=[(str(secret), 0, x.size)])
    pieces(save(tmp_path / 'virtual.hdf5', X=x), 'X', (str(elsewhere), 'X', slice(0, 7)))
    for name, *sources in (
        ('over-raw-storage', ('raw.hdf5', 'X', slice(0, 7))),
        ('over-a-link', ('link.hdf5', 'X', slice(0, 7))),
        ('over-a-virtual-data-set', ('virtual.hdf5', 'X', slice(0, 7))),
        ('over-a-missing-data-set', ('part.hdf5', 'no_such_data_set', slice(0, 7))),
        ('with-a-hole', ('part.hdf5', 'X', slice(0, 4))),
    ):
        pieces(save(tmp_path / f'{name}.hdf5', **good()), 'X_train', *sources)
    return tmp_path


@pytest.mark.parametrize(
    'name, message',
    [
        ('over-raw-storage', 'X_train: its part raw.hdf5: X: its values lie in'),
        ('over-a-link', 'X_train: its part link.hdf5: X: found an external link'),
        ('over-a-virtual-data-set', 'X_train: its part virtual.hdf5: X: found parts of parts'),
        ('over-a-missing-data-set', 'X_train: its part part.hdf5: no_such_data_set: missing'),
        ('with-a-hole', 'X_train: rows 4 to 6 have no source'),
    ],
)
def test_every_command_refuses_the_same(files, tmp_path, capsys, name, message):
    path = str(files / f'{name}.hdf5')
    for command, *arguments in (
        (augment, path, str(tmp_path / 'OUT.hdf5')),
        (augment, path, '--preview', str(tmp_path / 'x.png')),
        (vgg_cifar, 'train', '--data', path, '-o', str(tmp_path / 'run')),
        (vgg_cifar, 'reproduce', 'ie598', '--scale', 'smoke', '--data', path, '-o', str(tmp_path / 'study')),
    ):
        assert command(arguments) == 2
        error = capsys.readouterr().err
        assert f'{path}: {message}' in error
        assert error.count('\n') == 1
    assert not list(tmp_path.glob('OUT*'))
    assert not (tmp_path / 'x.png').exists()
