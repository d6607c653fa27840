"""CIFAR-100 from tiny archives of its own, from disk and from a server."""

import functools
import hashlib
import pickle
import tarfile

import numpy
import pytest
from tiny_idx import folder

from vgg_cifar.datasets import cifar100
from vgg_cifar.errors import InputError, WorkFailed

RANDOM = numpy.random.RandomState(0)


ROWS = {'train': 5, 'test': 3}


COARSE = {part: RANDOM.randint(0, 20, count) for part, count in ROWS.items()}


FINE = {part: RANDOM.randint(0, 100, count) for part, count in ROWS.items()}


PIXELS = {part: RANDOM.randint(0, 256, (count, 3072)).astype('u1') for part, count in ROWS.items()}


NAMES = [f'class_{number}' for number in range(100)]


def binary_files():
    files = {'fine_label_names.txt': '\n'.join(NAMES).encode() + b'\n'}
    for part in ROWS:
        rows = numpy.column_stack([COARSE[part], FINE[part], PIXELS[part]]).astype('u1')
        files[f'{part}.bin'] = rows.tobytes()
    return files


def python_files():
    files = {'meta': pickle.dumps({'fine_label_names': NAMES, 'coarse_label_names': []}, 2)}
    for part in ROWS:
        content = {'data': PIXELS[part], 'fine_labels': FINE[part].tolist(), 'coarse_labels': []}
        files[part] = pickle.dumps(content, 2)
    return files


def tar(path, files, inside):
    folder(path.parent / inside, files)
    with tarfile.open(path, 'w:gz') as archive:
        archive.add(path.parent / inside, inside)
    return path


def cifar_release(**changes):
    pickle_md5 = {name: hashlib.md5(content).hexdigest() for name, content in python_files().items()}
    known = {'rows': ROWS, 'url': 'http://localhost:9/a.tar.gz', 'binary_md5': '0', 'pickle_md5': pickle_md5}
    return cifar100.Release(**{**known, **changes})


def check_cifar(data, name):
    assert data.name == name
    for part in ROWS:
        x, y = getattr(data, f'x_{part}'), getattr(data, f'y_{part}')
        numpy.testing.assert_array_equal(x, PIXELS[part].reshape(-1, 3, 32, 32))
        numpy.testing.assert_array_equal(y, FINE[part])
    assert data.class_names == tuple(NAMES)


def test_cifar100_from_the_binary_archive_and_its_folder(tmp_path):
    path = tar(tmp_path / 'a.tar.gz', binary_files(), 'cifar-100-binary')
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    check_cifar(cifar100.load(path, release=cifar_release(binary_md5=md5)), 'cifar100')
    quiet = functools.partial(cifar100.load, release=cifar_release())
    # Of its files no checksum is known.
    for unverified in (path, tmp_path / 'cifar-100-binary', tmp_path):
        check_cifar(quiet(unverified), 'cifar100 (unverified)')


def test_cifar100_from_the_python_archive_and_its_folder(tmp_path):
    path = tar(tmp_path / 'a.tar.gz', python_files(), 'cifar-100-python')
    for verified in (path, tmp_path / 'cifar-100-python', tmp_path):
        check_cifar(cifar100.load(verified, release=cifar_release()), 'cifar100')


def test_cifar100_from_the_server(server, tmp_path):
    root, address = server
    path = tar(root / 'cifar-100-binary.tar.gz', binary_files(), 'cifar-100-binary')
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    release = cifar_release(url=f'{address}cifar-100-binary.tar.gz', binary_md5=md5)
    data = cifar100.load(release=release, cache=tmp_path / 'cache')
    check_cifar(data, 'cifar100')


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'train.bin': b'short'}, 'train.bin: found 5 bytes, expected 15,370'),
        ({'fine_label_names.txt': b'one two'}, 'expected the 100 names of the classes'),
        (
            {'test.bin': binary_files()['test.bin'][:1] + b'\xc8' + binary_files()['test.bin'][2:]},
            'label of 200',
        ),
    ],
)
def test_damaged_binary_files(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        cifar100.load(folder(tmp_path / 'x', binary_files() | changes), release=cifar_release())


@pytest.mark.parametrize('name', ['train', 'test', 'meta'])
def test_other_pickles_are_not_opened(tmp_path, name):
    files = python_files() | {name: pickle.dumps({'data': PIXELS['test']})}
    with pytest.raises(InputError, match=f'{name}: checksum: found .* get the official archive'):
        cifar100.load(folder(tmp_path / 'x', files), release=cifar_release())


def test_cifar100_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r'missing train\.bin'):
        cifar100.load(folder(tmp_path / 'x', {}), release=cifar_release())
    with pytest.raises(WorkFailed, match='CIFAR-100 could not be had'):
        cifar100.load(release=cifar_release(), cache=tmp_path / 'cache')
