"""MNIST, EMNIST and CIFAR-100 from tiny files of their own, from disk and from a server."""

import functools
import gzip
import hashlib
import http.server
import pickle
import struct
import tarfile
import threading
import zipfile

import numpy
import pytest

from vgg_cifar.datasets import cifar100, emnist, mnist
from vgg_cifar.errors import InputError, WorkFailed

RANDOM = numpy.random.RandomState(0)
COUNTS = {'train': 6, 'test': 4}
IMAGES = {part: RANDOM.randint(0, 256, (count, 28, 28)).astype('u1') for part, count in COUNTS.items()}
LABELS = {part: (numpy.arange(count) % 10).astype('u1') for part, count in COUNTS.items()}


def idx(array):
    return struct.pack(f'>BBBB{array.ndim}I', 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_files(prefix='', test='t10k', validation=False, suffix=''):
    words = {'train': 'train', 'test': test}
    files = {}
    for part, word in words.items():
        files[f'{prefix}{word}-images-idx3-ubyte{suffix}'] = idx(IMAGES[part])
        files[f'{prefix}{word}-labels-idx1-ubyte{suffix}'] = idx(LABELS[part])
    if validation:
        files[f'{prefix}valid-images-idx3-ubyte'] = idx(IMAGES['test'])
        files[f'{prefix}valid-labels-idx1-ubyte'] = idx(LABELS['test'])
    if suffix:
        files = {name: gzip.compress(content, 1, mtime=0) for name, content in files.items()}
    return files


def folder(path, files):
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def zipped(path, files, inside='gzip'):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in files.items():
            archive.writestr(f'{inside}/{name}', content)
    return path


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


@pytest.fixture
def server(tmp_path):
    """Serves the files in the folder it returns, and its address."""
    root = tmp_path / 'served'
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=root)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield root, f'http://127.0.0.1:{httpd.server_port}/'
        httpd.shutdown()
        thread.join()


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


def test_mnist_from_its_second_address_when_the_first_fails(server, tmp_path):
    root, address = server
    for name, content in idx_files(suffix='.gz').items():
        (root / name).write_bytes(content)
    said = []
    release = mnist_release(addresses=('http://127.0.0.1:9/', address))
    data = mnist.load(say=said.append, release=release, cache=tmp_path / 'cache')
    check_mnist(data)
    assert data.name == 'mnist' and any(address in line for line in said)
    # Again, from the cache alone.
    check_mnist(mnist.load(release=mnist_release(), cache=tmp_path / 'cache', say=said.append))


def test_mnist_that_nobody_has_is_one_line(server, tmp_path):
    root, address = server
    for name in idx_files(suffix='.gz'):
        (root / name).write_bytes(b'<html>moved</html>')
    with pytest.raises(WorkFailed, match='MNIST could not be had: .* give their folder with --from') as error:
        mnist.load(release=mnist_release(address), cache=tmp_path / 'cache', say=lambda line: None)
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


def balanced():
    """As many images as labels of 47 classes need; the official archive has them lying on their sides."""
    random = numpy.random.RandomState(1)
    counts = {'train': 94, 'test': 47}
    images = {part: random.randint(0, 256, (count, 28, 28)).astype('u1') for part, count in counts.items()}
    labels = {part: (numpy.arange(count) % 47).astype('u1') for part, count in counts.items()}
    files = {}
    for part in counts:
        lying = numpy.ascontiguousarray(images[part].swapaxes(1, 2))
        for kind, array in (('images-idx3', lying), ('labels-idx1', labels[part])):
            files[f'emnist-balanced-{part}-{kind}-ubyte.gz'] = gzip.compress(idx(array), 1, mtime=0)
            files[f'emnist-digits-{part}-{kind}-ubyte.gz'] = b'another set of the archive'
    return files, images, labels


def emnist_release(path, url='http://localhost:9/gzip.zip', **changes):
    known = {'url': url, 'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
    return emnist.Release(**{**known, 'train': 94, 'test': 47, 'held_out': 20, **changes})


def check_emnist(data, images, labels):
    """Upright, each image once with its label; test images only from the official test part."""
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (101, 20, 20)
    assert (data.n_classes, data.class_names[10], data.class_names[46]) == (47, 'A', 't')
    official = {
        image.tobytes(): (part, label)
        for part in images
        for image, label in zip(images[part], labels[part], strict=True)
    }
    seen = []
    for part in ('train', 'validation', 'test'):
        for image, label in zip(getattr(data, f'x_{part}'), getattr(data, f'y_{part}'), strict=True):
            origin, expected = official[image.tobytes()]
            assert label == expected
            assert origin == part or part == 'train' or (part, origin) == ('validation', 'train')
            seen.append(image.tobytes())
    assert sorted(seen) == sorted(official)


def test_emnist_from_the_official_archive_and_the_server(server, tmp_path):
    root, address = server
    files, images, labels = balanced()
    path = zipped(root / 'gzip.zip', files)
    data = emnist.load(path, release=emnist_release(path))
    check_emnist(data, images, labels)
    assert data.name == 'emnist-balanced'
    again = emnist.load(
        release=emnist_release(path, f'{address}gzip.zip'), cache=tmp_path / 'cache', say=lambda line: None
    )
    assert again.fingerprint == data.fingerprint


def test_emnist_with_another_checksum_is_marked(tmp_path):
    files, images, labels = balanced()
    path = zipped(tmp_path / 'gzip.zip', files)
    said = []
    data = emnist.load(path, say=said.append, release=emnist_release(path, sha256='0' * 64))
    check_emnist(data, images, labels)
    assert data.name == 'emnist-balanced (unverified)'
    assert 'unverified' in said[0]


def test_emnist_of_other_sizes_is_refused(tmp_path):
    path = zipped(tmp_path / 'gzip.zip', balanced()[0])
    with pytest.raises(InputError, match='found 94 train images, expected 112800'):
        emnist.load(path, say=lambda line: None)


def test_another_idx_set_keeps_its_name_its_parts_and_its_orientation(tmp_path):
    files = idx_files('emnist-redraw-', 'test', validation=True)
    data = emnist.load(folder(tmp_path / 'any', files), say=lambda line: None)
    check_mnist(data)
    numpy.testing.assert_array_equal(data.x_validation, IMAGES['test'][:, None])
    assert data.name == 'emnist-redraw'


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
    files = {part: hashlib.md5(python_files()[part]).hexdigest() for part in ROWS}
    known = {'rows': ROWS, 'url': 'http://localhost:9/a.tar.gz', 'binary_md5': '0', 'python_md5': '0'}
    return cifar100.Release(**{**known, 'files': files, **changes})


def check_cifar(data, name):
    assert data.name == name
    for part in ROWS:
        x, y = getattr(data, f'x_{part}'), getattr(data, f'y_{part}')
        numpy.testing.assert_array_equal(x, PIXELS[part].reshape(-1, 3, 32, 32))
        numpy.testing.assert_array_equal(y, FINE[part])
    assert data.class_names == tuple(NAMES)


@pytest.mark.parametrize('layout, files', [('binary', binary_files), ('python', python_files)])
def test_cifar100_from_archives_and_folders(tmp_path, layout, files):
    path = tar(tmp_path / 'a.tar.gz', files(), f'cifar-100-{layout}')
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    check_cifar(cifar100.load(path, release=cifar_release(**{f'{layout}_md5': md5})), 'cifar100')
    quiet = functools.partial(cifar100.load, say=lambda line: None, release=cifar_release())
    check_cifar(quiet(path), 'cifar100 (unverified)')
    # Of the binary archive's files no checksum is known, of the python archive's there is.
    name = 'cifar100' if layout == 'python' else 'cifar100 (unverified)'
    check_cifar(quiet(tmp_path / f'cifar-100-{layout}'), name)
    check_cifar(quiet(tmp_path), name)


def test_cifar100_from_the_server(server, tmp_path):
    root, address = server
    path = tar(root / 'cifar-100-binary.tar.gz', binary_files(), 'cifar-100-binary')
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    release = cifar_release(url=f'{address}cifar-100-binary.tar.gz', binary_md5=md5)
    data = cifar100.load(say=lambda line: None, release=release, cache=tmp_path / 'cache')
    check_cifar(data, 'cifar100')


class Attack:
    def __reduce__(self):
        return print, ('gotcha',)


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'train.bin': b'short'}, 'train.bin: found 5 bytes, expected 15370'),
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


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'train': pickle.dumps({'data': Attack()})}, 'refused as a pickle'),
        (
            {'train': pickle.dumps({'data': PIXELS['test'], 'fine_labels': []}, 2)},
            'data: expected an array of 5',
        ),
        ({'test': pickle.dumps({'data': PIXELS['test'], 'fine_labels': [1, 2, 100]}, 2)}, 'from 0 to 99'),
        ({'meta': pickle.dumps({'fine_label_names': [1] * 100}, 2)}, 'the 100 names'),
        ({'meta': pickle.dumps([1], 2)}, 'refused as a pickle'),
    ],
)
def test_damaged_or_hostile_pickles(tmp_path, changes, message, capsys):
    with pytest.raises(InputError, match=message):
        cifar100.load(folder(tmp_path / 'x', python_files() | changes), release=cifar_release())
    assert 'gotcha' not in capsys.readouterr().out


def test_cifar100_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match='missing train.bin'):
        cifar100.load(folder(tmp_path / 'x', {}), release=cifar_release())
    with pytest.raises(WorkFailed, match='CIFAR-100 could not be had'):
        cifar100.load(say=lambda line: None, release=cifar_release(), cache=tmp_path / 'cache')
