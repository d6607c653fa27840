"""The listing's own calls."""

import chainer
import numpy
import pytest
from chainer import serializers

from vgg_cifar.models import VGG, Calculate_Test_Accuracy, Conv_NN


@pytest.fixture(scope='module')
def model():
    numpy.random.seed(0)
    return Conv_NN()


@pytest.fixture(scope='module')
def images():
    random = numpy.random.RandomState(0)
    return random.rand(5, 3, 32, 32).astype('f'), random.randint(0, 10, 5).astype('i')


def test_returns_loss_and_accuracy(model, images):
    loss, accuracy = model(*images, False, True, 0.4)
    assert loss.shape == accuracy.shape == ()
    with chainer.using_config('train', False):
        scores = VGG.forward(model, images[0]).array
    probabilities = numpy.exp(scores) / numpy.exp(scores).sum(1, keepdims=True)
    expected = -numpy.log(probabilities[range(5), images[1]]).mean()
    numpy.testing.assert_allclose(loss.array, expected, rtol=1e-5)
    assert accuracy.array == pytest.approx((scores.argmax(1) == images[1]).mean())


def test_bn_bool_is_chainer_1_test(model, images):
    """False normalises by the batch and moves the running statistics, True leaves them alone."""
    before = model.bn1_1.avg_mean.copy()
    model(*images, False, True, 0.4)
    numpy.testing.assert_array_equal(model.bn1_1.avg_mean, before)
    model(*images, False, False, 0.4)
    assert (model.bn1_1.avg_mean != before).all()


@pytest.mark.parametrize('bn_bool', [True, False])
def test_dropout_is_switched_apart_from_batch_norm(model, images, bn_bool):
    def loss(dropout_bool, p):
        return float(model(*images, dropout_bool, bn_bool, p)[0].array)

    assert loss(False, 0.9) == loss(False, 0.1) == loss(True, 0.0)
    assert loss(True, 0.9) != loss(True, 0.9)


def test_accuracy_counts_every_image_once(model, images):
    """In per cent; a last batch of another size weighs as many images as it has."""
    x, y = images
    with chainer.using_config('train', False):
        correct = VGG.forward(model, x).array.argmax(1) == y
    for batch_size in (5, 2):
        found = Calculate_Test_Accuracy(x, y, model, 0.4, False, batch_size)
        assert found == pytest.approx(100 * correct.mean())


def test_weights_pass_to_vgg_and_back(model, tmp_path):
    serializers.save_npz(tmp_path / 'model.npz', model)
    vgg, back = VGG(), Conv_NN()
    serializers.load_npz(tmp_path / 'model.npz', vgg)
    serializers.save_npz(tmp_path / 'vgg.npz', vgg)
    serializers.load_npz(tmp_path / 'vgg.npz', back)
    for (name, one), (other, two) in zip(model.namedparams(), back.namedparams(), strict=True):
        assert name == other
        numpy.testing.assert_array_equal(one.array, two.array)
