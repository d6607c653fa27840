"""The table of layers against counts worked out by hand."""

import math

import chainer
import chainer.links as L
import numpy

from vgg_cifar.models import VGG
from vgg_cifar.models.summary import layers, table


def test_counts_of_the_listing():
    found = layers(VGG())
    rows = {row.name: row for row in found}
    assert rows['conv1_1'].shape == (64, 32, 32)
    assert rows['conv1_1'].parameters == 3 * 3 * 3 * 64 + 64
    assert rows['conv1_1'].multiply_accumulates == 3 * 3 * 3 * 64 * 32 * 32
    assert rows['bn2_1'].parameters == 2 * 128
    # The report's table gives the second convolution of a block the input channels of the first.
    assert rows['conv2_1'].parameters == 3 * 3 * 64 * 128 + 128
    assert rows['conv2_2'].parameters == 3 * 3 * 128 * 128 + 128
    # The report's table keeps ImageNet's sizes after the first pooling.
    assert rows['conv2_1'].shape == (128, 16, 16)
    assert rows['conv3_4'].shape == (256, 8, 8)
    assert rows['fc4'].parameters == 4 * 4 * 256 * 500 + 500
    assert [row.name for row in found].count('MaxPoolingND') == 3


def test_totals_are_the_models():
    for depth in ('listing', 'A', 'D', 'E'):
        for batch_norm in (True, False):
            model = VGG(depth, batch_norm, pooling='average')
            assert sum(row.parameters for row in layers(model)) == model.count_params()


def test_nothing_moves():
    model = VGG(image_shape=(3, 8, 8))
    before = {name: array.copy() for name, array in chainer.serializers.npz.serialize(model).items()}
    layers(model, (3, 8, 8))
    for name, array in chainer.serializers.npz.serialize(model).items():
        numpy.testing.assert_array_equal(array, before[name])


def test_any_chain():
    chain = chainer.Sequential(L.Convolution2D(1, 4, 3), L.Linear(4 * 6 * 6, 5))
    rows = layers(chain, (1, 8, 8))
    assert [row.shape for row in rows] == [(1, 8, 8), (4, 6, 6), (5,)]
    assert rows[1].multiply_accumulates == math.prod((4, 6, 6)) * 9


def test_table_ends_with_totals():
    lines = table(VGG()).splitlines()
    assert lines[-2].split()[0] == 'total'
    assert f'{VGG().count_params():,}' in lines[-2]
