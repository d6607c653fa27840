"""Names that Chainer had once: answered when a script asks for them."""

import copy
import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer import function, function_node, optimizer_hooks
from chainer.backends import cuda
from chainer.functions.pooling import max_pooling_nd
from chainer.training.triggers import interval_trigger
from chainer.utils import type_check

from vgg_cifar.compat import old_names
from vgg_cifar.compat.chainer1 import function_set, volatile
from vgg_cifar.compat.chainer1.adaption import instead_of, note
from vgg_cifar.compat.chainer1.arguments import scaled
from vgg_cifar.compat.dialect import LINKS_AMONG_FUNCTIONS

# Modules

for _name, _module in list(sys.modules.items()):
    # What is among the recurrent ones since Chainer 7.
    for _now, _then in (('functions', 'activation'), ('functions', 'connection'), ('links', 'connection')):
        if _name.startswith(f'chainer.{_now}.rnn.'):
            sys.modules.setdefault(_name.replace('.rnn.', f'.{_then}.'), _module)
sys.modules['chainer.functions.pooling.max_pooling_2d'] = max_pooling_nd
sys.modules['chainer.training.triggers.interval'] = interval_trigger
sys.modules['chainer.flag'] = chainer.flag = volatile
sys.modules['chainer.function_set'] = chainer.function_set = function_set
# It needs protobuf.
old_names.MODULES['chainer.functions.caffe'] = lambda: old_names.copy_of('chainer.links.caffe')

# Functions and links


class MaxPooling2D(max_pooling_nd.MaxPoolingND):
    """The function object of Chainer 1 to 5, with what upsampling_2d is told of it."""

    def __init__(self, ksize: Any, stride: Any = None, pad: Any = 0, cover_all: bool = True) -> None:
        super().__init__(2, ksize, stride, pad, cover_all)
        (self.kh, self.kw), (self.sy, self.sx), (self.ph, self.pw) = self.ksize, self.stride, self.pad


@functools.cache
def _function_class(name: str) -> Any:
    """Return what chainer.functions had by this name up to Chainer 4: a function's class, or a link."""
    file = 'chainer/functions/__init__.py'
    if name in LINKS_AMONG_FUNCTIONS:
        note(f'F.{name}', file, '1.24', f'L.{name}')
        return getattr(L, name)
    modules = [module for path, module in sys.modules.items() if path.startswith('chainer.functions.')]
    for module in (sys.modules[__name__], *modules):
        found = vars(module).get(name)
        if isinstance(found, type) and issubclass(found, function_node.FunctionNode | chainer.Function):
            note(f'F.{name}', file, '4', 'its class, whose instances can be called')

            @instead_of(found, '__init__')
            def create(now: Callable, *args: Any, use_cudnn: bool = True, **kwargs: Any) -> None:
                now(*args, **kwargs)

            return found
    raise AttributeError(f'module {F.__name__!r} has no attribute {name!r}')


F.__getattr__ = _function_class


@instead_of(function_node.FunctionNode, '__call__')
def _call(now: Callable, self: Any, *inputs: Any) -> Any:
    """Apply a function object; one that was applied before is applied anew, as up to Chainer 1.4."""
    pristine = vars(self).setdefault('_pristine', copy.copy(self))
    outputs = (self if self.inputs is None else copy.copy(pristine)).apply(inputs)
    return outputs[0] if len(outputs) == 1 else outputs


@instead_of(function.FunctionAdapter, 'check_type_forward')
def _checked_in_full(now: Callable, self: Any, in_types: Any) -> None:
    """Have a script's function that evaluates a type get what it can evaluate, as up to Chainer 3."""
    try:
        now(self, in_types)
    except AttributeError as error:
        if not type_check.in_light_mode():
            raise
        # Plain numbers were tried first; after this, expressions are.
        raise type_check.InvalidType('an expression', 'a number') from error


# Up to Chainer 1.4 a link's parameters were arrays.
chainer.Variable.__float__ = lambda self: float(self.array)
chainer.Variable.__setitem__ = lambda self, index, value: self.array.__setitem__(index, value)

chainer.FunctionSet = function_set.FunctionSet
for _name in ('ON', 'OFF', 'AUTO', 'Flag'):
    setattr(chainer, _name, getattr(volatile, _name))
chainer.Link.add_uninitialized_param = lambda self, name: self.add_param(name)
chainer.Link.has_uninitialized_params = property(
    lambda self: any(parameter.array is None for parameter in self.params())
)


def init_weight(weights: Any, initializer: Any, scale: float = 1.0) -> None:
    """Initialise an array, as chainer/initializers/__init__.py did up to Chainer 1.24."""
    scaled(initializer, 1)(weights)
    weights *= scale


chainer.init_weight = chainer.initializers.init_weight = init_weight

# Optimizers


def _of_optimizer(method: Callable) -> Callable:
    @functools.wraps(method)
    def call(self: Any, *args: Any) -> Any:
        note(f'optimizer.{method.__name__}', 'chainer/optimizer.py', '1.24', 'over its target')
        return method(self, *args)

    setattr(chainer.Optimizer, method.__name__, call)
    return call


@_of_optimizer
def zero_grads(self: Any) -> None:
    """Fill all gradients with zeros."""
    for parameter in self.target.params():
        parameter.grad = parameter.xp.zeros_like(parameter.array)


@_of_optimizer
def compute_grads_norm(self: Any) -> float:
    """Return the L2 norm of all gradients together."""
    return float(numpy.sqrt(sum(float((p.grad * p.grad).sum()) for p in self.target.params())))


@_of_optimizer
def clip_grads(self: Any, maxnorm: float) -> None:
    """Scale the gradients so that their norm is this at most."""
    optimizer_hooks.GradientClipping(maxnorm)(self)


@_of_optimizer
def weight_decay(self: Any, decay: float) -> None:
    """Add the parameters, times this, to their gradients."""
    for parameter in self.target.params():
        optimizer_hooks.WeightDecay(decay)(parameter.update_rule, parameter)


@_of_optimizer
def accumulate_grads(self: Any, grads: Iterable[Any]) -> None:
    """Add arrays, on any device, to the gradients."""
    for parameter, gradient in zip(self.target.params(), grads, strict=False):
        parameter.grad += parameter.device.send(gradient)


# GPUs


def init(arg: Any = None) -> None:
    """Choose a GPU, if one is given; raises RuntimeError if there is none."""
    note('cuda.init', 'chainer/cuda.py', '1.24', 'cuda.get_device(...).use()')
    cuda.check_cuda_available()
    if arg is not None:
        cuda.get_device(arg).use()


def _array(name: str, *args: Any, dtype: Any = numpy.float32, stream: Any = None) -> Any:
    note(f'cuda.{name}', 'chainer/cuda.py', '1.24', f'cuda.cupy.{name}')
    cuda.check_cuda_available()
    options = {} if name.endswith('_like') else {'dtype': dtype}
    return getattr(cuda.cupy, name)(*args, **options)


cuda.init = init
cuda.to_gpu_async, cuda.to_cpu_async = cuda.to_gpu, cuda.to_cpu
for _name in ('empty', 'full', 'ones', 'zeros', 'empty_like', 'full_like', 'ones_like', 'zeros_like'):
    setattr(cuda, _name, functools.partial(_array, _name))
