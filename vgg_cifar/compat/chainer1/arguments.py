"""Arguments that Chainer 2 dropped: each callable with its parameters of Chainer 1.24, in their order."""

import functools
import math
from collections.abc import Callable
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer import serializers

from vgg_cifar.compat import chainer7
from vgg_cifar.compat.chainer1.adaption import Adaption, Values, configured, file_of, read_as_then

_N_STEP = 'n_layers, dropout_ratio, hx, {}ws, bs, xs, train=True, use_cudnn=True'
_N_STEP_RNN = _N_STEP.format('') + ', activation="tanh"'

FUNCTIONS = {
    'average_pooling_2d': 'x, ksize, stride=None, pad=0, use_cudnn=True',
    'average_pooling_nd': 'x, ksize, stride=None, pad=0, use_cudnn=True',
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
    'log_softmax': 'x, use_cudnn=True',
    'max_pooling_2d': 'x, ksize, stride=None, pad=0, cover_all=True, use_cudnn=True',
    'max_pooling_nd': 'x, ksize, stride=None, pad=0, cover_all=True, use_cudnn=True',
    'n_step_bigru': _N_STEP.format(''),
    'n_step_bilstm': _N_STEP.format('cx, '),
    'n_step_birnn': _N_STEP_RNN,
    'n_step_gru': _N_STEP.format(''),
    'n_step_lstm': _N_STEP.format('cx, '),
    'n_step_rnn': _N_STEP_RNN,
    'relu': 'x, use_cudnn=True',
    'sigmoid': 'x, use_cudnn=True',
    'sigmoid_cross_entropy': 'x, t, use_cudnn=True, normalize=True, reduce="mean"',
    'softmax': 'x, use_cudnn=True, axis=1',
    'softmax_cross_entropy': (
        'x, t, use_cudnn=True, normalize=True, cache_score=True, class_weight=None, ignore_label=-1, '
        'reduce="mean"'
    ),
    'spatial_transformer_grid': 'theta, output_shape, use_cudnn=True',
    'spatial_transformer_sampler': 'x, grid, use_cudnn=True',
    'split_axis': 'x, indices_or_sections, axis, force_tuple=False',
    'tanh': 'x, use_cudnn=True',
    'zoneout': 'h, x, ratio=0.5, train=True',
}

_CONVOLUTION = 'self, in_channels, out_channels, ksize, stride=1, pad=0, '
_WEIGHTS = 'initialW=None, initial_bias=None'
_N_STEP_LINK = 'self, n_layers, in_size, out_size, dropout, use_cudnn=True'
_GATES = 'lateral_init=None, upward_init=None, bias_init=0, forget_bias_init=0'

LINKS = {
    'BatchNormalization': (
        'self, size, decay=0.9, eps=2e-5, dtype=None, use_gamma=True, use_beta=True, initial_gamma=None, '
        'initial_beta=None, use_cudnn=True'
    ),
    'Convolution2D': (
        f'{_CONVOLUTION}wscale=1, bias=0, nobias=False, use_cudnn=True, {_WEIGHTS}, deterministic=False'
    ),
    # Without initial_bias it had none.
    'ConvolutionND': (
        f'self, ndim, {_CONVOLUTION[6:]}{_WEIGHTS}, use_cudnn=True, cover_all=False, nobias=None'
    ),
    'Deconvolution2D': (
        f'{_CONVOLUTION}wscale=1, bias=0, nobias=False, outsize=None, use_cudnn=True, {_WEIGHTS}, '
        'deterministic=False'
    ),
    'DeconvolutionND': (
        f'self, ndim, {_CONVOLUTION[6:]}outsize=None, initialW=None, initial_bias=0, use_cudnn=True, '
        'nobias=None'
    ),
    'DilatedConvolution2D': (
        f'{_CONVOLUTION}dilate=1, wscale=1, bias=0, nobias=False, use_cudnn=True, {_WEIGHTS}'
    ),
    'LSTM': f'self, in_size, out_size, {_GATES}',
    'Linear': f'self, in_size, out_size, wscale=1, bias=0, nobias=False, {_WEIGHTS}',
    'MLPConvolution2D': (
        f'{_CONVOLUTION}wscale=1, activation=F.relu, use_cudnn=True, conv_init=None, bias_init=None'
    ),
    'Maxout': 'self, in_size, out_size, pool_size, wscale=1, initialW=None, initial_bias=0',
    'NStepBiGRU': _N_STEP_LINK,
    'NStepBiLSTM': _N_STEP_LINK,
    'NStepBiRNNReLU': _N_STEP_LINK,
    'NStepBiRNNTanh': _N_STEP_LINK,
    'NStepGRU': _N_STEP_LINK,
    'NStepLSTM': _N_STEP_LINK,
    'NStepRNNReLU': _N_STEP_LINK,
    'NStepRNNTanh': _N_STEP_LINK,
    'StatefulZoneoutLSTM': 'self, in_size, out_size, c_ratio=0.5, h_ratio=0.5, train=True',
    'StatelessLSTM': f'self, in_size, out_size, {_GATES}',
}

_SEQUENCES = 'self, hx, {}xs, train=True'
_EXTRACT = 'self, images, layers=None, size=(224, 224), {}, volatile="off"'

# A script calls Link.__call__, and this is called by it.
METHODS = (
    (L.BatchNormalization, 'forward', 'self, x, test=False, finetune=False'),
    (L.InceptionBN, 'forward', 'self, x, test=None'),
    (L.NStepRNNTanh.__base__, 'forward', _SEQUENCES.format('')),
    (L.NStepLSTM.__base__, 'forward', _SEQUENCES.format('cx, ')),
    (L.GoogLeNet, 'forward', 'self, x, layers=None, train=False'),
    (L.GoogLeNet, 'extract', _EXTRACT.format('train=False')),
    (L.ResNet50Layers.__base__, 'forward', 'self, x, layers=None, test=True'),
    (L.ResNet50Layers.__base__, 'extract', _EXTRACT.format('test=True')),
    (L.VGG16Layers.__base__, 'forward', 'self, x, layers=None, test=True'),
    (L.VGG16Layers.__base__, 'extract', _EXTRACT.format('test=True')),
)


def accept() -> None:
    """Have them all take the arguments of Chainer 1.24."""
    for name, then in FUNCTIONS.items():
        # Only here, not in the file that defines it: Chainer's own code goes on as it is.
        call = read_as_then(getattr(F, name), then, f'F.{name}')
        # Where pickle finds it again.
        call.__module__ = F.__name__
        setattr(F, name, call)
    F.spatial_pyramid_pooling_2d = _spatial_pyramid_pooling_2d(F.spatial_pyramid_pooling_2d)
    for name, then in LINKS.items():
        link = getattr(L, name)
        link.__init__ = read_as_then(link.__init__, then, f'L.{name}', _link_arguments)
    for link, method, then in METHODS:
        adapted = read_as_then(getattr(link, method), then, f'L.{link.__name__}', only_refused=True)
        setattr(link, method, adapted)
    chainer7.when_loaded('chainer.links.caffe.caffe_function', _accept_by_caffe)
    serializers.load_npz = read_as_then(serializers.load_npz, 'filename, obj', 'load_npz', _file, True)
    then = 'filename, obj, compression=True'
    serializers.save_npz = read_as_then(serializers.save_npz, then, 'save_npz', _file, True)


def _accept_by_caffe(module: Any) -> None:
    link = module.CaffeFunction
    then = 'self, inputs, outputs, disable=(), train=True'
    link.forward = read_as_then(link.forward, then, 'CaffeFunction', only_refused=True)


def _file(values: Values) -> None:
    values['file'] = values.pop('filename')


def _link_arguments(values: Values) -> None:
    """Turn wscale and bias into initialisers.

    The weights' scale was wscale up to Chainer 1.8, its square root from 1.9 on.
    """
    wscale = values.pop('wscale', 1)
    if wscale != 1:
        name = (
            'conv_init'
            if 'conv_init' in values or isinstance(values['self'], L.MLPConvolution2D)
            else 'initialW'
        )
        values[name] = scaled(values.get(name), math.sqrt(wscale))
    if values.get('initial_bias') is None and 'bias' in values:
        values['initial_bias'] = values['bias']
    values.pop('bias', None)
    # For links of N dimensions.
    if 'nobias' in values and values['nobias'] is None:
        values['nobias'] = values.get('initial_bias') is None
    # They were kept by the link, for its calls; using cuDNN changes rounding alone.
    values.pop('use_cudnn', None)
    if values.pop('deterministic', False):
        chainer.global_config.cudnn_deterministic = True
    if 'train' in values:
        values['self'].__dict__['train'] = values.pop('train')


class _Scaled(chainer.Initializer):
    """What an initialiser gives, multiplied."""

    def __init__(self, initializer: Callable[[Any], None], scale: float) -> None:
        super().__init__(getattr(initializer, 'dtype', None))
        self.initializer = initializer
        self.scale = scale

    def __call__(self, array: Any) -> None:
        self.initializer(array)
        array *= self.scale


def scaled(initial: Any, scale: float) -> Callable[[Any], None]:
    """Return what Chainer 1 made of an initial value and a scale: an initialiser."""
    if initial is None:
        return chainer.initializers.HeNormal(scale / numpy.sqrt(2))
    if not callable(initial):
        return chainer.initializers.Constant(initial * scale)
    return _Scaled(initial, scale)


def _spatial_pyramid_pooling_2d(now: Callable) -> Callable:
    adaption = Adaption('F.spatial_pyramid_pooling_2d(pooling_class)', file_of(now), '3', 'pooling="max"')

    @functools.wraps(now)
    def call(x: Any, pyramid_height: int, pooling: Any = None, use_cudnn: bool = True, **old: Any) -> Any:
        pooling = old.pop('pooling_class', pooling)
        if getattr(pooling, '__name__', None) == 'MaxPooling2D':
            adaption.note()
            pooling = 'max'
        with configured({'use_cudnn': use_cudnn}):
            return now(x, pyramid_height, pooling, **old)

    call.__module__ = F.__name__
    return call
