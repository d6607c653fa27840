"""Adam's rule in five passes over the memory instead of twelve, with the roundings of Chainer's."""

import threading
from collections.abc import Sequence

import numpy

from vgg_cifar.accelerators.onednn import arrays, library, threads
from vgg_cifar.accelerators.onednn.arrays import address
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg
from vgg_cifar.accelerators.onednn.primitives import After, Attributes, Layout, Primitive, cached

ZERO = numpy.zeros(1, numpy.float32)


class _Scratch(threading.local):
    """This thread's array to work in: one, of the size that was asked for last."""

    kept: numpy.ndarray | None = None

    def array(self, size: int) -> numpy.ndarray:
        if self.kept is None or self.kept.size != size:
            self.kept = arrays.empty_in_order((size,))
        return self.kept


_scratch = _Scratch()


def update(vectors: Sequence[numpy.ndarray], alpha: float, share1: float, share2: float, eps: float) -> None:
    """Update a parameter and its moments in place, on the calling thread alone.

    Args:
        vectors: the parameter, its gradient, m and v of chainer.optimizers.adam, float32 (N,).
        alpha: its alpha_t, in which the bias is corrected.
        share1, share2: 1 - beta1 and 1 - beta2.
        eps: added to the root.

    """
    threads.alone(_passes(vectors[0].size, share1, share2, eps), *map(address, vectors), alpha)


class _Passes:
    """The update of so many elements, called with the addresses of its arrays, and with alpha."""

    def __init__(self, size: int, share1: float, share2: float, eps: float) -> None:
        self._size = size
        flat, one = arrays.layout((size,)), arrays.layout((1,))
        add, subtract = After(Algorithm.ADD, layout=flat), After(Algorithm.SUBTRACT, layout=flat)

        def times(number: float) -> After:
            return After(Algorithm.LINEAR, number)

        def binary(algorithm: Algorithm, second: Layout, uses: Sequence[Arg], *after: After) -> Primitive:
            return Primitive(
                f'Adam on {size} elements',
                (Arg.SRC, Arg.SRC_1, *uses, Arg.DST),
                'binary_primitive_desc_create',
                library.load().engine,
                algorithm,
                flat,
                second,
                flat,
                attributes=Attributes(after=after),
            )

        self._mean = binary(Algorithm.SUBTRACT, flat, [Arg.AFTER_1], times(-share1), add)
        self._square = binary(
            Algorithm.MULTIPLY, flat, [Arg.AFTER_0, Arg.AFTER_2], subtract, times(share2), add
        )
        root = After(Algorithm.SQUARE_ROOT), After(Algorithm.LINEAR, 1, eps)
        self._root = binary(Algorithm.ADD, one, [], *root)
        self._move = binary(Algorithm.MULTIPLY, flat, [Arg.AFTER_1], times(-1), add)

    def __call__(self, param: int, grad: int, m: int, v: int, alpha: float) -> None:
        root = _scratch.array(self._size)
        step = address(root)
        # m = (m - grad) * -share1 + m
        self._mean(m, grad, m, m)
        # v = (grad * grad - v) * share2 + v
        self._square(grad, grad, v, v, v)
        # step = sqrt(v + 0) * 1 + eps
        self._root(v, address(ZERO), step)
        numpy.divide(alpha, root, out=root)
        # param = step * m * -1 + param
        self._move(step, m, param, param)


_passes = cached(_Passes)
