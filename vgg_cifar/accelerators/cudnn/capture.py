"""A CUDA graph: what a function launches, noted once and launched again without its Python."""

from collections.abc import Callable, Sequence
from typing import Any

import cupy

Array = Any


class Capture:
    """What `function(*inputs)` does to arrays on the current device; calling this does it again.

    Capturing computes nothing. The function must launch the same for all inputs of these shapes, and read
    nothing on the host; plans and kernels that it needs have been made by an earlier call. Whatever it
    allocates stays at its place: results are overwritten by the next call.

    Args:
        function: takes arrays and returns arrays, in whatever collection.
        inputs: arrays like those of every call.

    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Array]) -> None:
        self._inputs = [array.copy() for array in inputs]
        # Captured on the default stream, nothing could be launched elsewhere meanwhile; the next batch is.
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._pool = cupy.cuda.MemoryPool()
        cupy.cuda.get_current_stream().synchronize()
        with cupy.cuda.using_allocator(self._pool.malloc), self._stream:
            self._stream.begin_capture()
            try:
                self._results = function(*self._inputs)
            finally:
                self._graph = self._stream.end_capture()

    def __call__(self, *inputs: Array) -> Any:
        """Return the results of the function for these inputs; work that is queued later waits for them."""
        for place, array in zip(self._inputs, inputs, strict=True):
            place[...] = array
        current = cupy.cuda.get_current_stream()
        self._stream.wait_event(current.record())
        self._graph.launch(self._stream)
        current.wait_event(self._stream.record())
        return self._results
