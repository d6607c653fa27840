"""The layers of our networks, by the fastest path that the device has; elsewhere they are Chainer's own.

A network calls these with its links, and knows nothing of accelerators::

    h = layers.convolution(self.conv1_1, self.bn1_1, x)             # relu(bn(conv(x)))
    h = layers.convolution(self.conv1_2, self.bn1_2, h, shortcut=h)  # relu(bn(conv(h)) + h)
    h = layers.dropout(layers.max_pooling(h), 0.4)
    y = layers.linear(self.fc4, h)

With `using_compute('bfloat16')`, convolutions and linear layers multiply bfloat16 and add up float32, and
what lies between convolutions is bfloat16; parameters, statistics and what linear layers return stay float32.
'float16' likewise, on GPUs; 'tf32' lets a GPU round the factors of float32 products to 11 bits.
"""

import contextlib
import functools
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import chainer
import chainer.functions as F
import chainer.links as L
import numpy

from vgg_cifar.accelerators import cudnn, onednn
from vgg_cifar.errors import InputError

Array = (numpy.ndarray, chainer.backends.cuda.ndarray)

COMPUTE = ('float32', 'tf32', 'float16', 'bfloat16')


def check_compute(compute: str, device: Any = None) -> None:
    """Raise InputError unless convolutions can be computed in this type on a device, by default the CPU."""
    if compute not in COMPUTE:
        raise InputError(f'compute is {compute!r}; expected one of {", ".join(COMPUTE)}')
    if device is not None and device.xp is not numpy:
        if compute != 'float32' and not cudnn.live():
            raise InputError(f'compute is {compute}, which needs cuDNN and its graphs; {cudnn.status()}')
    elif compute in ('tf32', 'float16'):
        raise InputError(f'compute is {compute}, which is for GPUs; a CPU has float32 and bfloat16')
    elif compute == 'bfloat16':
        from vgg_cifar.accelerators.onednn import library

        if not onednn.live():
            raise InputError(f'compute is bfloat16, which needs oneDNN on a CPU; {onednn.status()}')
        if not library.load().has_bfloat16:
            raise InputError(
                'compute is bfloat16, which needs a CPU with AVX-512 bf16; '
                f'this one has {library.load().isa_name}: use float32'
            )


@contextlib.contextmanager
def using_compute(compute: str, device: Any = None) -> Iterator[None]:
    """Compute in one of `COMPUTE` within this, in this thread, on a device, by default the CPU.

    Raises:
        InputError: the device cannot, or there is no such type.

    """
    check_compute(compute, device)
    with chainer.using_config('compute', compute):
        yield


def convolution(
    conv: L.Convolution2D,
    bn: L.BatchNormalization | None,
    x: chainer.Variable,
    slope: float = 0.0,
    shortcut: chainer.Variable | None = None,
    relu: bool = True,
) -> chainer.Variable:
    """Return relu(bn(conv(x)) + shortcut), or less: all but the convolution may be left out.

    Args:
        conv: the convolution.
        bn: what normalises its result over the batch, or None.
        x: (N, C, H, W).
        slope: of the ReLU below zero; a leaky ReLU has one.
        shortcut: (N, out, H', W'), added before the ReLU.
        relu: whether there is one; a max pooling that follows can do it on fewer pixels.

    Returns:
        chainer.Variable: (N, out, H', W').

    """
    plain = _plain(conv, L.Convolution2D) and (bn is None or _plain_normalisation(bn))
    accelerator = _taking(x)
    taken = accelerator is not None and (shortcut is None or _taking(shortcut) is accelerator)
    folds = not chainer.config.enable_backprop and not (bn is not None and chainer.config.train)
    # Who watches functions is to see them one by one.
    watched = folds and bool(chainer.get_function_hooks())
    slope = slope if relu else 1.0
    if not taken or not plain or watched or chainer.config.in_recomputing:
        h = conv(_float32(x))
        return _rectified(h if bn is None else bn(h), slope, shortcut)
    from vgg_cifar.accelerators.onednn.convolution import pair

    nodes: Any = accelerator.nodes
    if folds:
        added = None if shortcut is None else chainer.as_variable(shortcut).array
        x = chainer.as_variable(x)
        return accelerator.folding.rectified_convolution(conv, bn, x, _dtype(), slope, added)
    moves = pair(conv.stride), pair(conv.pad), pair(conv.dilate)
    alone = bn is None and shortcut is None
    convolve = nodes.Convolution(*moves, conv.groups, _dtype(), slope if alone else 1.0)
    bias = [] if conv.b is None else [conv.b]
    # Normalisation takes a bias away again; a GPU does not add it first.
    later = bias if accelerator is cudnn and bn is not None and chainer.config.train else []
    (h,) = convolve.apply((x, conv.W, *([] if later else bias)))
    if alone:
        return h
    if bn is not None and not chainer.config.train:
        return _rectified(bn(h), slope, shortcut)
    if bn is not None:
        at_once = slope == 0 and shortcut is None
        h = _normalised(accelerator, bn, h, at_once, later)
        if at_once or (slope == 1 and shortcut is None):
            return h
    return nodes.ReLU(slope).apply((h,) if shortcut is None else (h, shortcut))[0]


def max_pooling(
    x: chainer.Variable, size: int = 2, stride: int | None = None, pad: int = 0, relu: bool = False
) -> chainer.Variable:
    """Return the maxima of square windows; a window that the image does not fill is left out.

    With `relu`, what is negative of them becomes 0: the same as a ReLU before, which has more to do, where
    every window holds a pixel.
    """
    if (accelerator := _taking(x)) is None:
        y = F.max_pooling_2d(x, size, stride, pad, cover_all=False)
        return F.relu(y) if relu else y
    return _pool(accelerator, 'max', x, size, stride, pad, relu)


def average_pooling(
    x: chainer.Variable, size: int | tuple[int, int] = 2, stride: int | None = None, pad: int = 0
) -> chainer.Variable:
    """Return the means of windows of `size`, the padding counted as zeros."""
    if (accelerator := _taking(x)) is None:
        return F.average_pooling_2d(x, size, stride, pad)
    return _pool(accelerator, 'average', x, size, stride, pad)


def dropout(x: chainer.Variable, ratio: float) -> chainer.Variable:
    """Return x with a random part `ratio` of its elements set to 0, and the rest divided by 1 - ratio.

    Always, whatever chainer.config.train says. numpy.random.seed makes the choice repeatable on a CPU.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f'ratio is {ratio}; expected 0 to below 1')
    if ratio == 0:
        return chainer.as_variable(x)
    if (accelerator := _taking(x)) is None:
        with chainer.using_config('train', True):
            return F.dropout(x, ratio)
    return accelerator.nodes.Dropout(ratio).apply((x,))[0]


def linear(
    link: L.Linear, x: chainer.Variable, bn: L.BatchNormalization | None = None, relu: bool = False
) -> chainer.Variable:
    """Return link(x), normalised by `bn` where one is given, and rectified where asked for.

    Args:
        link: the linear layer.
        x: (N, ...).
        bn: what normalises its result over the batch, or None.
        relu: whether a ReLU follows.

    Returns:
        chainer.Variable: float32 (N, out).

    """
    accelerator = _taking(x)
    if accelerator is None or not _plain(link, L.Linear):
        h = link(_float32(x))
        h = h if bn is None else bn(h)
        return F.relu(h) if relu else h
    parameters = [link.W] if link.b is None else [link.W, link.b]
    (h,) = accelerator.nodes.Linear(_dtype(), relu and bn is None).apply((x, *parameters))
    if bn is None:
        return h
    if not chainer.config.train or not _plain_normalisation(bn):
        h = bn(h)
        return F.relu(h) if relu else h
    return _normalised(accelerator, bn, h, relu)


def classification(
    scores: chainer.Variable, labels: numpy.ndarray
) -> tuple[chainer.Variable, chainer.Variable]:
    """Return the mean softmax cross entropy and the accuracy, a fraction, both float32 ().

    Args:
        scores: of each class, (N, classes), float32.
        labels: (N,), integers from 0.

    """
    if (accelerator := _taking(scores)) is None:
        return F.softmax_cross_entropy(scores, labels), F.accuracy(scores, labels)
    node = accelerator.nodes.CrossEntropy()
    (loss,) = node.apply((scores, labels))
    return loss, chainer.as_variable(node.accuracy)


def _taking(x: Any) -> Any:
    """Return the accelerator (a package with `nodes` and `folding`) that computes functions of x, or None."""
    array = x.array if isinstance(x, chainer.Variable) else x
    on_cpu = isinstance(array, numpy.ndarray)
    accelerator = onednn if on_cpu else cudnn
    types = ('float32', 'bfloat16') if on_cpu else ('float32', 'float16', 'bfloat16')
    if not isinstance(array, Array) or array.size == 0 or array.dtype.name not in types:
        return None
    # Somebody's file may have the bytes of a number the other way round.
    if not array.dtype.isnative:
        return None
    return _loaded(accelerator) if accelerator.live() else None


@functools.cache
def _loaded(accelerator: Any) -> Any:
    """Return an accelerator with its modules imported, which is not to be asked for in every layer's call."""
    for name in ('folding', 'nodes'):
        importlib.import_module(f'{accelerator.__name__}.{name}')
    return accelerator


def _plain(link: Any, kind: type) -> bool:
    """Whether a link does what its class says, with float32 parameters on the CPU."""
    # Not isinstance: what a subclass does is its own.
    is_kind = type(link) is kind
    if not is_kind or link.W.array is None or _hooked(link):
        return False
    return all(isinstance(p.array, Array) and p.dtype == numpy.float32 for p in link.params())


def _hooked(link: chainer.Link) -> bool:
    """Whether somebody wants to see the link called: by hooks of its own, or of all links in this thread."""
    return bool(link._n_local_link_hooks or chainer._get_link_hooks())


def _plain_normalisation(bn: L.BatchNormalization) -> bool:
    if type(bn) is not L.BatchNormalization or _hooked(bn) or bn.axis is not None:
        return False
    vectors = (getattr(bn.gamma, 'array', None), getattr(bn.beta, 'array', None), bn.avg_mean, bn.avg_var)
    return all(
        isinstance(values, Array)
        and values.dtype == numpy.float32
        and values.ndim == 1
        and values.flags.c_contiguous
        for values in vectors
    )


def _normalised(
    accelerator: Any, bn: L.BatchNormalization, h: chainer.Variable, relu: bool, bias: Sequence[Any] = ()
) -> chainer.Variable:
    """Return h, of which a bias may have been left out, normalised by the batch's statistics."""
    normalise = accelerator.nodes.BatchNormalization(bn.eps, bn.avg_mean, bn.avg_var, bn.decay, relu)
    return normalise.apply((h, bn.gamma, bn.beta, *bias))[0]


def _dtype() -> Any:
    """Return the type to multiply in: gradients through given statistics, a rare wish, are float32's."""
    compute = getattr(chainer.config, 'compute', 'float32')
    if compute in ('float32', 'tf32'):
        return numpy.float32
    if chainer.config.enable_backprop and not chainer.config.train:
        return numpy.float32
    if compute == 'float16':
        return numpy.float16
    import ml_dtypes

    return ml_dtypes.bfloat16


def _rectified(h: chainer.Variable, slope: float, shortcut: chainer.Variable | None) -> chainer.Variable:
    """Do the rest of `convolution` by Chainer's own functions."""
    if shortcut is not None:
        h = h + _float32(shortcut)
    if slope == 1:
        return h
    return F.leaky_relu(h, slope) if slope else F.relu(h)


def _float32(x: chainer.Variable) -> chainer.Variable:
    narrow = getattr(x.dtype, 'name', '') in ('float16', 'bfloat16')
    if not narrow or (accelerator := _taking(x)) is None:
        return x
    return accelerator.nodes.Cast().apply((x,))[0]


def _pool(
    accelerator: Any,
    kind: str,
    x: chainer.Variable,
    size: int | tuple[int, int],
    stride: int | None,
    pad: int,
    relu: bool = False,
) -> chainer.Variable:
    from vgg_cifar.accelerators.onednn.convolution import pair

    steps = size if stride is None else stride
    pool = accelerator.nodes.Pooling(kind, pair(size), pair(steps), pair(pad), relu)
    return pool.apply((x,))[0]
