"""A CUDA graph: what a function launches, noted once and launched again without its Python."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import cupy
from chainer.backends import cuda

Array = Any

# Of this thread, for each device: the stream of all graphs, and what they allocate from.
_of_thread = threading.local()


def _place() -> tuple[Any, Any]:
    """Return the stream and the memory pool of this thread's graphs on the current device.

    One pool for all: CuPy's never give back what is free in them when they are dropped, and graphs that
    follow each other on one stream can share what each only works in. Its blocks stay: where memory is short,
    CuPy would give back those that are free, and graphs know their addresses.
    """
    places = vars(_of_thread).setdefault('places', {})
    device = cupy.cuda.runtime.getDevice()
    if device not in places:
        blocks: list[Any] = []

        def allocate(size: int) -> Any:
            blocks.append(cupy.cuda.MemoryPointer(cupy.cuda.Memory(size), 0))
            return blocks[-1]

        # Captured on the default stream, nothing could be launched elsewhere meanwhile; the next batch is.
        places[device] = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool(allocate)
    return places[device]


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
        self._stream, pool = _place()
        cupy.cuda.get_current_stream().synchronize()
        # What has been worked in so far is free now, and of no use to graphs, which take as much themselves.
        cuda.memory_pool.free_all_blocks()
        with cupy.cuda.using_allocator(pool.malloc), self._stream:
            self._stream.begin_capture()
            try:
                self._results = function(*self._inputs)
            except BaseException:
                # Whose own words say more than that the capture was broken off.
                with contextlib.suppress(Exception):
                    self._stream.end_capture()
                raise
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
