"""What takes the steps keeps all that a later step depends on."""

import chainer
import numpy
import pytest

from vgg_cifar.models import MLP
from vgg_cifar.training import optimizers
from vgg_cifar.training.batches import Batches, ShuffledBatches
from vgg_cifar.training.classifier import Classifier
from vgg_cifar.training.updater import Updater

CPU = chainer.get_device('@numpy')


def updater():
    random = numpy.random.RandomState(0)
    images = Batches(random.uniform(size=(20, 1, 5, 5)).astype('f'), random.randint(0, 10, 20, 'i'), CPU)
    numpy.random.seed(0)
    optimizer = optimizers.build('sgd', Classifier(MLP(units=4, image_shape=(1, 5, 5))), 0.1, {}, 0.0)
    optimizers.scale_losses(optimizer)
    return Updater(ShuffledBatches(images, 5, seed=0), optimizer, CPU)


@pytest.mark.parametrize('overflown', [False, True])
def test_a_resumed_run_scales_losses_as_the_uninterrupted_one(overflown):
    def steps(taking, count):
        scales = []
        for _ in range(count):
            taking.update()
            scales.append(taking.get_optimizer('main')._loss_scale)
        return scales

    whole = updater()
    whole.get_optimizer('main')._loss_scaling_isnan_ever = overflown
    steps(whole, 3)
    saved = chainer.serializers.DictionarySerializer()
    saved.save(whole)
    resumed = updater()
    chainer.serializers.NpzDeserializer(saved.target).load(resumed)
    assert steps(resumed, 3) == steps(whole, 3)
    for one, other in zip(
        *(each.get_optimizer('main').target.params() for each in (whole, resumed)), strict=True
    ):
        numpy.testing.assert_array_equal(one.array, other.array)
    for each in (whole, resumed):
        each.finalize()
