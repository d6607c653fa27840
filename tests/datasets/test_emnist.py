"""EMNIST from a tiny archive of its own, and another idx set in its place."""

import gzip
import hashlib

import numpy
import pytest
from test_mnist import check_mnist
from tiny_idx import IMAGES, folder, idx, idx_files, zipped

from vgg_cifar.data_file import FROM_ONE
from vgg_cifar.datasets import emnist, mnist
from vgg_cifar.errors import InputError


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
    again = emnist.load(release=emnist_release(path, f'{address}gzip.zip'), cache=tmp_path / 'cache')
    assert again.fingerprint == data.fingerprint


def test_emnist_with_another_checksum_is_marked(tmp_path, caplog):
    files, images, labels = balanced()
    path = zipped(tmp_path / 'gzip.zip', files)
    caplog.set_level('INFO', 'vgg_cifar')
    data = emnist.load(path, release=emnist_release(path, sha256='0' * 64))
    check_emnist(data, images, labels)
    assert data.name == 'emnist-balanced (unverified)'
    assert 'unverified' in caplog.messages[0]


def test_emnist_of_other_sizes_is_refused(tmp_path):
    path = zipped(tmp_path / 'gzip.zip', balanced()[0])
    with pytest.raises(InputError, match='found 94 train images, expected 112800'):
        emnist.load(path)


def test_another_idx_set_keeps_its_name_its_parts_and_its_orientation(tmp_path):
    files = idx_files('emnist-redraw-', 'test', validation=True)
    data = emnist.load(folder(tmp_path / 'any', files))
    check_mnist(data)
    numpy.testing.assert_array_equal(data.x_validation, IMAGES['test'][:, None])
    assert data.name == 'emnist-redraw'


@pytest.mark.parametrize('load', [emnist.load, mnist.load])
@pytest.mark.parametrize(
    'name, first, names',
    [('letters', 1, 'ABCDEFGHIJ'), ('digits', 0, '0123456789'), ('mnist', 0, '0123456789')],
)
def test_every_set_of_nist_is_turned_upright_and_numbered_from_0(tmp_path, load, name, first, names, caplog):
    files = {}
    for part in IMAGES:
        # All 26 letters, or all ten digits, occur.
        labels = numpy.resize(numpy.arange(26 if first else 10, dtype='u1'), len(IMAGES[part]) * 10)
        lying = numpy.tile(IMAGES[part], (10, 1, 1)).swapaxes(1, 2)
        files[f'emnist-{name}-{part}-images-idx3-ubyte'] = idx(numpy.ascontiguousarray(lying))
        files[f'emnist-{name}-{part}-labels-idx1-ubyte'] = idx(labels + numpy.uint8(first))
    caplog.set_level('INFO', 'vgg_cifar')
    data = load(folder(tmp_path / 'any', files))
    numpy.testing.assert_array_equal(data.x_train[: len(IMAGES['train']), 0], IMAGES['train'])
    assert (data.y_train.min(), data.y_train[3], ''.join(data.class_names[:10])) == (0, 3, names)
    assert data.n_classes == (26 if first else 10)
    (line,) = caplog.messages
    assert line.endswith(f'no known checksum vouches for it; the data is called emnist-{name}')


def test_labels_from_1_of_another_set_are_taken_with_a_line(tmp_path, caplog):
    files = idx_files('shapes-')
    for part, word in (('train', 'train'), ('test', 't10k')):
        files[f'shapes-{word}-labels-idx1-ubyte'] = idx(numpy.ones(len(IMAGES[part]), 'u1'))
    caplog.set_level('INFO', 'vgg_cifar')
    assert emnist.load(folder(tmp_path / 'any', files)).n_classes == 2
    assert caplog.messages[1] == f'{tmp_path / "any"}: {FROM_ONE}'
