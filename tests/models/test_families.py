"""The networks of reports R2 to R5: their layers and sizes as the reports give them, their weights' start."""

import math

import chainer
import chainer.functions as F
import numpy
import pytest
from convolution_implementations import pooling_and_normalisation as oracles
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar import models
from vgg_cifar.convolution_implementations import from_scratch as scratch
from vgg_cifar.errors import InputError
from vgg_cifar.models import summary
from vgg_cifar.models.reduction_cnn import adaptive_average_pooling
from vgg_cifar.studies import mnist_convnetjs

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def build(family, options, n_classes=10, shape=GREY):
    numpy.random.seed(0)
    return models.build(family, options, n_classes, shape)


def widths(model, shape):
    """The heights of the images after each layer that changes them or convolves."""
    return [layer.shape[1] for layer in summary.layers(model, shape)[1:] if len(layer.shape) == 3]


def weights(model):
    return {name.strip('/'): parameter for name, parameter in model.namedparams()}


@pytest.mark.parametrize(
    'reduction, expected',
    [
        ('max_pooling', [28, 15, 15, 8, 8, 5, 5, 3, 2]),
        ('striding', [28, 14, 14, 7, 7, 4, 4, 2]),
        ('dilation', [28, 26, 26, 22, 22, 16, 16, 8, 2]),
    ],
)
@pytest.mark.parametrize('doubling', [False, True])
def test_r2_reduces_to_two_by_two_and_doubles(reduction, expected, doubling):
    model = build('reduction_cnn', {'reduction': reduction, 'doubling': doubling}, 47)
    assert widths(model, GREY) == expected
    kernels = [16, 32, 64, 128] if doubling else [16] * 4
    found = weights(model)
    assert [len(found[f'conv{layer}/W']) for layer in (1, 2, 3, 4)] == kernels
    assert found['fc/W'].shape == (47, 4 * kernels[-1])
    assert not any(name.endswith('/b') for name in found)
    dilations = [model[f'reduce{layer}'].dilate for layer in (1, 2, 3, 4)] if reduction == 'dilation' else []
    assert dilations == ([(2, 2), (3, 3), (4, 4), (5, 5)] if dilations else [])


@settings(max_examples=20)
@given(width=st.integers(2, 12))
def test_adaptive_pooling_is_pytorchs(width):
    """Window i of n runs from floor(i w / n) to ceil((i + 1) w / n)."""
    x = numpy.random.RandomState(width).rand(2, 3, width, width).astype('f')
    starts = [i * width // 2 for i in range(2)]
    stops = [-(-(i + 1) * width // 2) for i in range(2)]
    expected = [
        [x[:, :, top:bottom, left:right].mean(axis=(2, 3)) for left, right in zip(starts, stops, strict=True)]
        for top, bottom in zip(starts, stops, strict=True)
    ]
    found = adaptive_average_pooling(chainer.Variable(x)).array
    numpy.testing.assert_allclose(found, numpy.array(expected).transpose(2, 3, 0, 1), rtol=1e-5)


@pytest.mark.parametrize('blocks, convolutions', [(0, 7), (5, 37)])
def test_r3_has_as_many_convolutions_as_its_name_says(blocks, convolutions):
    model = build('residual_vgg', {'blocks': blocks}, 100, COLOUR)
    found = [name for name in weights(model) if name.startswith(('conv', 'entry/')) and name.endswith('/W')]
    assert len(found) == convolutions
    assert all(weights(model)[name].shape[:1] == (32,) for name in found)
    assert weights(model)['fc/W'].shape == (100, 32)
    # In the broken network only the entry block is normalised.
    assert [name for name in weights(model) if 'bn' in name] == ['entry_bn/beta', 'entry_bn/gamma']


def test_r3_by_hand():
    """A network of one block a stage, from scratch: shortcuts around both, pooled in a reduction."""
    model = build('residual_vgg', {'blocks': 1, 'residual': True, 'batch_norm': True}, 5, COLOUR)
    x = numpy.random.RandomState(0).rand(2, *COLOUR).astype('f')
    arrays = {name: parameter.array.astype('f8') for name, parameter in weights(model).items()}

    def convolved(h, name):
        w = arrays[f'{name}/W']
        return scratch.convolution_by_im2col(h, w, arrays.get(f'{name}/b', numpy.zeros(len(w))), pad=1)

    def normalised(h):
        return oracles.batch_normalisation(h, numpy.ones(32), numpy.zeros(32))

    def pooled(h):
        return h.reshape(*h.shape[:2], h.shape[2] // 2, 2, h.shape[3] // 2, 2).mean(axis=(3, 5))

    def leaky(h):
        return numpy.where(h > 0, h, 0.01 * h)

    h = leaky(normalised(convolved(x.astype('f8'), 'entry')))
    for stage in (1, 2, 3):
        inner = leaky(normalised(convolved(h, f'conv{stage}_1')))
        h = leaky(normalised(convolved(inner, f'conv{stage}_2')) + h)
        inner = pooled(leaky(normalised(convolved(h, f'conv{stage}_3'))))
        h = leaky(normalised(convolved(inner, f'conv{stage}_4')) + pooled(h))
    expected = h.mean(axis=(2, 3)) @ arrays['fc/W'].T + arrays['fc/b']
    numpy.testing.assert_allclose(model(x).array, expected, rtol=1e-3, atol=1e-4)


def test_r3_drops_only_in_training():
    model = build('residual_vgg', {'blocks': 0, 'dropout': 0.5}, 5, COLOUR)
    x = numpy.random.RandomState(0).rand(2, *COLOUR).astype('f')
    with chainer.using_config('train', False):
        numpy.testing.assert_array_equal(model(x).array, model(x).array)
    assert (model(x).array != model(x).array).any()


@pytest.mark.parametrize(
    'family, options, shape',
    [('reduction_cnn', {'doubling': True}, GREY), ('residual_vgg', {'blocks': 0}, COLOUR)],
)
def test_r2_and_r3_start_as_pytorch_does(family, options, shape):
    """Evenly from -1 / sqrt(n) to 1 / sqrt(n), n inputs to each output: a variance of 1 / (3 n)."""
    for name, parameter in weights(build(family, options, 47, shape)).items():
        if not name.endswith('/W') or parameter.size < 1000:
            continue
        bound = 1 / math.sqrt(math.prod(parameter.shape[1:]))
        assert abs(parameter.array).max() <= bound
        assert parameter.array.var() == pytest.approx(bound**2 / 3, rel=0.1)


@pytest.mark.parametrize('place, normalised', [('none', 0), ('hidden', 4), ('every', 5)])
def test_r4_has_four_hidden_layers_of_100(place, normalised):
    model = build('mlp', {'batch_norm': place}, 47)
    found = weights(model)
    assert [found[f'fc{layer}/W'].shape for layer in range(1, 6)] == [
        (100, 784),
        (100, 100),
        (100, 100),
        (100, 100),
        (47, 100),
    ]
    assert sum(name.endswith('/gamma') for name in found) == normalised
    x = numpy.random.RandomState(0).rand(3, *GREY).astype('f')
    if place == 'none':
        h = x.reshape(3, -1).astype('f8')
        for layer in range(1, 6):
            h = numpy.maximum(h, 0) if layer > 1 else h
            h = h @ found[f'fc{layer}/W'].array.T.astype('f8') + found[f'fc{layer}/b'].array
        numpy.testing.assert_allclose(model(x).array, h, rtol=1e-4, atol=1e-5)


def test_r4_cnn_by_hand():
    """Section 5: 5x5 convolution of 5 and 10 maps, ReLU, 2x2 max pooling, twice; then one linear layer."""
    model = build('conv_pool', {}, 47)
    found = {name: parameter.array.astype('f8') for name, parameter in weights(model).items()}
    assert found['fc/W'].shape == (47, 10 * 4 * 4)
    x = numpy.random.RandomState(0).rand(2, *GREY).astype('f')
    h = x.astype('f8')
    for layer in ('conv1', 'conv2'):
        h = numpy.maximum(scratch.convolution_by_loops(h, found[f'{layer}/W'], found[f'{layer}/b']), 0)
        h, _ = oracles.max_pooling(h, 2, 2)
    expected = h.reshape(2, -1) @ found['fc/W'].T + found['fc/b']
    numpy.testing.assert_allclose(model(x).array, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    'variant, expected',
    [
        (mnist_convnetjs.DEFAULT, [24, 12, 12, 4]),
        (mnist_convnetjs.SMALL, [26, 13, 15, 5]),
        (mnist_convnetjs.STRIDE, [12, 6, 3, 1]),
        (mnist_convnetjs.MORE, [24, 12, 12, 4]),
        (mnist_convnetjs.THIRD, [24, 12, 12, 4, 4, 3]),
        (mnist_convnetjs.ONE, [24, 12]),
    ],
)
def test_r5_has_the_sizes_that_its_report_lists(variant, expected):
    model = build('conv_pool', variant.changes['model_options'], 10, (1, 24, 24))
    assert widths(model, (1, 24, 24)) == expected


def test_r5_has_the_parameters_that_its_report_counts():
    """Figures 5 and 6: 208 and 3,216; biases before a ReLU start at 0.1."""
    model = build('conv_pool', mnist_convnetjs.DEFAULT.changes['model_options'], 10, (1, 24, 24))
    rows = {row.name: row.parameters for row in summary.layers(model, (1, 24, 24))}
    assert (rows['conv1'], rows['conv2'], rows['fc']) == (208, 3216, 2570)
    assert (model.conv1.b.array == numpy.float32(0.1)).all() and (model.fc.b.array == 0).all()


@pytest.mark.parametrize(
    'family, options, shape, message',
    [
        ('reduction_cnn', {'reduction': 'mean'}, GREY, "reduction is 'mean'; expected one of max_pooling"),
        ('reduction_cnn', {'kernels': 0}, GREY, 'kernels is 0'),
        ('reduction_cnn', {}, (1, 20, 20), 'needs square images of at least 24x24'),
        ('residual_vgg', {'blocks': -1}, COLOUR, 'blocks is -1'),
        ('residual_vgg', {'dropout': 1.0}, COLOUR, 'dropout is 1.0'),
        ('residual_vgg', {}, (3, 4, 4), 'at least 8x8 pixels'),
        ('mlp', {'batch_norm': 'all'}, GREY, "batch_norm is 'all'; expected one of none, hidden, every"),
        ('mlp', {'units': 0}, GREY, 'units is 0; expected a whole number, 1 or more'),
        ('mlp', {'dropout': -0.1}, GREY, 'dropout is -0.1'),
        ('conv_pool', {'pools': (2,)}, GREY, 'expected a number each for every layer'),
        ('conv_pool', {'stride': 0}, GREY, 'stride is 0'),
        ('conv_pool', {'size': 9, 'pools': (3, 3)}, GREY, 'nothing of it is left after layer 2'),
        ('conv_pool', {'channels': 5}, GREY, 'channels is 5; expected whole numbers with commas'),
        ('vgg', {}, (3, 4, 4), 'at least 8x8 pixels'),
        ('vgg', {'filter_size': 3.0}, COLOUR, 'filter_size is 3.0; expected one of 3, 5, 7'),
    ],
)
def test_bad_options_and_images_are_named(family, options, shape, message):
    with pytest.raises(InputError, match=message) as error:
        build(family, options, 10, shape)
    assert str(error.value).startswith(f'--model {family}: ')


@pytest.mark.parametrize('family', models.FAMILIES)
def test_every_option_says_what_it_may_be_and_may_be_its_default(family):
    kinds, defaults = models.FAMILIES[family].options, models.option_defaults(family)
    assert kinds.keys() == defaults.keys()
    for name, default in defaults.items():
        assert kinds[name].fits(default)
        # Not by chance a value that Python takes for another.
        assert not kinds[name].fits('abc') and not kinds[name].fits(math.nan)


@pytest.mark.parametrize('family', models.FAMILIES)
def test_every_family_learns_from_a_batch(family):
    shape = COLOUR if family in ('vgg', 'residual_vgg') else GREY
    options = {'blocks': 0, 'batch_norm': True} if family == 'residual_vgg' else {}
    options = {'depth': 'A', 'dropout': 0.0} if family == 'vgg' else options
    model = build(family, options, 3, shape)
    x, y = numpy.random.RandomState(0).rand(6, *shape).astype('f'), numpy.array([0, 1, 2] * 2, 'i4')
    optimizer = chainer.optimizers.Adam(0.003).setup(model)
    losses = []
    for _ in range(30):
        loss = F.softmax_cross_entropy(model(x), y)
        losses.append(float(loss.array))
        model.cleargrads()
        loss.backward()
        optimizer.update()
    assert losses[-1] < 0.8 * losses[0]
