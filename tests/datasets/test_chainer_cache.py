"""Chainer's cache, filled from ours: Chainer itself reads it."""

import chainer
import numpy
import pytest
from processes import python, run_code
from tiny_idx import IMAGES, LABELS, folder, idx_files

from vgg_cifar.datasets import chainer_cache
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.errors import InputError


def tiny(name, shape):
    images = numpy.random.default_rng(0).integers(0, 256, (5, *shape), numpy.uint8)
    labels = numpy.arange(5, dtype=numpy.int32)
    return ImageData(
        name,
        False,
        tuple('abcde'),
        'here',
        x_train=images,
        y_train=labels,
        x_test=images[:2],
        y_test=labels[:2],
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(chainer.dataset.download, '_dataset_root', str(tmp_path))
    monkeypatch.setenv('CHAINER_DATASET_ROOT', str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ('name', 'get', 'shape'),
    [
        ('mnist', chainer.datasets.get_mnist, (1, 28, 28)),
        ('cifar10', chainer.datasets.get_cifar10, (3, 32, 32)),
        ('cifar100', chainer.datasets.get_cifar100, (3, 32, 32)),
    ],
)
def test_chainer_reads_what_was_written(root, name, get, shape):
    data = tiny(name, shape)
    chainer_cache.write(data)
    train, test = get(ndim=3, scale=255)
    for found, x, y in ((train, data.x_train, data.y_train), (test, data.x_test, data.y_test)):
        images, labels = chainer.dataset.concat_examples(found)
        numpy.testing.assert_array_equal(images, x)
        numpy.testing.assert_array_equal(labels, y)


def test_what_is_there_is_not_written_again(root, monkeypatch):
    chainer_cache.write(tiny('mnist', (1, 28, 28)))
    monkeypatch.setitem(chainer_cache.LOADERS, 'mnist', None)
    chainer_cache.fill('mnist')


def test_what_passes_for_no_known_set_is_refused(root):
    with pytest.raises(InputError, match='Chainer has no file for it'):
        chainer_cache.write(tiny('fashion', (1, 28, 28)))
    assert list(root.iterdir()) == []


def test_the_command_refuses_what_chainer_has_no_file_for(tmp_path):
    result = python('-m', 'vgg_cifar', 'data', 'shapes10', '--chainer', cwd=tmp_path)
    assert (result.returncode, list(tmp_path.iterdir())) == (2, [])
    assert result.stderr.startswith('vgg-cifar: --chainer: Chainer has no file for shapes10')


ANSWERED = """
import sys
from vgg_cifar.commands import run
from vgg_cifar.compat import chainer7, old_names
old_names.restore(None)
run._answer_data()
from vgg_cifar.datasets import chainer_cache, mnist
release = mnist.Release({}, (), dict.fromkeys(%(names)r))
mnist.load = chainer_cache.LOADERS['mnist'] = lambda path=None: mnist.image_data(
    mnist.read_idx_set(mnist.folder(release)), 'here', 'mnist', None)
import chainer
train, test = chainer.datasets.get_mnist(scale=255)
print(len(train), len(test), int(train[0][0].sum()))
mnist.folder.__defaults__ = (release, None)
from urllib import request
request.urlretrieve('http://yann.lecun.com/exdb/mnist/train-labels-idx1-ubyte.gz', 'labels.gz')
from sklearn.datasets import fetch_mldata
bunch = fetch_mldata('MNIST original', data_home='.')
print(bunch.data.shape, bunch['target'].tolist())
"""


def test_what_asks_a_host_that_is_gone_is_answered(tmp_path):
    files = idx_files(suffix='.gz')
    folder(tmp_path / 'mnist-rebuilt', files)
    environment = {'VGG_CIFAR_CACHE': str(tmp_path), 'CHAINER_DATASET_ROOT': str(tmp_path / 'chainer')}
    labels = [float(label) for part in LABELS.values() for label in sorted(part)]
    found = run_code(ANSWERED % {'names': list(files)}, cwd=tmp_path, environment=environment)
    sizes = f'{len(IMAGES["train"])} {len(LABELS["test"])} {int(IMAGES["train"][0].sum())}'
    assert found == f'{sizes}\n(10, 784) {labels}\n'
    assert (tmp_path / 'labels.gz').read_bytes() == files['train-labels-idx1-ubyte.gz']
