"""The layers of our networks against the same layers out of Chainer's own functions on NumPy."""

import contextlib
import gc
import weakref

import chainer
import chainer.functions as F
import chainer.link_hooks
import chainer.links as L
import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators import layers, onednn
from vgg_cifar.accelerators.onednn import elementwise, library, matrices, memory, normalisation
from vgg_cifar.errors import InputError
from vgg_cifar.models import VGG


def has_bfloat16() -> bool:
    return onednn.live() and library.load().has_bfloat16


needs_bfloat16 = pytest.mark.skipif(
    not has_bfloat16(), reason='needs oneDNN and a CPU that multiplies bfloat16'
)
some = settings(max_examples=40)
seeds = st.integers(0, 2**31)


def numbers(shape, seed):
    return numpy.random.RandomState(seed).standard_normal(shape).astype(numpy.float32)


def links(n_in, n_out, size=3, seed=0, batch_norm=True, **options):
    conv = L.Convolution2D(n_in, n_out, size, **options)
    bn = L.BatchNormalization(n_out) if batch_norm else None
    for k, param in enumerate([*conv.params(), *(bn.params() if bn else ())]):
        param.array[...] = numbers(param.shape, seed + k) * 0.3 + (param.ndim == 1)
    return conv, bn


def plainly(conv, bn, x, slope=0.0, shortcut=None, relu=True):
    h = conv(x)
    h = h if bn is None else bn(h)
    h = h if shortcut is None else h + shortcut
    return F.leaky_relu(h, slope) if relu else h


def run(layer, x, owners, gy_seed=1):
    """Return the output, and the gradients of x and of all parameters."""
    x = chainer.Variable(x)
    for owner in owners:
        owner.cleargrads()
    y = layer(x)
    y.grad = numbers(y.shape, gy_seed).astype(y.dtype)
    y.backward()
    return [y.array, x.grad, *(param.grad for owner in owners for param in owner.params())]


def agree(wanted, found, tolerance=1e-4):
    for want, have in zip(wanted, found, strict=True):
        # Beside an infinity all else would be nothing, and the infinity itself no number.
        scale = max(1.0, float(abs(want[numpy.isfinite(want)]).max(initial=0)))
        numpy.testing.assert_allclose(have.astype('f') / scale, want / scale, rtol=0, atol=tolerance)


@some
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(3, 9), st.integers(3, 9)),
    st.integers(1, 20),
    st.sampled_from([(1, 1, 1), (2, 0, 1), ((1, 2), (1, 0), 1), (1, 2, 2)]),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_convolution(shape, n_out, moves, batch_norm, nobias, seed):
    stride, pad, dilate = moves
    shape = (shape[0] + 3 * batch_norm, *shape[1:])
    options = {'stride': stride, 'pad': pad, 'dilate': dilate, 'nobias': nobias}
    conv, bn = links(shape[1], n_out, 2, seed, batch_norm, **options)
    owners = [conv, bn] if bn else [conv]
    x = numbers(shape, seed + 9)
    averages = []
    found = []
    for layer, use_ideep in ((plainly, 'never'), (layers.convolution, 'auto')):
        if bn:
            bn.avg_mean[...], bn.avg_var[...] = 0, 1
        with chainer.using_config('use_ideep', use_ideep):
            found.append(run(lambda x, layer=layer: layer(conv, bn, x), x, owners))
        averages.append([bn.avg_mean.copy(), bn.avg_var.copy()] if bn else [])
    # The convolution's bias has no effect before a normalisation; its gradient is rounding.
    agree(*found, tolerance=2e-3 if bn else 1e-4)
    agree(*averages)


@some
@given(
    st.integers(1, 4),
    st.sampled_from([0.0, 0.01, 0.2, None]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_leaky_convolution_with_a_shortcut(channels, slope, shortcut, batch_norm, train, seed):
    """Trained and tested, with a graph and without one."""
    conv, bn = links(channels, channels, 3, seed, batch_norm, pad=1)
    owners = [conv, bn] if bn else [conv]
    x = numbers((4, channels, 5, 6), seed + 9)

    def layer(function, x):
        if bn:
            bn.avg_mean[...], bn.avg_var[...] = 0.5, 2
        return function(conv, bn, x, slope or 0, x if shortcut else None, relu=slope is not None)

    with chainer.using_config('train', train):
        with chainer.using_config('use_ideep', 'never'):
            wanted = run(lambda x: layer(plainly, x), x, owners)
        agree(wanted, run(lambda x: layer(layers.convolution, x), x, owners), tolerance=2e-3)
        with chainer.no_backprop_mode():
            agree(wanted[:1], [layer(layers.convolution, x).array], tolerance=2e-3)


@some
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), seeds)
def test_convolution_in_groups(groups, per_group, out_per_group, seed):
    conv, _ = links(groups * per_group, groups * out_per_group, 3, seed, False, groups=groups, pad=1)
    x = numbers((2, groups * per_group, 6, 5), seed)
    with chainer.using_config('use_ideep', 'never'):
        wanted = run(lambda x: plainly(conv, None, x), x, [conv])
    agree(wanted, run(lambda x: layers.convolution(conv, None, x), x, [conv]))


@some
@given(st.booleans(), st.booleans(), seeds)
def test_convolution_without_a_graph_is_one_convolution(batch_norm, nobias, seed):
    conv, bn = links(3, 17, 3, seed, batch_norm, pad=1, nobias=nobias)
    if bn:
        bn.avg_mean[...], bn.avg_var[...] = numbers(17, seed), abs(numbers(17, seed + 1)) + 0.1
    x = numbers((2, 3, 7, 8), seed)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        with chainer.using_config('use_ideep', 'never'):
            wanted = plainly(conv, bn, x)
        found = layers.convolution(conv, bn, x)
    agree([wanted.array], [found.array])
    assert found.creator is None


@some
@given(
    st.sampled_from(['max', 'relu', 'average']),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 1),
    seeds,
)
def test_pooling(kind, size, stride, pad, seed):
    # In the padding alone, the maximum is minus infinity, which a ReLU behind would turn into 0.
    pad = 0 if kind == 'relu' and size == 1 else pad
    # Rounded, so that there are equal numbers in a window, and zeros.
    x = numbers((2, 5, 8, 9), seed).round()

    def chainers(x):
        if kind == 'average':
            return F.average_pooling_2d(x, size, stride, pad)
        return F.max_pooling_2d(F.relu(x) if kind == 'relu' else x, size, stride, pad, cover_all=False)

    def ours(x):
        if kind == 'average':
            return layers.average_pooling(x, size, stride, pad)
        return layers.max_pooling(x, size, stride, pad, relu=kind == 'relu')

    with chainer.using_config('use_ideep', 'never'):
        wanted = run(chainers, x, [])
        agree(wanted, run(ours, x, []), tolerance=0)
    agree(wanted, run(ours, x, []))


@some
@given(
    st.sampled_from([(5, 1), (4, 6), (4, 3, 2, 5)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_linear(shape, nobias, batch_norm, relu, small, seed):
    link = L.Linear(int(numpy.prod(shape[1:])), 7, nobias=nobias)
    link.W.array[...] = numbers(link.W.shape, seed)
    bn = L.BatchNormalization(7) if batch_norm else None
    if bn is not None:
        bn.gamma.array[...], bn.beta.array[...] = numbers(7, seed + 1), numbers(7, seed + 2)
    owners = [link, *([] if bn is None else [bn])]
    x = numbers(shape, seed + 3)

    def plainly(x):
        h = link(x) if bn is None else bn(link(x))
        return F.relu(h) if relu else h

    with chainer.using_config('use_ideep', 'never'):
        wanted = run(plainly, x, owners)
        averages = [] if bn is None else [bn.avg_mean.copy(), bn.avg_var.copy()]
    if bn is not None:
        bn.avg_mean[...], bn.avg_var[...] = 0, 1
    with pytest.MonkeyPatch.context() as patch:
        for module in [] if small else [matrices, elementwise, normalisation]:
            patch.setattr(module, 'SMALL', 0)
        found = run(lambda x: layers.linear(link, x, bn, relu), x, owners)
    agree(wanted, found)
    agree(averages, [] if bn is None else [bn.avg_mean, bn.avg_var])


@pytest.mark.parametrize('compute', ['float32', 'bfloat16'])
@pytest.mark.parametrize('n_in', [10, 12000])
def test_images_of_another_size_are_refused(n_in, compute):
    if compute == 'bfloat16' and not library.load().has_bfloat16:
        pytest.skip('the CPU has no AVX-512 with bfloat16')
    with layers.using_compute(compute), pytest.raises(ValueError, match=rf'{n_in} numbers, expected 12'):
        layers.linear(L.Linear(12, 5), numbers((4, n_in), 0))


def test_numbers_with_their_bytes_the_other_way_round_are_left_to_chainer():
    with pytest.raises(chainer.utils.type_check.InvalidType, match='>f4'):
        layers.linear(L.Linear(6, 3), numbers((4, 6), 0).astype('>f4'))


@some
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([0.1, 1.0, 100.0]), seeds)
def test_classification(n, n_classes, spread, seed):
    scores = numbers((n, n_classes), seed) * numpy.float32(spread)
    labels = numpy.random.RandomState(seed).randint(0, n_classes, n).astype('i')
    with chainer.using_config('use_ideep', 'never'):
        wanted = run(lambda x: layers.classification(x, labels)[0], scores, [])
        accuracy = layers.classification(scores, labels)[1].array
    agree(wanted, run(lambda x: layers.classification(x, labels)[0], scores, []))
    found = layers.classification(scores, labels)[1].array
    assert found.dtype == accuracy.dtype
    assert found == pytest.approx(accuracy)


def test_classification_of_scores_that_are_no_numbers():
    for bad in (numpy.nan, numpy.inf):
        with numpy.errstate(invalid='ignore'):
            loss, _ = layers.classification(numpy.array([[1, bad], [0, 1]], 'f'), numpy.array([0, 1]))
        assert not numpy.isfinite(loss.array)


@pytest.mark.parametrize('ratio', [0.1, 0.4, 0.9, 0.99])
def test_dropout(ratio):
    x = numbers((50, 40, 10, 10), 0)
    numpy.random.seed(3)
    y, gx = run(lambda x: layers.dropout(x, ratio), x, [])
    kept = y != 0
    assert abs(kept.mean() - (1 - ratio)) < 4 * numpy.sqrt(ratio * (1 - ratio) / x.size)
    numpy.testing.assert_allclose(y[kept], x[kept] / numpy.float32(1 - ratio), rtol=1e-5)
    numpy.testing.assert_allclose(gx, numbers(x.shape, 1) * kept / numpy.float32(1 - ratio), rtol=1e-5)
    numpy.random.seed(3)
    numpy.testing.assert_array_equal(layers.dropout(x, ratio).array, y)
    assert (layers.dropout(x, ratio).array != y).any()


def test_dropout_of_nothing_and_of_too_much():
    x = numbers((2, 3), 0)
    numpy.testing.assert_array_equal(layers.dropout(x, 0).array, x)
    with pytest.raises(ValueError, match='ratio is 1'):
        layers.dropout(x, 1)


@pytest.mark.parametrize('batch_norm', [True, False])
def test_numerical_gradients(batch_norm):
    """Along random directions, the output changes as the gradients say."""
    conv, bn = links(2, 3, 3, 0, batch_norm, pad=1)
    fc = L.Linear(3 * 3 * 3, 2)
    owners = [conv, bn, fc] if bn else [conv, fc]
    x, gy = numbers((3, 2, 6, 6), 5), numbers((3, 2), 1)

    def network(x):
        h = layers.average_pooling(layers.convolution(conv, bn, x))
        return layers.linear(fc, layers.max_pooling(h, 1))

    gradients = run(network, x, owners)[1:]
    arrays = [x, *(param.array for owner in owners for param in owner.params())]
    for seed in range(5):
        directions = [numbers(array.shape, seed + k) for k, array in enumerate(arrays)]
        values = []
        for step in (-1e-3, 2e-3):
            for array, direction in zip(arrays, directions, strict=True):
                array += numpy.float32(step) * direction
            values.append(float((network(x).array.astype('d') * gy).sum()))
        for array, direction in zip(arrays, directions, strict=True):
            array -= numpy.float32(1e-3) * direction
        wanted = (values[1] - values[0]) / 2e-3
        found = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
        # A ReLU that changes sides within the step bends the line a little.
        assert found == pytest.approx(wanted, rel=0.05, abs=0.3)


@pytest.mark.parametrize('slope', [0.0, 0.1])
def test_second_derivatives(slope):
    conv, bn = links(2, 3, 3, 0, True, pad=1)
    residual, _ = links(3, 3, 3, 1, False, pad=1)
    penalties = []
    for use_ideep in ('never', 'auto'):
        with chainer.using_config('use_ideep', use_ideep):
            x = chainer.Variable(numbers((4, 2, 6, 6), 5))
            h = layers.convolution(conv, bn, x, slope)
            h = layers.convolution(residual, None, h, slope, shortcut=h)
            y = F.sum(layers.max_pooling(h) ** 2)
            (gx,) = chainer.grad([y], [x], enable_double_backprop=True)
            penalty = F.sum(gx**2)
            conv.cleargrads()
            penalty.backward()
            penalties.append([penalty.array, conv.W.grad, x.grad])
    agree(*penalties, tolerance=1e-3)


def test_nan_stays_visible():
    conv, bn = links(3, 16, 3, 0, True, pad=1)
    x = numbers((2, 3, 6, 6), 0)
    x[0, 0, 0, 0] = numpy.nan
    for batch_norm in (bn, None):
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            y = layers.max_pooling(layers.convolution(conv, batch_norm, x))
            assert numpy.isnan(y.array[0]).any()
            assert not numpy.isnan(y.array[1]).any()
        shortcut = numbers((2, 16, 6, 6), 1)
        for more in ((), (0.1,), (0.0, shortcut), (0.1, shortcut)):
            assert numpy.isnan(layers.convolution(conv, batch_norm, x, *more).array).any()


@some
@given(
    st.sampled_from([1, 1e3, 1e9, 1e20, 1e30, numpy.nan, numpy.inf]),
    st.sampled_from([0, 1e-3, 1e10, 1e25, 1e38, numpy.nan, -numpy.inf]),
    st.integers(1, 4),
    st.booleans(),
    seeds,
)
def test_a_diverging_network_shows_it(scale, odd, n_layers, pooling, seed):
    """Where Chainer's functions have NaN or an infinity, so have ours; no result exceeds its bound."""
    x = numbers((2, 2, 6, 6), seed) * numpy.float32(scale)
    convolutions = [links(2 if k == 0 else 3, 3, 3, seed + k, False, pad=1)[0] for k in range(n_layers)]
    convolutions[-1].W.array[0, 0, 1, 1] = odd
    found = []
    for use_ideep in ('never', 'auto'):
        h = chainer.Variable(x)
        with chainer.using_config('use_ideep', use_ideep), numpy.errstate(all='ignore'):
            for conv in convolutions:
                h = layers.convolution(conv, None, h, relu=not pooling)
                if pooling:
                    h = layers.max_pooling(h, 3, 1, 1, relu=True)
            found.append(h)
    wanted, ours = found
    if numpy.isfinite(wanted.array).all():
        assert numpy.isfinite(ours.array).all()
        agree([wanted.array], [ours.array])
        assert not float(abs(ours.array).max()) > 1.001 * ours.creator_node.bound
    else:
        assert not numpy.isfinite(ours.array).all()


def padded_pooling(x):
    conv, _ = links(3, 3, 3, 0, False, pad=1)
    # Two pixels of padding: the outer windows see nothing else, and their maximum is minus infinity.
    return layers.convolution(conv, None, layers.max_pooling(layers.convolution(conv, None, x), 2, 2, 2))


def steep(x):
    conv, _ = links(3, 3, 3, 0, False, pad=1)
    for _ in range(2):
        x = layers.convolution(conv, None, x, slope=1e28)
    return layers.convolution(conv, None, x)


def constant_channels(x):
    conv, bn = links(3, 3, 3, 0, True, pad=1)
    bn.eps = 1e-60
    conv.W.array[...] = conv.b.array[...] = 0
    h = layers.convolution(conv, bn, x, relu=False)
    return layers.convolution(links(3, 3, 3, 1, False)[0], None, h)


@pytest.mark.parametrize('network', [padded_pooling, steep, constant_channels])
def test_what_has_no_bound_is_not_rectified_to_zero(network):
    x, found = numbers((4, 3, 8, 8), 0), []
    for use_ideep in ('never', 'auto'):
        with chainer.using_config('use_ideep', use_ideep), numpy.errstate(all='ignore'):
            found.append(numpy.isfinite(network(x).array))
    assert not found[0].all()
    assert not found[1].all()


def test_large_pixels_overflow_on_their_way():
    conv, _ = links(64, 128, 3, 0, False, pad=1)
    conv.W.array *= 1e-14
    x = numpy.sign(numbers((64, 64, 4, 4), 0)) * numpy.float32(3e38)
    with numpy.errstate(all='ignore'):
        y = layers.convolution(conv, None, x).array
    # Chainer's own sums stay below 1e26; Winograd's do not, and must not be taken for zeros.
    assert not numpy.isfinite(y).all() or y.max() > 1e20


@pytest.mark.parametrize('where', ['pixel', 'weight', 'bias', 'mean', 'variance'])
def test_inference_shows_what_is_no_number(where):
    network = VGG('A', dropout=0.0)
    x = numbers((2, 3, 32, 32), 0)
    spoilt = {
        'pixel': x,
        'weight': network.conv1_1.W.array,
        'bias': network.conv1_1.b.array,
        'mean': network.bn2_1.avg_mean,
        'variance': network.bn1_1.avg_var,
    }[where]
    spoilt.reshape(-1)[0] = numpy.nan
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        assert numpy.isnan(network(x).array).any()


def test_a_graph_that_is_cut_is_not_kept():
    conv, _ = links(3, 3, 3, 0, False, pad=1)
    h, cut = chainer.Variable(numbers((2, 3, 6, 6), 0)), []
    for _ in range(3):
        inner = layers.convolution(conv, None, h)
        cut.append(weakref.ref(inner.creator_node))
        h = layers.convolution(conv, None, inner)
        inner.unchain()
        del inner
    gc.collect()
    assert [each() for each in cut[:-1]] == [None, None]


def test_second_derivatives_where_a_link_is_called_twice():
    conv, _ = links(3, 3, 3, 0, False, pad=1)
    found = []
    for use_ideep, layer in (('never', plainly), ('auto', layers.convolution)):
        x = chainer.Variable(numbers((2, 3, 6, 6), 0))
        with chainer.using_config('use_ideep', use_ideep):
            y = F.sum(layer(conv, None, layer(conv, None, x)) ** 2)
            (gw,) = chainer.grad([y], [conv.W], enable_double_backprop=True)
            conv.cleargrads()
            F.sum(gw**2).backward()
        found.append([gw.array, conv.W.grad, x.grad])
    agree(*found, tolerance=1e-3)


@pytest.mark.parametrize(
    'change',
    [
        lambda conv, bn: conv.add_hook(chainer.link_hooks.WeightStandardization()),
        lambda conv, bn: conv.W.__setattr__('array', conv.W.array.astype('d')),
        lambda conv, bn: bn.__setattr__('gamma', None),
    ],
)
def test_links_out_of_the_ordinary_are_called(change):
    conv, bn = links(3, 4, 3, 0, True)
    conv.W.name = 'W'
    change(conv, bn)
    x = numbers((3, 3, 6, 6), 0)
    with chainer.using_config('use_ideep', 'never'):
        wanted = plainly(conv, bn, x).array
    agree([wanted], [layers.convolution(conv, bn, x).array])


class SeenLinks(chainer.LinkHook):
    """Notes which links are called."""

    name = 'SeenLinks'

    def forward_preprocess(self, args):
        seen.append(type(args.link).__name__)


class SeenFunctions(chainer.FunctionHook):
    """Notes which functions are called."""

    name = 'SeenFunctions'

    def forward_preprocess(self, function, in_data):
        seen.append(function.label)


seen = []


@pytest.mark.parametrize('train', [True, False])
def test_hooks_of_all_links_see_every_link(train):
    conv, bn = links(3, 4, 3, 0, True)
    fc = L.Linear(4 * 16, 2)
    seen.clear()
    with chainer.using_config('train', train), chainer.using_config('enable_backprop', train), SeenLinks():
        layers.linear(fc, layers.convolution(conv, bn, numbers((3, 3, 6, 6), 0)))
    assert seen == ['Convolution2D', 'BatchNormalization', 'Linear']


def test_hooks_of_functions_see_them_without_a_graph():
    conv, bn = links(3, 4, 3, 0, True)
    x = numbers((3, 3, 6, 6), 0)
    seen.clear()
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        wanted = layers.convolution(conv, bn, x)
        assert not seen
        with SeenFunctions():
            found = layers.convolution(conv, bn, x)
    assert len(seen) >= 3
    agree([wanted.array], [found.array])


@needs_bfloat16
@pytest.mark.parametrize('batch_norm', [True, False])
def test_bfloat16_is_near_float32(batch_norm):
    conv, bn = links(3, 32, 3, 0, batch_norm, pad=1)
    residual, residual_bn = links(32, 32, 3, 1, batch_norm, pad=1)
    fc = L.Linear(32 * 16, 5)
    owners = [link for link in (conv, bn, residual, residual_bn, fc) if link]

    def network(x):
        h = layers.convolution(conv, bn, x)
        h = layers.max_pooling(layers.convolution(residual, residual_bn, h, 0.01, shortcut=h))
        h = layers.average_pooling(layers.dropout(h, 0.2))
        return layers.linear(fc, h)

    x = numbers((8, 3, 16, 16), 3)
    found = []
    for compute in ('float32', 'bfloat16'):
        numpy.random.seed(0)
        with layers.using_compute(compute):
            found.append(run(network, x, owners))
    for want, have in zip(*found, strict=True):
        assert have.dtype == numpy.float32
        error = numpy.linalg.norm(have - want) / max(numpy.linalg.norm(want), 0.1)
        assert error < 0.15


@needs_bfloat16
def test_bfloat16_without_a_graph():
    conv, bn = links(3, 32, 3, 0, True, pad=1)
    x = numbers((8, 3, 16, 16), 3)
    found = []
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        for compute in ('float32', 'bfloat16'):
            with layers.using_compute(compute):
                found.append(layers.max_pooling(layers.convolution(conv, bn, x)).array)
    assert found[1].dtype.name == 'bfloat16'
    numpy.testing.assert_allclose(found[1].astype('f'), found[0], atol=0.1, rtol=0.02)


@needs_bfloat16
def test_bfloat16_does_without_what_only_float32_has():
    conv, bn = links(3, 8, 3, 0, True)
    other = L.Convolution2D(8, 4, 3)
    other.add_hook(chainer.link_hooks.WeightStandardization())
    with layers.using_compute('bfloat16'):
        h = layers.convolution(conv, bn, numbers((3, 3, 8, 8), 0))
        y = layers.convolution(other, None, h)
        assert y.dtype == numpy.float32
        F.sum(y).backward()
        assert conv.W.grad.dtype == numpy.float32
        x = chainer.Variable(numbers((3, 3, 8, 8), 0))
        y = F.sum(layers.linear(L.Linear(8 * 36, 2), layers.convolution(conv, bn, x)))
        with pytest.raises(TypeError, match='float32 only'):
            chainer.grad([y], [x], enable_double_backprop=True)


@needs_bfloat16
@some
@given(
    st.sampled_from([(64, 8), (16, 16), (3, 20)]),
    st.integers(1, 6),
    st.integers(1, 6),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([(3, 1), (2, 1), (5, 2)]),
)
def test_gradients_of_weights_in_bfloat16(channels, height, width, stride, kernel):
    n_in, n_out = channels
    (size, pad), options = kernel, {'stride': stride, 'pad': kernel[1]}
    assume(min(height, width) + 2 * pad >= size)
    conv, _ = links(n_in, n_out, size, 0, False, **options)
    x = numbers((2, n_in, height, width), 1)
    with chainer.using_config('use_ideep', 'never'):
        wanted = run(lambda x: plainly(conv, None, x, relu=False), x, [conv])
    # What is taken from beside the arrays is to be no number.
    kept = [memory.buffer(1 << k) for k in range(6, 22)]
    for each in kept:
        each[...] = 255
    del kept, each
    with layers.using_compute('bfloat16'):
        found = run(lambda x: layers.convolution(conv, None, x, relu=False), x, [conv])
    for want, have in zip(wanted, found, strict=True):
        assert abs(want - have.astype('f')).max() <= 0.03 * max(1, abs(want).max())


@needs_bfloat16
def test_nan_stays_visible_in_bfloat16():
    conv, bn = links(3, 16, 3, 0, True, pad=1)
    x = numbers((2, 3, 6, 6), 0)
    x[0, 0, 0, 0] = numpy.nan
    with layers.using_compute('bfloat16'):
        for batch_norm in (bn, None):
            y = layers.max_pooling(layers.convolution(conv, batch_norm, x))
            assert numpy.isnan(y.array.astype('f')).any()


def test_bfloat16_is_refused_where_the_machine_has_none(monkeypatch):
    with chainer.using_config('use_ideep', 'never'), pytest.raises(InputError, match='needs oneDNN'):
        layers.check_compute('bfloat16')
    with pytest.raises(InputError, match="compute is 'half'"):
        layers.check_compute('half')
    if has_bfloat16():
        monkeypatch.setattr(library.Library, 'has_bfloat16', property(lambda self: False))
        with (
            pytest.raises(InputError, match='needs a CPU with AVX-512 bf16'),
            layers.using_compute('bfloat16'),
        ):
            pass


def test_same_seed_same_bits():
    conv, bn = links(3, 32, 3, 0, True, pad=1)
    fc = L.Linear(32 * 64, 5)
    x = numbers((64, 3, 16, 16), 3)
    for compute in ('float32', 'bfloat16') if has_bfloat16() else ('float32',):
        with layers.using_compute(compute) if has_bfloat16() else contextlib.nullcontext():
            runs = []
            for _ in range(2):
                numpy.random.seed(0)

                def network(x):
                    h = layers.dropout(layers.max_pooling(layers.convolution(conv, bn, x)), 0.4)
                    return layers.linear(fc, h)

                runs.append(run(network, x, [conv, bn, fc]))
        for a, b in zip(*runs, strict=True):
            numpy.testing.assert_array_equal(a, b)
