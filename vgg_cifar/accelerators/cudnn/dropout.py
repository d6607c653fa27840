"""Dropout."""

import cupy

from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.accelerators.cudnn.descriptors import Descriptor, address, contiguous, flat
from vgg_cifar.accelerators.cudnn.handles import Space, get_handle, reported


class DropoutStates:
    """Random number generators on the device, one for each of its threads.

    Args:
        handle: None; it is found.
        seed: a number below 2^64.

    """

    def __init__(self, handle: None, seed: int) -> None:
        self._seed = int(seed)
        self._desc = Descriptor('Dropout')
        dnn, handle_here = library.load(), get_handle()
        self._states = Space(dnn.size('DropoutGetStatesSize', handle_here))
        dnn.SetDropoutDescriptor(
            self._desc, handle_here, 0.0, self._states.address, self._states.size, self._seed
        )

    def set_dropout_ratio(self, dropout_ratio: float) -> None:
        """Set how many elements are dropped from now on; the generators go on where they are."""
        library.load().RestoreDropoutDescriptor(
            *(self._desc, get_handle(), dropout_ratio),
            *(self._states.address, self._states.size, self._seed),
        )

    @reported
    def forward(self, handle: None, x: cupy.ndarray, dropout_ratio: float) -> tuple[Space, cupy.ndarray]:
        """Return which elements stay, for `backward`, and x without the others, divided by 1 - ratio."""
        x = contiguous(x)
        y = cupy.ndarray(x.shape, x.dtype)
        if not x.size:
            return Space(0), y
        self.set_dropout_ratio(dropout_ratio)
        described = flat(x)
        reserve = Space(library.load().size('DropoutGetReserveSpaceSize', described))
        library.load().DropoutForward(
            *(get_handle(), self._desc, described, address(x), described, address(y)),
            *(reserve.address, reserve.size),
        )
        return reserve, y

    @reported
    def backward(
        self, handle: None, dy: cupy.ndarray, dropout_ratio: float, reserve_space: Space
    ) -> cupy.ndarray:
        """Return dy without the elements that `forward` dropped, divided by 1 - ratio."""
        dy = contiguous(dy)
        dx = cupy.ndarray(dy.shape, dy.dtype)
        if not dy.size:
            return dx
        self.set_dropout_ratio(dropout_ratio)
        described = flat(dy)
        library.load().DropoutBackward(
            *(get_handle(), self._desc, described, address(dy), described, address(dx)),
            *(reserve_space.address, reserve_space.size),
        )
        return dx
