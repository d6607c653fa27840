"""Every function that Chainer sends to cuDNN, against Chainer's CPU path."""

import chainer
import chainer.functions as F
import numpy
import pytest
from both_devices import arranged, compare, fast, layouts, numbers, seeds, types
from chainer.utils.conv import get_conv_outsize
from host_memory import device, host
from hypothesis import assume, given
from hypothesis import strategies as st


def several(low, high, n=2):
    return st.tuples(*[st.integers(low, high)] * n)


moves = {
    'kernel': several(1, 3),
    'stride': several(1, 3),
    'pad': several(0, 2),
    'dilate': several(1, 2),
    'groups': st.integers(1, 3),
    'bias': st.booleans(),
    'autotune': st.booleans(),
    'dtype': types,
    'layout': layouts,
    'seed': seeds,
}


def made_for(shape, n_out, kernel, groups, bias, dtype, seed):
    found = [numbers(shape, seed, dtype), numbers((n_out, shape[1] // groups, *kernel), seed + 1, dtype)]
    return found + [numbers((n_out,), seed + 2, dtype)] * bias


@fast
@given(size=several(5, 8), channels=several(1, 3), n=st.integers(1, 3), **moves)
def test_convolution(
    emulation, size, channels, n, kernel, stride, pad, dilate, groups, bias, autotune, dtype, layout, seed
):
    shape = (n, channels[0] * groups, *size)
    inputs = made_for(shape, channels[1] * groups, kernel, groups, bias, dtype, seed)
    with chainer.using_config('autotune', autotune):
        compare(
            emulation,
            lambda *xs: F.convolution_2d(*xs, stride=stride, pad=pad, dilate=dilate, groups=groups),
            *(inputs, seed, layout),
            uses=['Forward 2', 'BackwardData 2', 'BackwardFilter 2'] + ['AddTensor'] * bias,
        )


@fast
@given(size=several(2, 5), channels=several(1, 3), n=st.integers(1, 3), **moves)
def test_deconvolution(
    emulation, size, channels, n, kernel, stride, pad, dilate, groups, bias, autotune, dtype, layout, seed
):
    assume(
        all(
            s * (m - 1) + (k - 1) * d + 1 > 2 * p
            for m, k, s, p, d in zip(size, kernel, stride, pad, dilate, strict=True)
        )
    )
    shape, n_out = (n, channels[0] * groups, *size), channels[1] * groups
    inputs = [
        numbers(shape, seed, dtype),
        numbers((shape[1], channels[1], *kernel), seed + 1, dtype),
        *[numbers((n_out,), seed + 2, dtype)] * bias,
    ]
    with chainer.using_config('autotune', autotune):
        compare(
            emulation,
            lambda *xs: F.deconvolution_2d(*xs, stride=stride, pad=pad, dilate=dilate, groups=groups),
            *(inputs, seed, layout),
            uses=['BackwardData 2', 'Forward 2', 'BackwardFilter 2'] + ['AddTensor'] * bias,
        )


@fast
@given(
    size=several(3, 5, 3),
    kernel=several(1, 3, 3),
    stride=several(1, 2, 3),
    pad=several(0, 1, 3),
    groups=st.integers(1, 2),
    dtype=types,
    seed=seeds,
)
def test_convolution_in_three_dimensions(emulation, size, kernel, stride, pad, groups, dtype, seed):
    inputs = made_for((2, 2 * groups, *size), 3 * groups, kernel, groups, True, dtype, seed)
    compare(
        emulation,
        lambda *xs: F.convolution_nd(*xs, stride=stride, pad=pad, groups=groups),
        *(inputs, seed),
        uses=['Forward 2', 'BackwardData 2', 'BackwardFilter 2', 'AddTensor'],
    )


def test_deconvolution_in_three_dimensions(emulation):
    inputs = [numbers((2, 4, 2, 3, 2), 0), numbers((4, 2, 2, 3, 2), 1), numbers((4,), 2)]
    compare(
        emulation,
        lambda *xs: F.deconvolution_nd(*xs, stride=(2, 1, 2), pad=(0, 1, 0), groups=2),
        inputs,
        uses=['BackwardData 2', 'Forward 2', 'BackwardFilter 2', 'AddTensor'],
    )


@pytest.mark.parametrize('autotune', [False, True])
def test_gradients_are_deterministic_where_that_is_asked_for(emulation, autotune):
    inputs = made_for((2, 3, 5, 5), 4, (3, 3), 1, True, 'f', 0)
    with chainer.using_config('cudnn_deterministic', True), chainer.using_config('autotune', autotune):
        compare(
            emulation,
            F.convolution_2d,
            inputs,
            uses=['BackwardData 3', 'BackwardFilter 3'],
        )


def test_an_algorithm_is_chosen_once_for_equal_cases_and_anew_for_others(emulation):
    def chosen(**moves):
        x, W = numbers((2, 4, 6, 6), 0), numbers((4, 4 // moves.get('groups', 1), 3, 3), 1)
        compare(emulation, lambda x, W: F.convolution_2d(x, W, **moves), [x, W])
        return emulation.calls.count('get Forward')

    # The third makes results of the same shape as the first.
    same = {'pad': 4, 'stride': 3}
    kinds = [same, {**same, 'groups': 2}, {**same, 'dilate': 2}, {'pad': 4}]
    assert [chosen(**kind) for kind in kinds] == [1, 1, 1, 1]
    assert [chosen(**kind) for kind in kinds] == [0, 0, 0, 0]


def test_of_equal_shapes_in_another_layout_each_has_its_own_choice(emulation):
    from vgg_cifar.accelerators.cudnn.convolution import convolution_forward

    x, W = device(numbers((4, 4, 4, 4), 0)), device(numbers((4, 1, 1, 4), 1))
    y = device(numpy.zeros((4, 4, 4, 4), 'f'))
    emulation.calls.clear()
    # The same arrays are images of one row or of one channel by turns, and so are the windows.
    for layout in (0, 1, 0):
        weights = W if layout else W.reshape(4, 4, 1, 1)
        convolution_forward(
            *(x, weights, None, y, (0, 0), (1, 1), (1, 1), 1),
            **{'auto_tune': False, 'tensor_core': 'auto', 'd_layout': layout, 'w_layout': layout},
        )
        values = host(x) if layout else host(x).transpose(0, 2, 3, 1)
        wanted = numpy.einsum('nhwc,kc->nhwk', values.astype('d'), host(W).reshape(4, 4))
        found = host(y) if layout else host(y).transpose(0, 2, 3, 1)
        numpy.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert emulation.calls.count('get Forward') == 2


@fast
@given(
    size=several(3, 6),
    channels=several(1, 4),
    kernel=several(1, 3),
    bias=st.booleans(),
    dtype=types,
    seed=seeds,
)
def test_channels_last(emulation, size, channels, kernel, bias, dtype, seed):
    from vgg_cifar.accelerators.cudnn import convolution

    inputs = made_for((2, channels[0], *size), channels[1], kernel, 1, bias, dtype, seed)
    x, W, *b = inputs
    pad = (1, 2)
    y = F.convolution_2d(*(array.astype('d') for array in inputs), pad=pad).array
    gy = numbers(y.shape, seed + 3, dtype)
    last = [device(numpy.ascontiguousarray(array.transpose(0, 2, 3, 1))) for array in (x, W, y, gy)]
    x_, W_, y_, gy_ = last[0], last[1], device(numpy.zeros(last[2].shape, dtype)), last[3]
    geometry = (pad, (1, 1), (1, 1), 1)
    how = {'auto_tune': False, 'tensor_core': 'auto', 'd_layout': 1, 'w_layout': 1}
    convolution.convolution_forward(x_, W_, device(b[0]) if b else None, y_, *geometry, **how)
    gW_, gx_ = device(numpy.zeros(W_.shape, dtype)), device(numpy.zeros(x_.shape, dtype))
    convolution.convolution_backward_filter(x_, gy_, gW_, *geometry, deterministic=False, **how)
    convolution.convolution_backward_data(W_, gy_, None, gx_, *geometry, deterministic=False, **how)
    variables = [chainer.Variable(array.astype('d')) for array in inputs]
    wanted = F.convolution_2d(*variables, pad=pad)
    wanted.grad = gy.astype('d')
    wanted.backward()
    tolerance = {'e': 2e-2, 'f': 2e-4, 'd': 1e-9}[dtype]
    for found, want in ((y_, wanted.array), (gx_, variables[0].grad), (gW_, variables[1].grad)):
        scale = max(1, abs(want).max())
        numpy.testing.assert_allclose(
            host(found).transpose(0, 3, 1, 2) / scale, want / scale, rtol=0, atol=tolerance
        )


@pytest.mark.parametrize('function', [F.convolution_2d, F.deconvolution_2d])
def test_of_no_images_there_are_no_results_and_no_gradient(emulation, function):
    compare(emulation, function, [numbers((0, 3, 4, 4), 0), numbers((3, 3, 3, 3), 1), numbers((3,), 2)])


def test_an_error_names_the_call_its_reason_and_the_shapes(emulation):
    from vgg_cifar.accelerators.cudnn.library import CuDNNError

    cases = {
        'cudnnGetConvolutionForwardAlgorithm_v7: CUDNN_STATUS_BAD_PARAM': (2, 5, 9, 9),
        'cudnnSetTensorNdDescriptor: CUDNN_STATUS_BAD_PARAM': (2, 0, 9, 9),
    }
    for message, shape in cases.items():
        with pytest.raises(CuDNNError) as caught:
            from vgg_cifar.accelerators.cudnn.convolution import convolution_forward

            y = device(numpy.zeros((2, 4, 9, 9), 'f'))
            convolution_forward(
                *(device(numbers(shape, 0)), device(numbers((4, 5, 3, 3), 1)), None, y),
                *((0, 0), (1, 1), (1, 1), 1),
                **{'auto_tune': False, 'tensor_core': 'auto'},
            )
        assert str(caught.value).startswith(message)
        assert f'x float32 {shape}, W float32 (4, 5, 3, 3), b None' in str(caught.value)


def test_a_limit_too_small_for_every_algorithm_says_how_to_raise_it(emulation):
    from chainer.backends import cuda

    before = cuda.get_max_workspace_size()
    cuda.set_max_workspace_size(1)
    try:
        with pytest.raises(RuntimeError, match=r'1000 bytes.*set_max_workspace_size allows 1'):
            F.convolution_2d(device(numbers((2, 3, 5, 5), 0)), device(numbers((2, 3, 3, 3), 1)))
    finally:
        cuda.set_max_workspace_size(before)


@pytest.mark.parametrize(
    ('tensor_core', 'dtype', 'math'),
    [('auto', 'f', 0), ('auto', 'd', 0), ('auto', 'e', 0), ('never', 'f', 3), ('never', 'e', 3)],
)
def test_arithmetic_is_the_one_that_the_algorithm_was_listed_with(emulation, tensor_core, dtype, math):
    from vgg_cifar.accelerators.cudnn import convolution

    with chainer.using_config('use_cudnn_tensor_core', tensor_core):
        compare(
            emulation,
            lambda x, W: F.convolution_2d(x, W, pad=1),
            [numbers((2, 3, 6, 6), 0, dtype), numbers((2, 3, 3, 3), 1, dtype)],
        )
    plans = [
        plan
        for case, plan in convolution._plans.items()
        if (case.how.tensor_core, case.dtype.char) == (tensor_core, dtype)
    ]
    assert plans
    assert {emulation.math_of(plan.convolution.value) for plan in plans} == {math}


windows = {'size': several(4, 7), 'kernel': several(1, 3), 'stride': several(1, 3), 'pad': several(0, 2)}


def fits(kernel, pad):
    # cuDNN, as Chainer says, wants windows that reach into the image.
    assume(all(p < k for p, k in zip(pad, kernel, strict=True)))


@fast
@given(
    **windows, cover_all=st.booleans(), dtype=types, layout=layouts, seed=seeds, deterministic=st.booleans()
)
def test_max_pooling(emulation, size, kernel, stride, pad, cover_all, dtype, layout, seed, deterministic):
    fits(kernel, pad)
    # A window beyond the image has no maximum.
    assume(
        all(
            s * (get_conv_outsize(n, k, s, p, cover_all) - 1) < n + p
            for n, k, s, p in zip(size, kernel, stride, pad, strict=True)
        )
    )
    with chainer.using_config('cudnn_deterministic', deterministic):
        compare(
            emulation,
            lambda x: F.max_pooling_2d(x, kernel, stride, pad, cover_all),
            *([numbers((2, 3, *size), seed, dtype)], seed, layout),
            uses=['PoolingForward', 'PoolingBackward'],
        )


@fast
@given(**windows, dtype=types, layout=layouts, seed=seeds)
def test_average_pooling(emulation, size, kernel, stride, pad, dtype, layout, seed):
    fits(kernel, pad)
    compare(
        emulation,
        lambda x: F.average_pooling_2d(x, kernel, stride, pad),
        *([numbers((2, 3, *size), seed, dtype)], seed, layout),
        uses=['PoolingForward', 'PoolingBackward'],
    )


@pytest.mark.parametrize('pad_value', [0, None])
@pytest.mark.parametrize('dimensions', [2, 3])
def test_average_pooling_with_and_without_the_padding(emulation, pad_value, dimensions):
    x = numbers((2, 3, 5, 6, 4)[: 2 + dimensions], 0)
    compare(
        emulation,
        lambda x: F.average_pooling_nd(
            x, (3, 2, 2)[:dimensions], stride=(2, 1, 2)[:dimensions], pad=1, pad_value=pad_value
        ),
        [x],
        uses=['PoolingForward', 'PoolingBackward'],
    )


def test_max_pooling_in_three_dimensions(emulation):
    compare(
        emulation,
        lambda x: F.max_pooling_nd(x, (2, 3, 2), stride=(1, 2, 2), pad=(0, 1, 1)),
        [numbers((2, 3, 5, 6, 4), 0)],
        uses=['PoolingForward', 'PoolingBackward'],
    )


def test_pooling_of_no_images(emulation):
    compare(emulation, lambda x: F.average_pooling_2d(x, 2), [numbers((0, 3, 4, 4), 0)])


@pytest.mark.parametrize('function', [F.relu, F.sigmoid, F.tanh, lambda x: F.clipped_relu(x, 0.7)])
@fast
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=5), dtype=types, seed=seeds)
def test_activation(emulation, function, shape, dtype, seed):
    with chainer.using_config('use_cudnn', 'always'):
        compare(
            emulation,
            function,
            *([numbers(shape, seed, dtype)], seed),
            uses=['ActivationForward', 'ActivationBackward'],
        )


@pytest.mark.parametrize('layout', ['Fortran', 'every second', 'reversed'])
def test_activation_of_arrays_that_are_not_contiguous(emulation, layout):
    from vgg_cifar.accelerators.cudnn.activation import activation_backward, activation_forward

    x, gy = numbers((3, 4, 5), 0, 'd'), numbers((3, 4, 5), 1, 'd')
    y = activation_forward(arranged(x, layout), 0)
    gx = activation_backward(*(arranged(array, layout) for array in (x, host(y), gy)), 0)
    logistic = 1 / (1 + numpy.exp(-x))
    numpy.testing.assert_allclose(host(y), logistic, rtol=1e-12)
    numpy.testing.assert_allclose(host(gx), logistic * (1 - logistic) * gy, rtol=1e-12)


@pytest.mark.parametrize('function', [F.softmax, F.log_softmax])
@fast
@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    axis=st.integers(0, 3),
    dtype=types,
    layout=layouts,
    seed=seeds,
)
def test_softmax(emulation, function, shape, axis, dtype, layout, seed):
    axis %= len(shape)
    compare(
        emulation,
        lambda x: function(x, axis=axis),
        *([numbers(shape, seed, dtype)], seed, layout),
        uses=['SoftmaxForward', 'SoftmaxBackward'],
    )


def test_functions_of_nothing(emulation):
    for function in (F.relu, F.log_softmax, F.dropout):
        compare(emulation, function, [numbers((0, 4), 0)])


@fast
@given(
    size=several(2, 4),
    channels=st.integers(1, 4),
    mixed=st.booleans(),
    dtype=types,
    layout=layouts,
    seed=seeds,
    quick=st.booleans(),
)
def test_batch_normalization_of_images(emulation, size, channels, mixed, dtype, layout, seed, quick):
    # Chainer's mixed16 has float16 images and float32 parameters.
    parameters = 'f' if mixed and dtype == 'e' else dtype
    inputs = [
        numbers((4, channels, *size), seed, dtype),
        numbers((channels,), seed + 1, parameters),
        numbers((channels,), seed + 2, parameters),
    ]
    running = []

    def normalise(x, gamma, beta):
        send = (lambda a: a) if isinstance(x.array, numpy.ndarray) else device
        mean = send(numbers((channels,), seed + 3).astype(gamma.dtype))
        var = send(abs(numbers((channels,), seed + 4)).astype(gamma.dtype))
        y = F.batch_normalization(x, gamma, beta, running_mean=mean, running_var=var, decay=0.8)
        running.append((mean, var))
        return y

    with chainer.using_config('cudnn_fast_batch_normalization', quick):
        compare(
            emulation,
            normalise,
            *(inputs, seed, layout),
            tolerance={'e': 4e-2, 'f': 2e-3, 'd': 1e-8}[dtype],
            uses=['BatchNormalizationForwardTrainingEx', 'BatchNormalizationBackwardEx'],
        )
    for want, have in zip(*running, strict=True):
        numpy.testing.assert_allclose(host(have).astype('d'), want, rtol=1e-2, atol=1e-2)


@fast
@given(shape=several(3, 6), dtype=st.sampled_from('fd'), layout=layouts, seed=seeds)
def test_batch_normalization_of_vectors(emulation, shape, dtype, layout, seed):
    inputs = [numbers((shape[0] + 3, shape[1]), seed, dtype)]
    inputs += [numbers(shape[1:], seed + k, dtype) for k in (1, 2)]
    compare(
        emulation,
        F.batch_normalization,
        *(inputs, seed, layout),
        tolerance={'f': 2e-3, 'd': 1e-8}[dtype],
        uses=['BatchNormalizationForwardTrainingEx', 'BatchNormalizationBackwardEx'],
    )


@fast
@given(flat=st.booleans(), dtype=st.sampled_from('fd'), layout=layouts, seed=seeds)
def test_batch_normalization_by_given_statistics(emulation, flat, dtype, layout, seed):
    inputs = [numbers((3, 4) if flat else (3, 4, 2, 3), seed, dtype)]
    inputs += [numbers((4,), seed + k, dtype) for k in (1, 2, 3)]
    inputs.append(abs(numbers((4,), seed + 4, dtype)) + numpy.asarray(0.1, dtype))
    with chainer.using_config('train', False):
        emulation.calls.clear()
        wanted = F.fixed_batch_normalization(*(array.astype('d') for array in inputs)).array
        found = F.fixed_batch_normalization(*(arranged(array, layout) for array in inputs)).array
    assert emulation.calls == ['BatchNormalizationForwardInference']
    numpy.testing.assert_allclose(host(found), wanted, rtol=1e-3, atol=1e-4)


def test_batch_normalization_with_channels_last(emulation):
    from vgg_cifar.accelerators.cudnn import normalisation

    x, gamma, beta, gy = (
        numbers(shape, k) for k, shape in enumerate([(3, 4, 2, 5), (4,), (4,), (3, 4, 2, 5)])
    )
    variables = [chainer.Variable(array.astype('d')) for array in (x, gamma, beta)]
    wanted = F.batch_normalization(*variables)
    wanted.grad = gy.astype('d')
    wanted.backward()
    x_, gy_ = (device(numpy.ascontiguousarray(array.transpose(0, 2, 3, 1))) for array in (x, gy))
    gamma_, beta_, mean, var = device(gamma), device(beta), device(beta * 0), device(beta * 0)
    reserve, y, mean, inv_std = normalisation.batch_normalization_forward_training_ex(
        x_, gamma_, beta_, mean, var, None, None, 2e-5, 0.9, True, 1, False, d_layout=1
    )
    gradients = normalisation.batch_normalization_backward(
        x_, gamma_, gy_, mean, inv_std, 2e-5, True, 1, False, d_layout=1, reserve_space=reserve
    )
    found = [host(y).transpose(0, 3, 1, 2), host(gradients[0]).transpose(0, 3, 1, 2)]
    found += [host(gradients[1]), host(gradients[2])]
    for have, want in zip(found, [wanted.array, *(v.grad for v in variables)], strict=True):
        numpy.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('groups', [1, 2])
def test_group_normalization(emulation, groups):
    # Its backward pass is made of kernels, of cuDNN only for a gradient's gradient.
    inputs = [numbers((3, 4, 2, 3), 0), numbers((4,), 1), numbers((4,), 2)]
    emulation.calls.clear()
    wanted = F.group_normalization(inputs[0].astype('d'), groups, *(a.astype('d') for a in inputs[1:]))
    found = F.group_normalization(device(inputs[0]), groups, *map(device, inputs[1:]))
    assert emulation.calls == ['BatchNormalizationForwardTrainingEx']
    numpy.testing.assert_allclose(host(found.array), wanted.array, rtol=1e-3, atol=1e-3)


@fast
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    ratio=st.sampled_from([0.0, 0.3, 0.75]),
    dtype=types,
    seed=seeds,
)
def test_dropout_drops_the_same_elements_forwards_and_backwards(emulation, shape, ratio, dtype, seed):
    x = chainer.Variable(device(numbers(shape, seed, dtype)))
    emulation.calls.clear()
    first, second = (F.dropout(x, ratio) for _ in range(2))
    for y in (second, first):
        x.cleargrad()
        y.grad = device(numpy.ones(shape, dtype))
        y.backward()
        mask = host(x.grad)
        assert set(mask.ravel().tolist()) <= {
            0,
            float(numpy.asarray(1 / numpy.float64(1 - numpy.float32(ratio)), dtype)),
        }
        assert (mask != 0).all() or ratio
        numpy.testing.assert_allclose(host(y.array), host(x.array) * mask, rtol=1e-3)
    assert emulation.calls == ['DropoutForward'] * 2 + ['DropoutBackward'] * 2


def test_dropout_goes_on_where_it_is_and_begins_by_the_seed(emulation):
    from vgg_cifar.accelerators.cudnn.dropout import DropoutStates

    x = device(numpy.ones((8, 9), 'f'))

    def drawn(states):
        return [host(states.forward(None, x, 0.5)[1]).copy() for _ in range(3)]

    one, two, other = (drawn(DropoutStates(None, seed)) for seed in (5, 5, 2**40 + 1))
    numpy.testing.assert_array_equal(one, two)
    assert not (one[0] == one[1]).all()
    assert not (one[0] == other[0]).all()


@fast
@given(sizes=several(2, 5, 4), dtype=st.sampled_from('fd'), seed=seeds)
def test_spatial_transformer(emulation, sizes, dtype, seed):
    # C-contiguous: of another theta Chainer itself gets the gradient wrong, since its is arranged alike.
    h, w, out_h, out_w = sizes
    x = numbers((2, 3, h, w), seed, dtype)
    theta = (numbers((2, 2, 3), seed + 1) * 0.6 + 0.0123).astype(dtype)
    compare(
        emulation,
        lambda x, theta: F.spatial_transformer_sampler(x, F.spatial_transformer_grid(theta, (out_h, out_w))),
        *([x, theta], seed),
        tolerance={'f': 2e-3, 'd': 1e-7}[dtype],
        uses=[
            *('SpatialTfGridGeneratorForward', 'SpatialTfSamplerForward'),
            *('SpatialTfSamplerBackward', 'SpatialTfGridGeneratorBackward'),
        ],
    )


GATES = {'rnn': 1, 'lstm': 4, 'gru': 3}


@fast
@given(
    kind=st.sampled_from(['rnn', 'lstm', 'gru']),
    both_ways=st.booleans(),
    layers=st.integers(1, 2),
    lengths=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    activation=st.sampled_from(['tanh', 'relu']),
    dtype=st.sampled_from('fd'),
    train=st.booleans(),
    seed=seeds,
)
def test_recurrent_networks(emulation, kind, both_ways, layers, lengths, activation, dtype, train, seed):
    hidden, width, directions = 3, 2, 1 + both_ways
    lengths = sorted(lengths, reverse=True)
    steps = [sum(n > t for n in lengths) for t in range(lengths[0])]
    each = 2 * GATES[kind]
    widths = [width] * directions + [hidden * directions] * directions * (layers - 1)
    shapes = [
        shape
        for n in widths
        for shape in [(hidden, n)] * GATES[kind] + [(hidden, hidden)] * GATES[kind] + [(hidden,)] * each
    ]
    states = [(layers * directions, len(lengths), hidden)] * (2 if kind == 'lstm' else 1)
    inputs = [
        (numbers(shape, seed + k, dtype) * numpy.asarray(0.5, dtype))
        for k, shape in enumerate([*states, *[(n, width) for n in steps], *shapes])
    ]
    named = {'activation': activation} if kind == 'rnn' else {}

    def network(*variables):
        initial, rest = variables[: len(states)], variables[len(states) :]
        xs, rest = rest[: len(steps)], rest[len(steps) :]
        layers_of = [rest[k : k + 2 * each] for k in range(0, len(rest), 2 * each)]
        ws, bs = (
            [list(part) for part in zip(*((p[:each], p[each:]) for p in layers_of), strict=True)][k]
            for k in (0, 1)
        )
        *ends, ys = getattr(F, f'n_step_{"bi" * both_ways}{kind}')(
            layers, 0.0, *initial, ws, bs, list(xs), **named
        )
        return (*ends, *ys)

    tolerance = {'f': 5e-3, 'd': 1e-8}[dtype]
    with chainer.using_config('train', train):
        if train:
            compare(
                emulation,
                network,
                *(inputs, seed),
                tolerance=tolerance,
                uses=['RNNForward', 'RNNBackwardData_v8', 'RNNBackwardWeights_v8'],
            )
        else:
            emulation.calls.clear()
            wanted = network(*(array.astype('d') for array in inputs))
            found = network(*map(device, inputs))
            assert emulation.calls == ['RNNForward'], emulation.failures
            for have, want in zip(found, wanted, strict=True):
                numpy.testing.assert_allclose(host(have.array), want.array, rtol=0, atol=tolerance)


def test_a_type_that_cudnn_does_not_know_is_named(emulation):
    from vgg_cifar.accelerators.cudnn.descriptors import type_of

    with pytest.raises(TypeError, match='not for int32'):
        type_of(numpy.dtype('i4'))
