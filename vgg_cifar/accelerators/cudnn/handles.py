"""cuDNN's handle, through which everything runs on a device, and memory to work in."""

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import cupy

from vgg_cifar.accelerators.cudnn import library
from vgg_cifar.accelerators.cudnn.library import CuDNNError

_of_thread = threading.local()

_workspace_limit = 512 << 20


def get_handle() -> int:
    """Return this thread's handle on the current device; it works on CuPy's current stream."""
    handles = vars(_of_thread).setdefault('handles', {})
    device = cupy.cuda.runtime.getDevice()
    handle = handles.get(device)
    if handle is None:
        handle = handles[device] = library.load().make('Create')
    library.load().SetStream(handle, cupy.cuda.get_current_stream().ptr)
    return handle


def get_max_workspace_size() -> int:
    """Return how many bytes a convolution may take beside its arrays."""
    return _workspace_limit


def set_max_workspace_size(size: int) -> None:
    """Set how many bytes a convolution may take beside its arrays."""
    global _workspace_limit
    _workspace_limit = int(size)


class Space:
    """Memory on the device, of so many bytes; its address is None where there are none."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = cupy.cuda.alloc(size) if size else None

    @property
    def address(self) -> int | None:
        """Where it begins."""
        return self._memory.ptr if self._memory else None


Call = TypeVar('Call', bound=Callable)


def reported(function: Call) -> Call:
    """Add to the error of a function that calls cuDNN what the function was given: shapes, types, numbers."""
    names = function.__code__.co_varnames

    @functools.wraps(function)
    def reporting(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except CuDNNError as error:
            given = {**dict(zip(names, arguments, strict=False)), **named}
            listed = ', '.join(f'{name} {_described(value)}' for name, value in given.items())
            raise CuDNNError(f'{error}; {function.__name__} of {listed}') from None

    return reporting  # type: ignore[return-value]


def _described(value: Any) -> str:
    if isinstance(value, cupy.ndarray):
        return f'{value.dtype} {value.shape}'
    return repr(value) if isinstance(value, (int, float, str, tuple, type(None))) else type(value).__name__
