"""VGG against the report's own listing, written out by hand."""

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
import pytest
from chainer import serializers

from vgg_cifar.models import VGG
from vgg_cifar.models.vgg import DEPTHS, POOLINGS


class Listing(chainer.Chain):
    """Report R1, section 8, unrolled as it stands there; only the switches are Chainer 7's."""

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.conv1_1 = L.Convolution2D(3, 64, 3, pad=1)
            self.bn1_1 = L.BatchNormalization(64)
            self.conv1_2 = L.Convolution2D(64, 64, 3, pad=1)
            self.bn1_2 = L.BatchNormalization(64)
            self.conv2_1 = L.Convolution2D(64, 128, 3, pad=1)
            self.bn2_1 = L.BatchNormalization(128)
            self.conv2_2 = L.Convolution2D(128, 128, 3, pad=1)
            self.bn2_2 = L.BatchNormalization(128)
            self.conv3_1 = L.Convolution2D(128, 256, 3, pad=1)
            self.bn3_1 = L.BatchNormalization(256)
            self.conv3_2 = L.Convolution2D(256, 256, 3, pad=1)
            self.bn3_2 = L.BatchNormalization(256)
            self.conv3_3 = L.Convolution2D(256, 256, 3, pad=1)
            self.bn3_3 = L.BatchNormalization(256)
            self.conv3_4 = L.Convolution2D(256, 256, 3, pad=1)
            self.bn3_4 = L.BatchNormalization(256)
            self.fc4 = L.Linear(4 * 4 * 256, 500)
            self.fc5 = L.Linear(500, 500)
            self.fc6 = L.Linear(500, 10)

    def forward(self, x, p=0.4):
        h = F.relu(self.bn1_1(self.conv1_1(x)))
        h = F.relu(self.bn1_2(self.conv1_2(h)))
        h = F.dropout(F.max_pooling_2d(h, 2, 2), p)
        h = F.relu(self.bn2_1(self.conv2_1(h)))
        h = F.relu(self.bn2_2(self.conv2_2(h)))
        h = F.dropout(F.max_pooling_2d(h, 2, 2), p)
        h = F.relu(self.bn3_1(self.conv3_1(h)))
        h = F.relu(self.bn3_2(self.conv3_2(h)))
        h = F.relu(self.bn3_3(self.conv3_3(h)))
        h = F.relu(self.bn3_4(self.conv3_4(h)))
        h = F.dropout(F.max_pooling_2d(h, 2, 2), p)
        h = F.dropout(F.relu(self.fc4(h)), p)
        h = F.dropout(F.relu(self.fc5(h)), p)
        return self.fc6(h)


@pytest.fixture(scope='module')
def batch():
    random = numpy.random.RandomState(0)
    return random.rand(4, 3, 32, 32).astype('f'), random.randint(0, 10, 4).astype('i')


@pytest.fixture
def pair(tmp_path):
    """The listing's network, and a VGG that has loaded its saved weights."""
    numpy.random.seed(1)
    listing = Listing()
    serializers.save_npz(tmp_path / 'listing.npz', listing)
    vgg = VGG()
    serializers.load_npz(tmp_path / 'listing.npz', vgg)
    return listing, vgg


def loss_and_gradients(model, x, t):
    model.cleargrads()
    numpy.random.seed(2)  # the same dropout masks
    with chainer.using_config('train', True):
        loss = F.softmax_cross_entropy(model(x), t)
    loss.backward()
    return loss.array, {name: parameter.grad for name, parameter in model.namedparams()}


def test_trains_as_the_listing_does(pair, batch):
    (loss, gradients), (vgg_loss, vgg_gradients) = (loss_and_gradients(model, *batch) for model in pair)
    numpy.testing.assert_allclose(vgg_loss, loss, rtol=1e-5)
    assert gradients.keys() == vgg_gradients.keys()
    # A bias before a batch normalisation has no gradient but rounding errors.
    rounding = 1e-6 * max(abs(gradient).max() for gradient in gradients.values())
    for name, gradient in gradients.items():
        tolerance = 1e-4 * abs(gradient).max() + rounding
        numpy.testing.assert_allclose(vgg_gradients[name], gradient, atol=tolerance, err_msg=name)


def test_tests_as_the_listing_does(pair, batch):
    listing, vgg = pair
    with chainer.using_config('train', False):
        numpy.testing.assert_allclose(vgg(batch[0]).array, listing(batch[0]).array, rtol=1e-4, atol=1e-5)


def test_weights_load_into_the_listing(tmp_path):
    vgg, listing = VGG(), Listing()
    serializers.save_npz(tmp_path / 'vgg.npz', vgg)
    serializers.load_npz(tmp_path / 'vgg.npz', listing)
    saved = dict(vgg.namedparams())
    for name, parameter in listing.namedparams():
        numpy.testing.assert_array_equal(parameter.array, saved[name].array)


@pytest.mark.parametrize('depth', DEPTHS)
@pytest.mark.parametrize('batch_norm', [True, False])
def test_depths(depth, batch_norm):
    """The VGG table's columns (Simonyan and Zisserman, 2014), four blocks; the listing has three."""
    convolutions = {'listing': (2, 2, 4), 'A': (1, 1, 2, 2), 'D': (2, 2, 3, 3), 'E': (2, 2, 4, 4)}[depth]
    model = VGG(depth, batch_norm, n_classes=7, image_shape=(3, 16, 16))
    names = [link.name for link in model.children()]
    expected = []
    for block, count in enumerate(convolutions, start=1):
        for layer in range(1, count + 1):
            expected += [f'conv{block}_{layer}', f'bn{block}_{layer}'][: 2 if batch_norm else 1]
            assert model[f'conv{block}_{layer}'].W.shape[0] == 32 * 2**block
    expected += [f'fc{len(convolutions) + k}' for k in (1, 2, 3)]
    assert sorted(names) == sorted(expected)
    assert model(numpy.zeros((2, 3, 16, 16), 'f')).shape == (2, 7)


@pytest.mark.parametrize('filter_size', [3, 5, 7])
@pytest.mark.parametrize('pooling', ['max', 'average'])
@pytest.mark.parametrize('size', [8, 13])
def test_sizes(filter_size, pooling, size):
    """A filter keeps the image's size; both poolings halve it alike, odd sizes included."""
    model = VGG(pooling=pooling, filter_size=filter_size, image_shape=(1, size, size))
    assert model.conv1_1.W.shape == (64, 1, filter_size, filter_size)
    assert model.fc4.W.shape == (500, 256)
    assert model(numpy.zeros((2, 1, size, size), 'f')).shape == (2, 10)


def test_pooling_is_what_it_says():
    x = numpy.arange(4, dtype='f').reshape(1, 1, 2, 2)
    assert POOLINGS['max'](x).array.item() == 3
    assert POOLINGS['average'](x).array.item() == 1.5


def test_dropout_acts_in_training_only():
    model = VGG(dropout=0.9, image_shape=(3, 8, 8))
    x = numpy.random.RandomState(0).rand(4, 3, 8, 8).astype('f')
    with chainer.using_config('train', False):
        numpy.testing.assert_array_equal(model(x).array, model(x).array)
    with chainer.using_config('train', True):
        assert (model(x).array != model(x).array).any()


def test_no_dropout_draws_no_random_numbers():
    model = VGG(dropout=0, image_shape=(3, 8, 8))
    before = numpy.random.get_state()[2]
    model(numpy.zeros((2, 3, 8, 8), 'f'))
    assert numpy.random.get_state()[2] == before


@pytest.mark.parametrize(
    'argument, message',
    [
        ({'depth': 'B'}, "depth is 'B'; expected one of listing, A, D, E"),
        ({'pooling': 'min'}, "pooling is 'min'"),
        ({'filter_size': 4}, 'filter_size is 4'),
        ({'dropout': 1.0}, 'dropout is 1.0'),
        ({'image_shape': (3, 4, 4)}, 'needs at least 8x8'),
    ],
)
def test_refuses_what_it_does_not_know(argument, message):
    with pytest.raises(ValueError, match=message.replace('(', r'\(')):
        VGG(**argument)
