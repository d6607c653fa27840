"""Names that Chainer had once: answered when a script asks for them."""

import copy
import functools
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer import function, function_node, optimizer_hooks
from chainer.backends import cuda
from chainer.functions.pooling import max_pooling_nd
from chainer.utils import type_check

from vgg_cifar.compat.chainer1 import flag, function_set
from vgg_cifar.compat.chainer1.adaption import Adaption
from vgg_cifar.compat.chainer1.arguments import scaled

# Where chainer/functions/__init__.py had links, as what Chainer up to 1.4 called parameterized functions.
_LINKS_AMONG_FUNCTIONS = frozenset((
    'BatchNormalization', 'Bilinear', 'BinaryHierarchicalSoftmax', 'Convolution2D', 'DilatedConvolution2D',
    'EmbedID', 'Inception', 'InceptionBN', 'Linear', 'NegativeSampling', 'PReLU', 'Parameter',
))  # fmt: skip

MOVED = {
    'chainer.functions.activation.lstm': 'chainer.functions.rnn.lstm',
    'chainer.functions.activation.slstm': 'chainer.functions.rnn.slstm',
    'chainer.functions.connection.n_step_gru': 'chainer.functions.rnn.n_step_gru',
    'chainer.functions.connection.n_step_lstm': 'chainer.functions.rnn.n_step_lstm',
    'chainer.functions.connection.n_step_rnn': 'chainer.functions.rnn.n_step_rnn',
    'chainer.functions.pooling.max_pooling_2d': 'chainer.functions.pooling.max_pooling_nd',
    'chainer.links.connection.gru': 'chainer.links.rnn.gru',
    'chainer.links.connection.lstm': 'chainer.links.rnn.lstm',
    'chainer.links.connection.n_step_gru': 'chainer.links.rnn.n_step_gru',
    'chainer.links.connection.n_step_lstm': 'chainer.links.rnn.n_step_lstm',
    'chainer.links.connection.n_step_rnn': 'chainer.links.rnn.n_step_rnn',
    'chainer.links.connection.peephole': 'chainer.links.rnn.peephole',
    'chainer.links.connection.zoneoutlstm': 'chainer.links.rnn.zoneoutlstm',
    'chainer.training.triggers.interval': 'chainer.training.triggers.interval_trigger',
    'chainer.flag': flag.__name__,
    'chainer.function_set': function_set.__name__,
}


def accept() -> None:
    """Have Chainer know them all."""
    for old, new in MOVED.items():
        sys.modules[old] = sys.modules[new]
        package, _, name = old.rpartition('.')
        setattr(sys.modules[package], name, sys.modules[new])
    sys.modules['chainer.functions.caffe'] = F.caffe = _Caffe('chainer.functions.caffe')
    for name in ('ON', 'OFF', 'AUTO', 'Flag'):
        setattr(chainer, name, getattr(flag, name))
    chainer.FunctionSet = function_set.FunctionSet
    chainer.init_weight = chainer.initializers.init_weight = init_weight
    F.__getattr__ = _function_class
    function_node.FunctionNode.__call__ = _call
    adapter = function.FunctionAdapter
    adapter.check_type_forward = _checked_in_full(adapter.check_type_forward)
    chainer.Link.add_uninitialized_param = lambda self, name: self.add_param(name)
    chainer.Link.has_uninitialized_params = property(_has_uninitialized_params)
    for method in (zero_grads, compute_grads_norm, clip_grads, weight_decay, accumulate_grads):
        setattr(chainer.Optimizer, method.__name__, method)
    cuda.init = init
    for name in ('empty', 'full', 'ones', 'zeros', 'empty_like', 'full_like', 'ones_like', 'zeros_like'):
        setattr(cuda, name, functools.partial(_array, name))
    cuda.to_gpu_async = cuda.to_gpu
    cuda.to_cpu_async = cuda.to_cpu


class _Caffe(types.ModuleType):
    """Chainer 1.0 to 1.24's place of CaffeFunction, which needs protobuf: imported when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        from chainer.links import caffe

        return getattr(caffe, name)


class MaxPooling2D(max_pooling_nd.MaxPoolingND):
    """The function object of Chainer 1 to 5, with what upsampling_2d is told of it."""

    def __init__(self, ksize: Any, stride: Any = None, pad: Any = 0, cover_all: bool = True) -> None:
        super().__init__(2, ksize, stride, pad, cover_all)
        (self.kh, self.kw), (self.sy, self.sx), (self.ph, self.pw) = self.ksize, self.stride, self.pad


@functools.cache
def _function_class(name: str) -> Any:
    """Return what chainer.functions had by this name up to Chainer 4: a function's class, or a link."""
    if name in _LINKS_AMONG_FUNCTIONS:
        Adaption(f'F.{name}', 'chainer/functions/__init__.py', '1.24', f'L.{name}').note()
        return getattr(L, name)
    for module in [sys.modules[__name__], *_function_modules()]:
        found = vars(module).get(name)
        if isinstance(found, type) and issubclass(found, function_node.FunctionNode | chainer.Function):
            answer = 'its class, whose instances can be called'
            Adaption(f'F.{name}', 'chainer/functions/__init__.py', '4', answer).note()
            _ignore_use_cudnn(found)
            return found
    raise AttributeError(f'module {F.__name__!r} has no attribute {name!r}')


def _function_modules() -> list[types.ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith('chainer.functions.')]


def _ignore_use_cudnn(function: Any) -> None:
    create = function.__init__

    @functools.wraps(create)
    def __init__(self: Any, *args: Any, use_cudnn: bool = True, **kwargs: Any) -> None:
        create(self, *args, **kwargs)

    function.__init__ = __init__


def _call(self: Any, *inputs: Any) -> Any:
    """Apply a function object; one that was applied before is applied anew, as up to Chainer 1.4."""
    pristine = vars(self).setdefault('_pristine', copy.copy(self))
    outputs = (self if self.inputs is None else copy.copy(pristine)).apply(inputs)
    return outputs[0] if len(outputs) == 1 else outputs


def _checked_in_full(now: Callable) -> Callable:
    """Have a script's function that evaluates a type get what it can evaluate, as up to Chainer 3."""

    @functools.wraps(now)
    def check_type_forward(self: Any, in_types: Any) -> None:
        try:
            now(self, in_types)
        except AttributeError as error:
            if not type_check.in_light_mode():
                raise
            # Plain numbers were tried first; after this, expressions are.
            raise type_check.InvalidType('an expression', 'a number') from error

    return check_type_forward


def init_weight(weights: Any, initializer: Any, scale: float = 1.0) -> None:
    """Initialise an array, as chainer/initializers/__init__.py did up to Chainer 1.24."""
    scaled(initializer, 1)(weights)
    weights *= scale


def _has_uninitialized_params(self: Any) -> bool:
    return any(parameter.array is None for parameter in self.params())


def _optimizer_adaption(method: Callable) -> Callable:
    adaption = Adaption(f'optimizer.{method.__name__}', 'chainer/optimizer.py', '1.24', 'over its target')

    @functools.wraps(method)
    def call(self: Any, *args: Any) -> Any:
        adaption.note()
        return method(self, *args)

    return call


@_optimizer_adaption
def zero_grads(self: Any) -> None:
    """Fill all gradients with zeros."""
    for parameter in self.target.params():
        parameter.grad = parameter.xp.zeros_like(parameter.array)


@_optimizer_adaption
def compute_grads_norm(self: Any) -> float:
    """Return the L2 norm of all gradients together."""
    return float(numpy.sqrt(sum(float((p.grad * p.grad).sum()) for p in self.target.params())))


@_optimizer_adaption
def clip_grads(self: Any, maxnorm: float) -> None:
    """Scale the gradients so that their norm is this at most."""
    optimizer_hooks.GradientClipping(maxnorm)(self)


@_optimizer_adaption
def weight_decay(self: Any, decay: float) -> None:
    """Add the parameters, times this, to their gradients."""
    for parameter in self.target.params():
        optimizer_hooks.WeightDecay(decay)(parameter.update_rule, parameter)


@_optimizer_adaption
def accumulate_grads(self: Any, grads: Iterable[Any]) -> None:
    """Add arrays, on any device, to the gradients."""
    for parameter, gradient in zip(self.target.params(), grads, strict=False):
        parameter.grad += parameter.device.send(gradient)


def init(arg: Any = None) -> None:
    """Choose a GPU, if one is given; raises RuntimeError if there is none."""
    Adaption('cuda.init', 'chainer/cuda.py', '1.24', 'cuda.get_device(...).use()').note()
    cuda.check_cuda_available()
    if arg is not None:
        cuda.get_device(arg).use()


def _array(name: str, *args: Any, dtype: Any = numpy.float32, stream: Any = None) -> Any:
    Adaption(f'cuda.{name}', 'chainer/cuda.py', '1.24', f'cuda.cupy.{name}').note()
    cuda.check_cuda_available()
    options = {} if name.endswith('_like') else {'dtype': dtype}
    return getattr(cuda.cupy, name)(*args, **options)
