"""Every function that Chainer sends to the accelerator, against Chainer's NumPy path."""

import chainer.functions as F
import numpy
import pytest
from both_paths import arranged, compare, fast, layouts, numbers, results, seeds
from hypothesis import assume, given
from hypothesis import strategies as st

small = st.integers(1, 5)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))
images = st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 9), st.integers(1, 9))


@fast
@given(
    images,
    st.integers(1, 18),
    pairs,
    pairs,
    pads,
    pairs,
    st.booleans(),
    st.booleans(),
    seeds,
    layouts,
    layouts,
)
def test_convolution(shape, n_out, kernel, stride, pad, dilate, cover_all, bias, seed, x_layout, gy_layout):
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilate, strict=True)]
    assume(all(n + 2 * p >= r for n, p, r in zip(shape[2:], pad, reach, strict=True)))
    inputs = [arranged(numbers(shape, seed), x_layout), numbers((n_out, shape[1], *kernel), seed + 1)]
    if bias:
        inputs.append(numbers((n_out,), seed + 2))

    def convolve(*inputs):
        f = F.connection.convolution_2d.Convolution2DFunction(stride, pad, cover_all, dilate=dilate)
        return f.apply(inputs)[0]

    compare(convolve, inputs, seed, gy_layout)


@fast
@given(images, st.integers(1, 18), pairs, pairs, pads, pairs, st.booleans(), seeds, layouts, layouts)
def test_deconvolution(shape, n_out, kernel, stride, pad, dilate, bias, seed, x_layout, gy_layout):
    sizes = [
        s * (n - 1) + (k - 1) * d + 1 - 2 * p
        for n, k, s, p, d in zip(shape[2:], kernel, stride, pad, dilate, strict=True)
    ]
    assume(min(sizes) > 0)
    inputs = [arranged(numbers(shape, seed), x_layout), numbers((shape[1], n_out, *kernel), seed + 1)]
    if bias:
        inputs.append(numbers((n_out,), seed + 2))
    compare(
        lambda *xs: F.deconvolution_2d(*xs, stride=stride, pad=pad, dilate=dilate), inputs, seed, gy_layout
    )


n_groups, per_group = st.integers(2, 3), st.integers(1, 4)
grouped = given(n_groups, per_group, per_group, pairs, pairs, pads, pairs, st.booleans(), seeds)


@fast
@grouped
def test_convolution_in_groups(groups, per_group, out_per_group, kernel, stride, pad, dilate, bias, seed):
    shape = (2, groups * per_group, 8, 9)
    inputs = [numbers(shape, seed), numbers((groups * out_per_group, per_group, *kernel), seed + 1)]
    if bias:
        inputs.append(numbers((groups * out_per_group,), seed + 2))
    moves = {'stride': stride, 'pad': pad, 'dilate': dilate, 'groups': groups}
    compare(lambda *xs: F.convolution_2d(*xs, **moves), inputs, seed)


@fast
@grouped
def test_deconvolution_in_groups(groups, per_group, out_per_group, kernel, stride, pad, dilate, bias, seed):
    assume(
        all(s * 4 + (k - 1) * d + 1 > 2 * p for k, s, p, d in zip(kernel, stride, pad, dilate, strict=True))
    )
    inputs = [
        numbers((2, groups * per_group, 5, 5), seed),
        numbers((groups * per_group, out_per_group, *kernel), seed + 1),
    ]
    if bias:
        inputs.append(numbers((groups * out_per_group,), seed + 2))
    compare(
        lambda *xs: F.deconvolution_2d(*xs, stride=stride, pad=pad, dilate=dilate, groups=groups),
        inputs,
        seed,
    )


@pytest.mark.parametrize('function', [F.convolution_2d, F.deconvolution_2d])
def test_weights_of_another_type_convolve_in_groups(function):
    weights = numbers((6, 2 if function is F.convolution_2d else 3, 3, 3), 1).astype(numpy.float64)
    inputs = [numbers((2, 4 if function is F.convolution_2d else 6, 6, 5), 0), weights]
    compare(lambda *xs: function(*xs, groups=2), inputs)


def test_groups_do_not_go_to_numpy(monkeypatch):
    monkeypatch.setattr(F.connection.convolution_2d, '_matmul', None)
    results(
        lambda *xs: F.deconvolution_2d(F.convolution_2d(*xs[:2], groups=2), xs[2], groups=2),
        [numbers((2, 4, 6, 5), 0), numbers((6, 2, 3, 3), 1), numbers((6, 2, 3, 3), 2)],
        0,
        'C',
        'always',
    )


@fast
@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 50), st.booleans(), seeds, layouts, layouts)
def test_linear(n, n_in, n_out, bias, seed, layout, gy_layout):
    inputs = [arranged(numbers((n, n_in), seed), layout), arranged(numbers((n_out, n_in), seed + 1), layout)]
    if bias:
        inputs.append(numbers((n_out,), seed + 2))
    compare(F.linear, inputs, seed, gy_layout)


@fast
@given(images, pairs, pairs, pads, st.booleans(), seeds, layouts, layouts)
def test_max_pooling(shape, kernel, stride, pad, cover_all, seed, layout, gy_layout):
    assume(all(n + 2 * p >= k for n, p, k in zip(shape[2:], pad, kernel, strict=True)))
    x = arranged(numbers(shape, seed), layout)
    compare(lambda x: F.max_pooling_2d(x, kernel, stride, pad, cover_all), [x], seed, gy_layout)


@fast
@given(images, pairs, pairs, pads, seeds, layouts, layouts)
def test_average_pooling(shape, kernel, stride, pad, seed, layout, gy_layout):
    assume(all(n + 2 * p >= k for n, p, k in zip(shape[2:], pad, kernel, strict=True)))
    x = arranged(numbers(shape, seed), layout)
    compare(lambda x: F.average_pooling_2d(x, kernel, stride, pad), [x], seed, gy_layout)


@fast
@given(images, st.booleans(), seeds, layouts, layouts)
def test_relu(shape, flat, seed, layout, gy_layout):
    x = arranged(numbers(shape[:2] if flat else shape, seed), layout)
    compare(F.relu, [x], seed, gy_layout)


@fast
@given(images, st.sampled_from([0.2, 0.0, -0.5, 1.5]), seeds, layouts, layouts)
def test_leaky_relu(shape, slope, seed, layout, gy_layout):
    x = arranged(numbers(shape, seed), layout)
    compare(lambda x: F.leaky_relu(x, slope), [x], seed, gy_layout)


@fast
@given(images, st.booleans(), seeds, layouts, layouts)
def test_batch_normalisation_in_training(shape, flat, seed, layout, gy_layout):
    assume(layout != 'broadcast')
    shape = (shape[0] + 4, *shape[1:2]) if flat else (shape[0] + 1, *shape[1:])
    c = shape[1]
    inputs = [arranged(numbers(shape, seed), layout), numbers((c,), seed + 1), numbers((c,), seed + 2)]
    running = {}

    def normalise(*inputs):
        mean, var = numpy.zeros(c, numpy.float32), numpy.ones(c, numpy.float32)
        y = F.batch_normalization(*inputs, running_mean=mean, running_var=var)
        running.setdefault('all', []).append((mean, var))
        return y

    # A channel whose few elements nearly agree has a steep gradient, and amplifies rounding.
    compare(normalise, inputs, seed, gy_layout, tolerance=2e-3)
    (mean, var), (mean2, var2) = running['all']
    numpy.testing.assert_allclose(mean2, mean, rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(var2, var, rtol=1e-4, atol=1e-5)


@fast
@given(st.sampled_from([(0,), (1,), (0, 1), (0, 2, 3), (0, 1, 2), (0, 1, 3)]), seeds)
def test_batch_normalisation_over_other_axes(axis, seed):
    shape = (6, 6) if len(axis) < 3 else (6, 6, 6, 6)
    assume(len(axis) != 2)
    inputs = [numbers(shape, seed), numbers((6,), seed + 1), numbers((6,), seed + 2)]
    compare(lambda *xs: F.batch_normalization(*xs, axis=axis), inputs, seed, tolerance=1e-3)


@fast
@given(images, seeds, layouts, layouts)
def test_batch_normalisation_with_given_statistics(shape, seed, layout, gy_layout):
    c = shape[1]
    mean, var = numbers((c,), seed + 3), abs(numbers((c,), seed + 4)) + 0.1
    inputs = [
        arranged(numbers(shape, seed), layout),
        numbers((c,), seed + 1),
        numbers((c,), seed + 2),
        mean,
        var,
    ]
    compare(F.fixed_batch_normalization, inputs, seed, gy_layout)


@fast
@given(images, st.integers(1, 7), st.sampled_from([0.75, 0.5]), seeds, layouts)
def test_local_response_normalisation(shape, n, beta, seed, layout):
    x = arranged(numbers(shape, seed), layout)
    compare(lambda x: F.local_response_normalization(x, n, 2, 0.01, beta), [x], seed)


@fast
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 3), seeds, layouts)
def test_concat_and_split(sizes, axis, seed, layout):
    shapes = [[2, 3, 4, 5] for _ in sizes]
    for shape, size in zip(shapes, sizes, strict=True):
        shape[axis] = size
    inputs = [arranged(numbers(shape, seed + k), layout) for k, shape in enumerate(shapes)]
    compare(lambda *xs: F.concat(xs, axis), inputs, seed)
    whole = numpy.concatenate(inputs, axis)
    cuts = list(numpy.cumsum(sizes)[:-1])
    for k in range(len(sizes)):
        compare(lambda x, k=k: F.split_axis(x, cuts, axis)[k] * 1, [whole], seed)


@fast
@given(images, st.integers(2, 4), seeds, layouts)
def test_add_of_many(shape, n, seed, layout):
    compare(F.add, [arranged(numbers(shape, seed + k), layout) for k in range(n)], seed)
