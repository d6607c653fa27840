"""The layers of our networks, as a GPU computes them, against the same layers on the CPU in float64."""

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
import pytest
from emulated_graphs import Graph
from host_kernels import HostModule
from host_memory import cupy, device, host
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators import layers as ours
from vgg_cifar.accelerators.cudnn import kernels, noise, plans

TOLERANCES = {'float32': 1e-5, 'tf32': 1e-5, 'float16': 1e-2, 'bfloat16': 5e-2}
computes = st.sampled_from(sorted(TOLERANCES))
seeds = st.integers(0, 2**31)
some = settings(max_examples=10)


@pytest.fixture(scope='module')
def gpu(emulation):
    """Have graphs and kernels of our own run on the host too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, 'new_graph', Graph)
        plans.planned.cache_clear()
        patch.setattr(cupy, 'RawModule', HostModule)
        kernels._kernel.cache_clear()
        yield Graph.executed
    plans.planned.cache_clear()
    kernels._kernel.cache_clear()


def numbers(shape, seed):
    return numpy.random.RandomState(seed).standard_normal(shape).astype('f4')


def rounded(array, compute):
    """Return what is left of a float32 array in the type that is computed in."""
    with chainer.using_config('compute', compute):
        return array.astype(ours._dtype()).astype('f4')


def links(n_in, n_out, size, seed, compute, groups=1, **options):
    conv = L.Convolution2D(n_in, n_out, size, groups=groups, **options)
    bn = L.BatchNormalization(n_out)
    for k, param in enumerate([*conv.params(), *bn.params()]):
        param.array[...] = rounded(numbers(param.shape, seed + k) * 0.3 + (param.ndim == 1), compute)
    return conv, bn


def on_both(function, inputs, owners, compute, gy_seed=1):
    """Return outputs, gradients and statistics: exactly, and as a GPU computes them.

    `function` is called with the layers' module or with None, which stands for Chainer's own functions.
    """

    def collected(found, send):
        variables = [chainer.Variable(send(array)) for array in inputs]
        for owner in owners:
            owner.cleargrads()
        y = function(found, *variables)
        gy = rounded(numbers(y.shape, gy_seed), compute)
        y.grad = send(gy).astype(y.dtype)
        y.backward()
        results = [y.array, *(variable.grad for variable in variables)]
        for owner in owners:
            results += [param.grad for _, param in sorted(owner.namedparams())]
            results += [owner.avg_mean, owner.avg_var] if isinstance(owner, L.BatchNormalization) else []
        return [host(array).astype('f8') for array in results]

    def all_as(change):
        for owner in owners:
            for param in owner.params():
                param.array = change(param.array)
            for name in getattr(owner, '_persistent', ()):
                value = getattr(owner, name)
                if hasattr(value, 'shape') and value.shape:
                    setattr(owner, name, change(value))

    statistics = [
        (owner, owner.avg_mean.copy(), owner.avg_var.copy())
        for owner in owners
        if isinstance(owner, L.BatchNormalization)
    ]
    with chainer.using_config('use_ideep', 'never'):
        all_as(lambda array: array.astype('f8'))
        exact = collected(None, lambda array: array.astype('f8'))
        for owner, mean, var in statistics:
            owner.avg_mean, owner.avg_var = mean, var
        all_as(lambda array: device(array.astype('f4')))
        with chainer.using_config('compute', compute):
            found = collected(ours, lambda array: device(array.astype('f4')))
    return exact, found


def agree(results, compute):
    exact, found = results
    assert len(exact) == len(found)
    for want, have in zip(exact, found, strict=True):
        assert have.shape == want.shape
        scale = max(1.0, float(abs(want).max(initial=0)))
        numpy.testing.assert_allclose(have / scale, want / scale, rtol=0, atol=TOLERANCES[compute])


@some
@given(
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 2),
    stride=st.integers(1, 2),
    pad=st.integers(0, 1),
    normalised=st.booleans(),
    shortcut=st.booleans(),
    slope=st.sampled_from((0.0, 0.1)),
    nobias=st.booleans(),
    compute=st.sampled_from(('float32', 'tf32')),
    seed=seeds,
)
def test_convolution(gpu, channels, groups, stride, pad, normalised, shortcut, slope, nobias, compute, seed):
    n_in, n_out = (n * groups for n in channels)
    conv, bn = links(n_in, n_out, 3, seed, compute, groups, stride=stride, pad=pad, nobias=nobias)
    x = numbers((3, n_in, 6, 5), seed)
    added = [numbers(conv(x).shape, seed + 9)] * shortcut
    owners = [conv, bn] if normalised else [conv]

    def layer(layers, x, *added):
        if layers:
            return layers.convolution(conv, bn if normalised else None, x, slope, *added)
        h = conv(x)
        h = bn(h) if normalised else h
        return F.leaky_relu(h + added[0] if added else h, slope)

    gpu.clear()
    agree(on_both(layer, [x, *added], owners, compute), compute)
    assert gpu['conv_fprop'] == gpu['conv_dgrad'] == gpu['conv_wgrad'] == 1


@pytest.mark.parametrize('compute', ['float16', 'bfloat16'])
def test_convolution_in_narrow_types(gpu, compute):
    conv, bn = links(4, 6, 3, 0, compute, pad=1)
    x = rounded(numbers((3, 4, 6, 5), 1), compute)

    def layer(layers, x):
        if layers:
            h = layers.convolution(conv, bn, x)
            assert h.dtype.name == compute
            return h
        # What is kept between two layers is rounded on a GPU; the ReLU's edge must not fall elsewhere.
        return F.relu(bn(conv(x)))

    exact, found = on_both(layer, [x], [conv, bn], compute)
    agree(([exact[0], *exact[-2:]], [found[0], *found[-2:]]), compute)
    for want, have in zip(exact[1:-2], found[1:-2], strict=True):
        assert numpy.abs(want - have).mean() < 0.05 * max(1.0, numpy.abs(want).mean())


@some
@given(normalised=st.booleans(), slope=st.sampled_from((0.0, 0.1)), nobias=st.booleans(), seed=seeds)
def test_inference(gpu, normalised, slope, nobias, seed):

    conv, bn = links(2, 3, 3, seed, 'float32', pad=1, nobias=nobias)
    bn.avg_mean, bn.avg_var = numbers(3, seed), numpy.square(numbers(3, seed + 1)) + 0.1
    x = numbers((2, 2, 5, 5), seed)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        h = conv(x)
        exact = F.leaky_relu(bn(h) if normalised else h, slope).array
        for owner in (conv, bn):
            for param in owner.params():
                param.array = device(param.array)
        bn.avg_mean, bn.avg_var = device(bn.avg_mean), device(bn.avg_var)
        found = ours.convolution(conv, bn if normalised else None, chainer.Variable(device(x)), slope)
    numpy.testing.assert_allclose(host(found.array), exact, atol=1e-4)


@some
@given(
    kind=st.sampled_from(('max', 'average')),
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    pad=st.integers(0, 1),
    shape=st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(3, 7)] * 2),
    relu=st.booleans(),
    seed=seeds,
)
def test_pooling(gpu, kind, size, stride, pad, shape, relu, seed):
    pad = min(pad, size // 2)

    def layer(layers, x):
        if kind == 'max':
            if layers:
                return layers.max_pooling(x, size, stride, pad, relu)
            y = F.max_pooling_2d(x, size, stride, pad, cover_all=False)
            return F.relu(y) if relu else y
        return (layers.average_pooling if layers else F.average_pooling_2d)(x, size, stride, pad)

    agree(on_both(layer, [numbers(shape, seed)], [], 'float32'), 'float32')


@pytest.mark.parametrize('shape', [(4, 3, 8, 8), (5, 7)])
def test_dropout(gpu, shape):

    x = device(numpy.ones((40, *shape), 'f4'))

    def drawn(seed, step, layer):
        noise.begin_step(seed, step)
        for _ in range(layer):
            ours.dropout(chainer.Variable(x.copy()), 0.25)
        variable = chainer.Variable(x.copy())
        y = ours.dropout(variable, 0.25)
        y.grad = x.copy()
        y.backward()
        # The same elements are dropped from the gradient.
        numpy.testing.assert_array_equal(host(y.array), host(variable.grad))
        return host(y.array).copy()

    first = drawn(0, 0, 0)
    kept = first != 0
    assert set(numpy.unique(first)) == {numpy.float32(0), numpy.float32(1 / 0.75)}
    assert abs(kept.mean() - 0.75) < 4 * (0.75 * 0.25 / kept.size) ** 0.5
    numpy.testing.assert_array_equal(first, drawn(0, 0, 0))
    for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        agreement = ((drawn(*other) != 0) == kept).mean()
        assert abs(agreement - (0.75**2 + 0.25**2)) < 0.05


@some
@given(
    n=st.integers(1, 5),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    nobias=st.booleans(),
    compute=computes,
    seed=seeds,
)
def test_linear(gpu, n, sizes, nobias, compute, seed):
    link = L.Linear(*sizes, nobias=nobias)
    for k, param in enumerate(link.params()):
        param.array[...] = rounded(numbers(param.shape, seed + k), compute)
    x = rounded(numbers((n, sizes[0]), seed), compute)
    agree(
        on_both(
            lambda layers, x: (layers.linear if layers else lambda f, x: f(x))(link, x), [x], [link], compute
        ),
        compute,
    )


def test_linear_takes_images_in_chainers_order(gpu):
    link = L.Linear(3 * 2 * 2, 4)
    x = numbers((2, 3, 4, 4), 0)

    def layer(layers, x):
        if layers:
            return layers.linear(link, layers.max_pooling(x))
        return link(F.max_pooling_2d(x, 2))

    agree(on_both(layer, [x], [link], 'float32'), 'float32')


@some
@given(n=st.integers(1, 70), classes=st.integers(1, 12), seed=seeds)
def test_classification(gpu, n, classes, seed):
    labels = numpy.random.RandomState(seed).randint(0, classes, n).astype('i4')
    accuracy = {}

    def layer(layers, scores):
        on_gpu = layers is not None
        here = device(labels) if on_gpu else labels
        loss, right = (layers or ours).classification(scores, here)
        accuracy[on_gpu] = float(host(right.array))
        return loss

    agree(on_both(layer, [numbers((n, classes), seed)], [], 'float32'), 'float32')
    assert abs(accuracy[True] - accuracy[False]) < 1e-6


@some
# Of two rows normalisation leaves 1 and -1, whatever they are: their gradients are rounding alone.
@given(normalised=st.booleans(), relu=st.booleans(), n=st.integers(3, 40), seed=seeds)
def test_linear_with_what_follows(gpu, normalised, relu, n, seed):
    link, bn = L.Linear(3, 4), L.BatchNormalization(4)
    for k, param in enumerate([*link.params(), *bn.params()]):
        param.array[...] = numbers(param.shape, seed + k)

    def layer(layers, x):
        if layers:
            return layers.linear(link, x, bn if normalised else None, relu)
        h = bn(link(x)) if normalised else link(x)
        return F.relu(h) if relu else h

    owners = [link, bn] if normalised else [link]
    agree(on_both(layer, [numbers((n, 3), seed)], owners, 'float32'), 'float32')
