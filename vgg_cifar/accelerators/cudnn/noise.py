"""Random numbers as a function of seed, step, layer and element: a resumed run draws the same."""

import threading
from typing import Any

import cupy
import numpy

# Of this thread, for each device: the key, and how many layers have drawn in this step.
_of_thread = threading.local()


class _Drawn:
    """What this step's numbers are drawn from: an array (2,) of uint64 on the device, seed and step."""

    def __init__(self) -> None:
        # Until a step is begun: what numpy.random.seed makes repeatable on a CPU, it makes repeatable here.
        seed = int(numpy.random.randint(0, 2**31))
        self.key = cupy.asarray(numpy.array((seed, 0), numpy.uint64))
        self.layers = 0


def _drawn() -> _Drawn:
    devices = vars(_of_thread).setdefault('devices', {})
    device = cupy.cuda.runtime.getDevice()
    if device not in devices:
        devices[device] = _Drawn()
    return devices[device]


def begin_step(seed: int, step: int) -> None:
    """Draw the same numbers again whenever this is called with the same ones, on the current device.

    The key's array stays the same one: a captured step reads it anew each time.
    """
    drawn = _drawn()
    drawn.layers = 0
    drawn.key.set(numpy.array((seed, step), numpy.uint64))


def begin_again() -> None:
    """Draw what this step has drawn so far once more."""
    _drawn().layers = 0


def next_layer() -> tuple[Any, int]:
    """Return the key's array and the number of the layer that draws now."""
    drawn = _drawn()
    drawn.layers += 1
    return drawn.key, drawn.layers
