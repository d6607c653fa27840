"""Weights on their way between Chainer's arrays and the blocks that a primitive reads or writes."""

import numpy

from vgg_cifar.accelerators.onednn import memory
from vgg_cifar.accelerators.onednn.arrays import Shape, address
from vgg_cifar.accelerators.onednn.library import Arg
from vgg_cifar.accelerators.onednn.primitives import Layout, Primitive, Reorder


class Weights:
    """The blocks of one primitive.

    Args:
        primitive: reads or writes the blocks, in the order and type that it chose itself.
        which: WEIGHTS, which it reads, or DIFF_WEIGHTS, which it writes.
        shape: that of the float32 array in C order on the other side.
    """

    def __init__(self, primitive: Primitive, which: Arg, shape: Shape) -> None:
        plain = Layout(shape, numpy.cumprod((1, *shape[:0:-1]))[::-1].tolist())
        blocks = primitive.layout(which)
        source, target = (blocks, plain) if which is Arg.DIFF_WEIGHTS else (plain, blocks)
        self._reorder = Reorder(primitive.what, source, target)
        self._size = primitive.size(which)

    def read(self, weights: numpy.ndarray) -> numpy.ndarray:
        """Return the blocks that hold `weights`, which is in C order."""
        blocks = self.target(weights)
        if blocks is not weights:
            self._reorder(address(weights), address(blocks))
        return blocks

    def target(self, weights: numpy.ndarray) -> numpy.ndarray:
        """Return the blocks to write a gradient into, which `written` then puts into `weights`."""
        return memory.buffer(self._size) if self._reorder.needed else weights

    def written(self, blocks: numpy.ndarray, weights: numpy.ndarray) -> None:
        """Put into `weights` what the primitive wrote."""
        if blocks is not weights:
            self._reorder(address(blocks), address(weights))
