"""Chainer's own mistakes in the use of iDeep, put right. Each function takes the module that it repairs."""

from typing import Any


def batch_normalization(module: Any) -> None:
    """Have Chainer ask for iDeep only where it normalises over all axes but the second.

    Chainer asks whatever the axes are, and does not say which: over others, the result would be wrong.
    """

    class Mode(module._BNMode):
        def __init__(self, x: Any, gamma: Any, key_axis: tuple[int, ...], inference: bool = False) -> None:
            super().__init__(x, gamma, key_axis, inference)
            if tuple(key_axis) != (1,):
                self.ideep_ok = False

    module._BNMode = Mode


def average_pooling_2d(module: Any) -> None:
    """Have a gradient use NumPy where its forward pass did: Chainer looks at the configuration anew."""
    _follow_forward(module.AveragePooling2DGrad, lambda node: bool(node.apool2d.get_retained_inputs()))


def max_pooling_nd(module: Any) -> None:
    """Have a gradient use NumPy where its forward pass did: Chainer would call itself without end."""
    from chainer.backends import intel64

    _follow_forward(module.MaxPoolingNDGrad, lambda node: isinstance(node.func.indexes, intel64.mdarray))


def _follow_forward(gradient: Any, used_ideep: Any) -> None:
    import chainer

    forward_cpu = gradient.forward_cpu

    def forward(self: Any, gy: Any) -> Any:
        if used_ideep(self):
            return forward_cpu(self, gy)
        with chainer.using_config('use_ideep', 'never'):
            return forward_cpu(self, gy)

    gradient.forward_cpu = forward


MODULES = {
    'chainer.functions.normalization.batch_normalization': batch_normalization,
    'chainer.functions.pooling.average_pooling_2d': average_pooling_2d,
    'chainer.functions.pooling.max_pooling_nd': max_pooling_nd,
}
