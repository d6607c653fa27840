"""Our kernels, thread by thread on the host, against NumPy in float64; and that they compile for a card."""

import types

import chainer
import ml_dtypes
import numpy
import pytest
from host_kernels import HostModule
from host_memory import cupy, device, host
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_layers_on_gpu import gpu, numbers  # noqa: F401

from vgg_cifar.accelerators.cudnn import kernels, nodes
from vgg_cifar.training import batches

DTYPES = {'float32': numpy.float32, 'float16': numpy.float16, 'bfloat16': ml_dtypes.bfloat16}
# How far a rounded number is off, relative to it.
ROUNDING = {'float32': 2**-24, 'float16': 2**-11, 'bfloat16': 2**-8}
some = settings(max_examples=15)
# Fewer than a warp has, more than a block adds up; some that 16 bytes divide, and more than a block is wide.
rows = st.sampled_from((1, 2, 7, 33, 700, 4200))
channels = st.sampled_from((1, 3, 5, 8, 20, 33, 64, 136))
dtypes = st.sampled_from(sorted(DTYPES))
seeds = st.integers(0, 2**31)


def rounded(array, dtype):
    return array.astype(DTYPES[dtype])


def exact(array):
    return host(array).astype('f8')


def agree(found, wanted, dtype='float32', steps=4, terms=0.0):
    """Fail unless all are as near as rounding, some steps of it in float32, lets them be.

    What is a sum that may cancel is computed from numbers as large as `terms`.
    """
    wanted = numpy.asarray(wanted, 'f8')
    finite = numpy.isfinite(wanted)
    numpy.testing.assert_array_equal(numpy.isfinite(exact(found)), finite)
    scale = float(abs(wanted[finite]).max(initial=1e-30))
    allowed = ROUNDING[dtype] * scale + steps * ROUNDING['float32'] * max(scale, terms)
    numpy.testing.assert_allclose(exact(found)[finite], wanted[finite], rtol=0, atol=allowed)


def parameters(n, seed):
    """Return gamma and beta; of a few channels they are 0."""
    gamma, beta = numbers((2, n), seed)
    gamma[::7], beta[::5] = 0, 0
    return gamma, beta


@some
@given(n=st.sampled_from((1, 7, 300)), shape=st.sampled_from(((3, 4, 4), (1, 5, 5), (1, 28, 28))), seed=seeds)
def test_batches_have_the_bits_of_the_cpus(gpu, n, shape, seed):  # noqa: F811
    random = numpy.random.RandomState(seed)
    images, labels = random.randint(0, 256, (50, *shape)).astype('u1'), random.randint(0, 9, 50, 'i4')
    rows = random.randint(0, 50, n)
    card = types.SimpleNamespace(xp=cupy, send=device)
    found = batches.Batches(images, labels, card)(rows)
    wanted = batches.Batches(images, labels, chainer.get_device('@numpy'))(rows)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        numpy.testing.assert_array_equal(host(one), other)


@some
@given(n=rows, c=channels, dtype=dtypes, center=st.sampled_from((0.0, 30.0, 1e4)), seed=seeds)
@example(n=4200, c=5, dtype='float32', center=1e4, seed=0)
@example(n=4200, c=64, dtype='float32', center=1e4, seed=0)
def test_statistics(gpu, n, c, dtype, center, seed):  # noqa: F811
    x = rounded(numbers((n, c), seed) + center, dtype)
    bias, mean, var = numbers((3, c), seed + 1)
    averages = device(mean), device(var)
    found = kernels.statistics(device(x), device(bias), 1e-3, 0.9, *averages)
    x = x.astype('f8')
    numpy.testing.assert_allclose(exact(found[0]), x.mean(0), rtol=2e-7, atol=1e-6)
    numpy.testing.assert_allclose(exact(found[1]), (x.var(0) + 1e-3) ** -0.5, rtol=2e-6)
    numpy.testing.assert_allclose(
        exact(averages[0]), 0.9 * mean + 0.1 * (x.mean(0) + bias), rtol=1e-6, atol=1e-6
    )
    unbiased = x.var(0) * n / max(n - 1, 1)
    numpy.testing.assert_allclose(exact(averages[1]), 0.9 * var + 0.1 * unbiased, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('n', [40, 4200])
def test_one_row_far_from_the_others_costs_no_digits(gpu, n):  # noqa: F811
    x = numbers((n, 5), 0)
    x[0] = 3000
    averages = device(numpy.zeros(5, 'f4')), device(numpy.zeros(5, 'f4'))
    kernels.statistics(device(x), device(numpy.zeros(5, 'f4')), 1e-5, 0.0, *averages)
    numpy.testing.assert_allclose(exact(averages[1]), x.astype('f8').var(0, ddof=1), rtol=1e-5)


@some
@given(n=rows, c=channels, dtype=dtypes, relu=st.booleans(), seed=seeds)
@example(n=2, c=5, dtype='float32', relu=True, seed=341)  # The gradient nearly cancels.
def test_normalised_and_its_gradients(gpu, n, c, dtype, relu, seed):  # noqa: F811
    # Few different numbers: of some, exactly 0 is left.
    x = rounded(numpy.random.RandomState(seed).randint(-3, 4, (n, c)).astype('f4'), dtype)
    gy = rounded(numbers((n, c), seed + 1), dtype)
    gamma, beta = parameters(c, seed + 2)
    mean, inverse = numpy.round(numbers(c, seed + 3)), 1 + abs(numbers(c, seed + 4))
    scale = tuple(map(device, (mean, inverse, gamma, beta)))
    y, gx = (cupy.ndarray(x.shape, x.dtype) for _ in range(2))
    kernels.normalised(device(x), scale, relu, y)
    ggamma, gbeta = sums = kernels.gradient_sums(device(x), device(gy), scale, relu)
    kernels.normalised_gradient(device(x), device(gy), scale, sums, relu, gx)
    factor = (inverse * gamma).astype('f8')
    hat = (x.astype('f8') - mean) * inverse
    scaled = (x.astype('f8') - mean) * factor + beta
    agree(y, numpy.maximum(scaled, 0) if relu else scaled, dtype)
    g = gy.astype('f8') * (exact(y) > 0) if relu else gy.astype('f8')
    size = abs(gy.astype('f8')).sum(0).max() * max(1, abs(hat).max())
    numpy.testing.assert_allclose(exact(ggamma), (g * hat).sum(0), rtol=0, atol=1e-6 * size)
    numpy.testing.assert_allclose(exact(gbeta), g.sum(0), rtol=0, atol=1e-6 * size)
    means = (exact(gbeta) + hat * exact(ggamma)) / n
    agree(gx, factor * (g - means), dtype, terms=abs(factor * numpy.maximum(abs(g), abs(means))).max())


def test_what_is_no_number_stays_none_and_stays_in_its_channel(gpu):  # noqa: F811
    x = numbers((50, 8), 0)
    x[7, 3] = numpy.nan
    bn = nodes.BatchNormalization(1e-5, device(numpy.zeros(8, 'f4')), device(numpy.ones(8, 'f4')), 0.9, True)
    y = bn.output(device(x), device(numpy.ones(8, 'f4')), device(numpy.zeros(8, 'f4')))
    numpy.testing.assert_array_equal(numpy.isnan(exact(y)), numpy.broadcast_to(numpy.arange(8) == 3, x.shape))
    for function in (nodes.rectified, lambda slope, x: nodes.rectified(slope, x, x)):
        numpy.testing.assert_array_equal(numpy.isnan(exact(function(0.1, device(x)))), numpy.isnan(x))


@some
@given(n=rows, c=channels, dtype=dtypes, seed=seeds)
def test_sums(gpu, n, c, dtype, seed):  # noqa: F811
    x = rounded(numbers((n, c), seed), dtype)
    allowed = 1e-6 * abs(x.astype('f8')).sum(0).max()
    numpy.testing.assert_allclose(exact(kernels.sums(device(x))), x.astype('f8').sum(0), rtol=0, atol=allowed)


@pytest.mark.parametrize('dtype', DTYPES)
def test_sums_of_what_begins_anywhere_have_the_same_bits(gpu, dtype):  # noqa: F811
    x = device(rounded(numbers((4201, 64), 0), dtype))[1:]
    elsewhere = device(rounded(numpy.zeros(4200 * 64 + 1), dtype))[1:].reshape(4200, 64)
    host(elsewhere)[...] = host(x)
    assert x.data.ptr % 16 == 0 and elsewhere.data.ptr % 16
    numpy.testing.assert_array_equal(host(kernels.sums(x)), host(kernels.sums(elsewhere)))


def windows(shape, size, stride, pad):
    """Yield the place in y of each window of images (N, H, W, C), its rows and its columns."""
    out = [(side + 2 * pad - size) // stride + 1 for side in shape[1:3]]
    for r, s in numpy.ndindex(*out):
        top, left = r * stride - pad, s * stride - pad
        yield (r, s), slice(max(top, 0), max(top + size, 0)), slice(max(left, 0), max(left + size, 0))


@some
@given(
    c=channels,
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    pad=st.integers(0, 1),
    sides=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    relu=st.booleans(),
    dtype=dtypes,
    seed=seeds,
)
@example(c=8, size=2, stride=2, pad=0, sides=(64, 60), relu=False, dtype='float16', seed=0)
# Windows that tile the image have kernels of their own.
@example(c=136, size=2, stride=2, pad=0, sides=(8, 6), relu=True, dtype='bfloat16', seed=0)
@example(c=64, size=2, stride=2, pad=0, sides=(6, 8), relu=False, dtype='float32', seed=0)
@example(c=5, size=2, stride=2, pad=0, sides=(4, 4), relu=True, dtype='float16', seed=0)
@example(c=8, size=2, stride=2, pad=0, sides=(9, 8), relu=True, dtype='float32', seed=0)
# Its places are no bytes.
@example(c=3, size=17, stride=5, pad=8, sides=(19, 17), relu=False, dtype='float32', seed=0)
def test_max_pooling(gpu, c, size, stride, pad, sides, relu, dtype, seed):  # noqa: F811
    # Few different numbers: there is more than one maximum.
    random = numpy.random.RandomState(seed)
    x = rounded(random.randint(-2, 3, (2, *sides, c)).astype('f4'), dtype)
    x[random.uniform(size=x.shape) < 0.01] = numpy.nan
    x[random.uniform(size=x.shape) < 0.1] = -numpy.inf
    pad = min(pad, size // 2)
    wanted, gx = {}, numpy.zeros(x.shape)
    node = nodes.Pooling('max', (size,) * 2, (stride,) * 2, (pad,) * 2, relu)
    y = node.output(device(x).transpose(0, 3, 1, 2))
    gy = rounded(numbers(y.shape, seed + 1), dtype)
    for (r, s), of_rows, of_columns in windows(x.shape, size, stride, pad):
        seen = x[:, of_rows, of_columns].astype('f8')
        flat = seen.reshape(2, -1, c)
        first = flat.argmax(1)
        best = numpy.take_along_axis(flat, first[:, None], 1)[:, 0]
        wanted[r, s] = numpy.where(best < 0, 0, best) if relu else best
        g = gy[:, :, r, s].astype('f8') * ((best > 0) if relu else 1)
        part = numpy.zeros(flat.shape)
        numpy.put_along_axis(part, first[:, None], g[:, None], 1)
        gx[:, of_rows, of_columns] += part.reshape(seen.shape)
    expected = numpy.stack([wanted[place] for place in sorted(wanted)], 2).reshape(y.shape)
    numpy.testing.assert_array_equal(exact(y), expected)
    (found,) = node.gradients((0,), device(gy))
    agree(found.transpose(0, 2, 3, 1), gx, dtype)


@some
@given(
    c=channels,
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    pad=st.integers(0, 1),
    dtype=dtypes,
    seed=seeds,
)
def test_average_pooling(gpu, c, size, stride, pad, dtype, seed):  # noqa: F811
    pad = min(pad, size // 2)
    x = rounded(numbers((2, 8, 7, c), seed), dtype)
    node = nodes.Pooling('average', (size,) * 2, (stride,) * 2, (pad,) * 2)
    y = node.output(device(x).transpose(0, 3, 1, 2))
    gy = rounded(numbers(y.shape, seed + 1), dtype)
    wanted, gx = numpy.zeros(y.shape), numpy.zeros(x.shape)
    for (r, s), of_rows, of_columns in windows(x.shape, size, stride, pad):
        wanted[:, :, r, s] = x[:, of_rows, of_columns].astype('f8').sum((1, 2)) / size**2
        gx[:, of_rows, of_columns] += gy[:, :, r, s].astype('f8')[:, None, None] / size**2
    agree(y, wanted, dtype)
    (found,) = node.gradients((0,), device(gy))
    agree(found.transpose(0, 2, 3, 1), gx, dtype)


def test_pixels_beyond_32_bits(gpu):  # noqa: F811
    code = kernels.source('float32', 1) + (
        'extern "C" __global__ void pixel(const long long *n, int rows, int columns, long long *found) {\n'
        'const Pixel at(n[threadIdx.x], rows, columns);\n'
        'long long *const to = found + 3 * threadIdx.x;\n'
        'to[0] = at.image, to[1] = at.row, to[2] = at.column; }\n'
    )
    given = numpy.random.RandomState(0).randint(0, 2**40, 256)
    given[:100] %= 2**32
    found = device(numpy.zeros((256, 3), 'i8'))
    HostModule(code=code).get_function('pixel')(
        (1,), (256,), (device(given), numpy.int32(31), numpy.int32(17), found)
    )
    wanted = numpy.stack([given // (31 * 17), given // 17 % 31, given % 17], 1)
    numpy.testing.assert_array_equal(host(found), wanted)


@some
@given(
    n=st.integers(1, 3000),
    dtype=dtypes,
    begin=st.integers(0, 1),
    slope=st.sampled_from((0.0, 0.1)),
    seed=seeds,
)
def test_relu(gpu, n, dtype, begin, slope, seed):  # noqa: F811
    x, added, gy = (device(rounded(numbers(n + begin, seed + k), dtype))[begin:] for k in range(3))
    for arrays in ((x,), (x, added)):
        node = nodes.ReLU(slope)
        y, total = node.output(*arrays), sum(map(exact, arrays))
        agree(y, numpy.where(total < 0, slope * total, total), dtype)
        for gradient in node.gradients(range(len(arrays)), gy):
            agree(gradient, numpy.where(exact(y) > 0, 1, slope) * exact(gy), dtype)


@pytest.mark.parametrize('dtype', DTYPES)
def test_relu_makes_nothing_of_minus_infinity(gpu, dtype):  # noqa: F811
    x = device(rounded(numpy.array([-numpy.inf, numpy.inf, numpy.nan, -1, 2]), dtype))
    gy = device(rounded(numpy.array([numpy.inf, 1, 1, numpy.inf, 3]), dtype))
    for arrays in ((x,), (x, device(rounded(numpy.zeros(5), dtype)))):
        node = nodes.ReLU(0.0)
        numpy.testing.assert_array_equal(exact(node.output(*arrays)), [0, numpy.inf, numpy.nan, 0, 2])
        for gradient in node.gradients(range(len(arrays)), gy):
            numpy.testing.assert_array_equal(exact(gradient), [0, 1, 0, 0, 3])


def mixed(z):
    """SplitMix64's finaliser, as its authors print it."""
    z = z + numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


@some
@given(
    n=st.integers(1, 5000),
    dtype=dtypes,
    begin=st.integers(0, 1),
    ratio=st.sampled_from((0.25, 0.4)),
    seed=seeds,
)
@example(n=2**15, dtype='float16', begin=0, ratio=0.4, seed=0)
def test_dropout_draws_a_function_of_seed_step_layer_and_element(gpu, n, dtype, begin, ratio, seed):  # noqa: F811
    x = device(rounded(numbers(n + begin, seed), dtype))[begin:]
    y = cupy.ndarray(x.shape, x.dtype)
    kernels.dropout(x, device(numpy.array((seed, 7), 'u8')), 3, ratio, y)
    with numpy.errstate(over='ignore'):
        base = mixed(mixed(mixed(numpy.array([seed], 'u8')) + numpy.uint64(7)) + numpy.uint64(3))
        stays = mixed(base + numpy.arange(n, dtype='u8')) >> numpy.uint64(32) >= round(ratio * 2**32)
    wanted = numpy.where(stays, host(x).astype('f4') * numpy.float32(1 / (1 - ratio)), 0)
    numpy.testing.assert_array_equal(host(y), wanted.astype(x.dtype))


@some
@given(n=st.integers(1, 700), classes=st.integers(1, 12), seed=seeds)
def test_cross_entropy(gpu, n, classes, seed):  # noqa: F811
    scores = 5 * numbers((n, classes), seed)
    labels = numpy.random.RandomState(seed).randint(0, classes, n).astype('i4')
    loss, accuracy = kernels.cross_entropy(device(scores), device(labels))
    gx = cupy.ndarray(scores.shape, scores.dtype)
    kernels.cross_entropy_gradient(device(scores), device(labels), device(numpy.float32(3)), gx)
    terms = numpy.exp(scores.astype('f8') - scores.max(1, keepdims=True))
    soft = terms / terms.sum(1, keepdims=True)
    numpy.testing.assert_allclose(
        exact(loss), -numpy.log(soft[range(n), labels]).mean(), rtol=1e-5, atol=1e-6
    )
    assert float(host(accuracy)) == numpy.float32((scores.argmax(1) == labels).mean())
    numpy.testing.assert_allclose(exact(gx), 3 * (soft - numpy.eye(classes)[labels]) / n, rtol=0, atol=1e-6)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('shape', [(1, 1, 1, 1), (3, 3, 30, 31), (2, 2, 3, 3)])
def test_images_of_few_channels_get_more(gpu, shape, dtype):  # noqa: F811
    x = numbers(shape, 0)
    wide = nodes.widened(device(x), 1, DTYPES[dtype])
    assert wide.shape[1] * wide.itemsize == 16
    assert nodes.in_memory(wide).flags.c_contiguous
    numpy.testing.assert_array_equal(host(wide)[:, : shape[1]], rounded(x, dtype))
    assert not host(wide)[:, shape[1] :].any()
    for other in (nodes.widened(device(x), 2, DTYPES[dtype]), nodes.widened(wide, 1, DTYPES[dtype])):
        assert other.shape in (shape, wide.shape)


@pytest.mark.parametrize(
    'shape', [(512000, 64), (2**31, 3), (2**34, 1), (1, 2**20), (5, 7, 9, 40), (2**21, 4096)]
)
@pytest.mark.parametrize('blocks', [1, kernels.BLOCKS, kernels.MOST])
def test_blocks_have_all_rows_and_channels_once(shape, blocks):
    size = numpy.prod([*map(int, shape)], dtype=object)
    for dtype in (numpy.float32, numpy.float16):
        x = types.SimpleNamespace(shape=shape, size=size, dtype=dtype, itemsize=numpy.dtype(dtype).itemsize)
        cut = kernels._cut(x, blocks)
        (pieces, parts), (lanes, height) = cut.grid, cut.block
        assert (parts - 1) * cut.each < cut.rows <= parts * cut.each
        assert (pieces - 1) * lanes * cut.vector < cut.channels <= pieces * lanes * cut.vector
        assert lanes * height == kernels.THREADS and height & height - 1 == 0
        assert parts == 1 or pieces * parts <= blocks


KINDS = ('float32', 1, 'unsigned int'), ('float32', 4), ('float16', 8), ('bfloat16', 8)


@pytest.mark.parametrize('kind', KINDS)
def test_the_kernels_compile(kind):
    # It imports CuPy, which may be missing.
    from compiled import cubin

    assert cubin(kernels.source(*kind))
