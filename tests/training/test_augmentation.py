"""Training on copies of the training images."""

import json

import numpy
import pytest
import scipy.ndimage

from augment.__main__ import main as augment
from vgg_cifar.datasets import hdf5, scale, shapes10
from vgg_cifar.errors import InputError
from vgg_cifar.training.augmentation import COPIES, augmented
from vgg_cifar.training.build import choose, load_data
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import train


def test_copies_are_those_of_the_reports_loop(settings):
    """Report R1, section 8, image by image, on images scaled to [0, 1]."""
    data = load_data(settings).subset(20, 0, None, 0)
    found = augmented(data, COPIES)
    expected, labels = [], []
    for image, label in zip(scale(data.x_train), data.y_train, strict=True):
        last = numpy.rollaxis(image, 0, 3)
        copies = (
            last,
            numpy.fliplr(last),
            (last - last.min()) / (last.max() - last.min()),
            scipy.ndimage.median_filter(last, 2),
        )
        expected += [numpy.rollaxis(copy, 2, 0) for copy in copies]
        labels += [label] * 4
    numpy.testing.assert_array_equal(found.x_train, expected)
    numpy.testing.assert_array_equal(found.y_train, labels)
    assert found.x_train.dtype == numpy.float32


def test_only_the_training_images_that_are_left_are_copied(settings):
    data = load_data(settings)
    wanted = settings.replace(augment=('flip',), train_size=50, validation_size=30)
    found, plain = choose(wanted, data), choose(wanted.replace(augment=()), data)
    assert len(found.x_train) == 100 and len(found.x_validation) == 30
    numpy.testing.assert_array_equal(found.x_train[::2], scale(plain.x_train))
    numpy.testing.assert_array_equal(found.x_train[1::2], scale(plain.x_train)[..., ::-1])
    assert found.x_validation is not None and found.x_validation.dtype == numpy.uint8
    numpy.testing.assert_array_equal(found.x_test, plain.x_test)


def test_no_copies_no_change(settings):
    data = load_data(settings)
    assert augmented(data, ()) is data


def test_a_run_says_on_what_it_trained_and_resumes(settings, tmp_path):
    wanted = settings.replace(augment=('flip', 'normalize'), epochs=1)
    result = train(wanted, tmp_path)
    # 360 images in steps of 20.
    assert result['iteration'] == 18
    assert json.loads((tmp_path / 'settings.json').read_text())['augment'] == ['flip', 'normalize']
    assert train(wanted, tmp_path) == result
    with pytest.raises(InputError, match='holds a run with augment'):
        train(settings.replace(epochs=1), tmp_path)


@pytest.mark.parametrize('copies', [('mirror',), ('flip', 'flip'), ('original',)])
def test_unknown_copies_are_named(copies):
    with pytest.raises(InputError, match=r'augment is .*; expected some of flip, normalize, median'):
        Settings(augment=copies)


def test_images_that_stay_on_disk_are_not_copied_in_memory(settings, tmp_path, monkeypatch):
    data = load_data(settings)
    hdf5.write(tmp_path / 'images.hdf5', data)
    monkeypatch.setattr(hdf5, 'LARGEST_IN_MEMORY', 0)
    on_disk = hdf5.read(tmp_path / 'images.hdf5')
    with pytest.raises(InputError, match=r'X_train is too large.*python -m augment'):
        augmented(on_disk, COPIES)
    numpy.testing.assert_array_equal(
        augmented(on_disk.subset(20, 0, None, 0), COPIES).x_train,
        augmented(data.subset(20, 0, None, 0), COPIES).x_train,
    )


def test_no_image_is_both_learnt_and_validated(tmp_path):
    source, out = tmp_path / 'IN.hdf5', tmp_path / 'OUT.hdf5'
    hdf5.write(source, shapes10.generate(40, 10))
    assert augment([str(source), str(out), '--copies', 'original', 'flip']) == 0
    data = hdf5.read(out)
    assert len(data.subset(train_size=8).x_train) == 8
    with pytest.raises(InputError, match=r'X_train holds 2 copies of each image.*before it is augmented'):
        data.subset(validation_size=4)
