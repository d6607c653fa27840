"""Arguments that Chainer 2 dropped: each callable with its parameters of Chainer 1.24, in their order."""

import math
from collections.abc import Callable
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy

from vgg_cifar.compat import chainer7
from vgg_cifar.compat.chainer1.adaption import Values, instead_of, read_as_then

_N_STEP = 'n_layers, dropout_ratio, hx, {}ws, bs, xs, train=True, use_cudnn=True'

FUNCTIONS = {
    'average_pooling_2d average_pooling_nd': 'x, ksize, stride=None, pad=0, use_cudnn=True',
    'batch_normalization': (
        'x, gamma, beta, eps=2e-5, running_mean=None, running_var=None, decay=0.9, use_cudnn=True'
    ),
    'convolution_2d': 'x, W, b=None, stride=1, pad=0, use_cudnn=True, cover_all=False, deterministic=False',
    'convolution_nd': 'x, W, b=None, stride=1, pad=0, use_cudnn=True, cover_all=False',
    'deconvolution_2d': 'x, W, b=None, stride=1, pad=0, outsize=None, use_cudnn=True, deterministic=False',
    'deconvolution_nd': 'x, W, b=None, stride=1, pad=0, outsize=None, use_cudnn=True',
    'dilated_convolution_2d': 'x, W, b=None, stride=1, pad=0, dilate=1, use_cudnn=True, cover_all=False',
    'dropout': 'x, ratio=0.5, train=True',
    'fixed_batch_normalization': 'x, gamma, beta, mean, var, eps=2e-5, use_cudnn=True',
    'log_softmax relu sigmoid tanh': 'x, use_cudnn=True',
    'max_pooling_2d max_pooling_nd': 'x, ksize, stride=None, pad=0, cover_all=True, use_cudnn=True',
    'n_step_bigru n_step_gru': _N_STEP.format(''),
    'n_step_bilstm n_step_lstm': _N_STEP.format('cx, '),
    'n_step_birnn n_step_rnn': f'{_N_STEP.format("")}, activation="tanh"',
    'sigmoid_cross_entropy': 'x, t, use_cudnn=True, normalize=True, reduce="mean"',
    'softmax': 'x, use_cudnn=True, axis=1',
    'softmax_cross_entropy': (
        'x, t, use_cudnn=True, normalize=True, cache_score=True, class_weight=None, ignore_label=-1, '
        'reduce="mean"'
    ),
    'spatial_transformer_grid': 'theta, output_shape, use_cudnn=True',
    'spatial_transformer_sampler': 'x, grid, use_cudnn=True',
    'split_axis': 'x, indices_or_sections, axis, force_tuple=False',
    'zoneout': 'h, x, ratio=0.5, train=True',
}

_IN_OUT = 'self, in_size, out_size, '
_CONVOLUTION = 'in_channels, out_channels, ksize, stride=1, pad=0, '
_SCALED = 'wscale=1, bias=0, nobias=False, '
_WEIGHTS = 'initialW=None, initial_bias=None'
_GATES = 'lateral_init=None, upward_init=None, bias_init=0, forget_bias_init=0'

LINKS = {
    'BatchNormalization': (
        'self, size, decay=0.9, eps=2e-5, dtype=None, use_gamma=True, use_beta=True, initial_gamma=None, '
        'initial_beta=None, use_cudnn=True'
    ),
    'Convolution2D': f'self, {_CONVOLUTION}{_SCALED}use_cudnn=True, {_WEIGHTS}, deterministic=False',
    # Without initial_bias it had none.
    'ConvolutionND': f'self, ndim, {_CONVOLUTION}{_WEIGHTS}, use_cudnn=True, cover_all=False, nobias=None',
    'Deconvolution2D': (
        f'self, {_CONVOLUTION}{_SCALED}outsize=None, use_cudnn=True, {_WEIGHTS}, deterministic=False'
    ),
    'DeconvolutionND': (
        f'self, ndim, {_CONVOLUTION}outsize=None, initialW=None, initial_bias=0, use_cudnn=True, nobias=None'
    ),
    'DilatedConvolution2D': f'self, {_CONVOLUTION}dilate=1, {_SCALED}use_cudnn=True, {_WEIGHTS}',
    'LSTM StatelessLSTM': f'{_IN_OUT}{_GATES}',
    'Linear': f'{_IN_OUT}{_SCALED}{_WEIGHTS}',
    'MLPConvolution2D': (
        f'self, {_CONVOLUTION}wscale=1, activation=F.relu, use_cudnn=True, conv_init=None, bias_init=None'
    ),
    'Maxout': f'{_IN_OUT}pool_size, wscale=1, initialW=None, initial_bias=0',
    'NStepBiGRU NStepBiLSTM NStepBiRNNReLU NStepBiRNNTanh NStepGRU NStepLSTM NStepRNNReLU NStepRNNTanh': (
        'self, n_layers, in_size, out_size, dropout, use_cudnn=True'
    ),
    'StatefulZoneoutLSTM': f'{_IN_OUT}c_ratio=0.5, h_ratio=0.5, train=True',
}

_EXTRACT = 'self, images, layers=None, size=(224, 224), {}, volatile="off"'

# A script calls Link.__call__, and this is called by it.
METHODS = (
    (L.BatchNormalization, 'forward', 'self, x, test=False, finetune=False'),
    (L.InceptionBN, 'forward', 'self, x, test=None'),
    (L.NStepRNNTanh.__base__, 'forward', 'self, hx, xs, train=True'),
    (L.NStepLSTM.__base__, 'forward', 'self, hx, cx, xs, train=True'),
    (L.GoogLeNet, 'forward', 'self, x, layers=None, train=False'),
    (L.GoogLeNet, 'extract', _EXTRACT.format('train=False')),
    (L.ResNet50Layers.__base__, 'forward', 'self, x, layers=None, test=True'),
    (L.ResNet50Layers.__base__, 'extract', _EXTRACT.format('test=True')),
    (L.VGG16Layers.__base__, 'forward', 'self, x, layers=None, test=True'),
    (L.VGG16Layers.__base__, 'extract', _EXTRACT.format('test=True')),
)


def scaled(initial: Any, scale: float) -> Callable[[Any], None]:
    """Return what Chainer 1 made of an initial value and a scale: an initialiser."""
    if initial is None:
        return chainer.initializers.HeNormal(scale / numpy.sqrt(2))
    if not callable(initial):
        return chainer.initializers.Constant(initial * scale)

    def initializer(array: Any) -> None:
        initial(array)
        array *= scale

    return initializer


def _link_arguments(values: Values) -> None:
    """Turn wscale and bias into initialisers.

    The weights' scale was wscale up to Chainer 1.8, its square root from 1.9 on.
    """
    wscale = values.pop('wscale', 1)
    if wscale != 1:
        name = 'conv_init' if isinstance(values['self'], L.MLPConvolution2D) else 'initialW'
        values[name] = scaled(values.get(name), math.sqrt(wscale))
    bias = values.pop('bias', None)
    if values.get('initial_bias') is None and bias is not None:
        values['initial_bias'] = bias
    # For links of N dimensions.
    if 'nobias' in values and values['nobias'] is None:
        values['nobias'] = values.get('initial_bias') is None
    # They were kept by the link, for its calls; using cuDNN changes rounding alone.
    values.pop('use_cudnn', None)
    if values.pop('deterministic', False):
        chainer.global_config.cudnn_deterministic = True
    if 'train' in values:
        values['self'].__dict__['train'] = values.pop('train')


for _names, _then in FUNCTIONS.items():
    for _name in _names.split():
        # Only here, not in the file that defines it: Chainer's own code goes on as it is.
        read_as_then(F, _name, _then)
for _names, _then in LINKS.items():
    for _name in _names.split():
        read_as_then(getattr(L, _name), '__init__', _then, _link_arguments)
for _link, _method, _then in METHODS:
    read_as_then(_link, _method, _then, only_refused=True)
chainer7.when_loaded(
    'chainer.links.caffe.caffe_function',
    lambda caffe: read_as_then(
        caffe.CaffeFunction, 'forward', 'self, inputs, outputs, disable=(), train=True', only_refused=True
    ),
)


@instead_of(F, 'spatial_pyramid_pooling_2d')
def _spatial_pyramid_pooling_2d(
    now: Callable, x: Any, pyramid_height: int, pooling: Any = None, use_cudnn: bool = True, **old: Any
) -> Any:
    """Take the class of a function as pooling, as up to Chainer 3; there was one."""
    pooling = old.pop('pooling_class', pooling)
    return now(x, pyramid_height, 'max' if isinstance(pooling, type) else pooling, **old)
