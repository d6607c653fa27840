"""Training on a file that is left on disk: killed, resumed, the same bits; each image once an epoch."""

import signal

import chainer
import numpy
import pytest
from processes import python

from vgg_cifar.datasets import images_on_disk
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.training.batches import Batches, ShuffledBatches
from vgg_cifar.training.batches_from_disk import BatchesFromDisk
from vgg_cifar.training.run_folder import RunFolder

# Leaves every file on disk, in units of a few images of which a buffer holds some; may kill itself at a step.
TRAIN = """if True:
    import os, signal, sys
    import vgg_cifar
    from vgg_cifar.cli import main
    from vgg_cifar.datasets import hdf5, images_on_disk
    from vgg_cifar.training.extensions import RandomState
    hdf5.LARGEST_IN_MEMORY, images_on_disk.UNIT_BYTES, images_on_disk.BUFFER_BYTES = 0, 1920, 19200
    last, *arguments = sys.argv[1:]
    call = RandomState.__call__
    def deadly(self, trainer):
        if trainer.updater.iteration == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        call(self, trainer)
    RandomState.__call__ = deadly
    sys.exit(main(arguments))"""


def train(tiny, folder, last_step):
    flags = ['-b', '10', '-e', '3', '--optimizer', 'momentum_sgd', '--lr', '0.001']
    return python('-c', TRAIN, last_step, 'train', '--data', tiny, '-o', folder, *flags)


def test_a_killed_run_goes_on_to_the_same_bits(tiny, tmp_path):
    assert train(tiny, tmp_path / 'whole', -1).returncode == 0
    killed = train(tiny, tmp_path / 'killed', 37)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = train(tiny, tmp_path / 'killed', -1)
    assert 'goes on after step 24' in again.stdout, again.stderr
    with numpy.load(tmp_path / 'whole/model.npz') as one, numpy.load(tmp_path / 'killed/model.npz') as other:
        for name in one.files:
            numpy.testing.assert_array_equal(one[name], other[name])
    losses = [
        [entry['main/loss'] for entry in RunFolder(tmp_path / name).log] for name in ('whole', 'killed')
    ]
    assert losses[0] == losses[1]


@pytest.fixture
def images(tiny, monkeypatch):
    monkeypatch.setattr(images_on_disk, 'UNIT_BYTES', 1920)
    monkeypatch.setattr(images_on_disk, 'BUFFER_BYTES', 19200)
    return ImagesOnDisk(tiny, 'X_train')


def test_batches_are_those_of_the_images_in_memory(images):
    cpu = chainer.get_device('@numpy')
    y = numpy.arange(240, dtype='i4')
    from_disk, in_memory = BatchesFromDisk(images, y, cpu), Batches(images[:], y, cpu)
    for rows in (numpy.array([200, 3, 3, 77]), slice(5, 50)):
        for one, other in zip(from_disk(rows), in_memory(rows), strict=True):
            assert one.dtype == other.dtype
            numpy.testing.assert_array_equal(one, other)


def test_every_image_comes_once_an_epoch_and_in_another_order_the_next(images):
    y = numpy.arange(240, dtype='i4')
    batches = ShuffledBatches(BatchesFromDisk(images, y, chainer.get_device('@numpy')), 24, seed=0)
    epochs = [numpy.concatenate([next(batches)[1] for _ in range(10)]) for _ in range(2)]
    batches.finalize()
    for epoch in epochs:
        assert sorted(epoch) == list(range(240))
    assert (epochs[0] != epochs[1]).mean() > 0.9
