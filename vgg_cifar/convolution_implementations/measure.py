"""Measures what a convolution costs in each implementation, in turn, round after round."""

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import chainer
import chainer.functions as F
import numpy

from vgg_cifar.accelerators import onednn
from vgg_cifar.convolution_implementations import from_scratch as scratch
from vgg_cifar.convolution_implementations.study import (
    ACCELERATED,
    CHAINER,
    IM2COL,
    IMPLEMENTATIONS,
    LOOPS,
    SCIPY,
    Ranges,
    Size,
)
from vgg_cifar.training import environment

# What takes less is repeated until it takes this long, so that the clock is not what is measured.
LEAST_SECONDS = 2e-3
# A call allocates the same each time; the second measurement shows that it does.
MEMORY_ROUNDS = 2
SCRATCH: dict[str, tuple[Callable, Callable]] = {
    LOOPS: (scratch.convolution_by_loops, scratch.convolution_by_loops_backward),
    SCIPY: (scratch.convolution_by_scipy, scratch.convolution_by_scipy_backward),
    IM2COL: (scratch.convolution_by_im2col, scratch.convolution_by_im2col_backward),
}
Call = Callable[[], Any]


def implementations() -> list[str]:
    """Return the implementations that this machine has."""
    return [name for name in IMPLEMENTATIONS if name != ACCELERATED or onednn.live()]


def calls(implementation: str, size: Size, seed: int = 0) -> tuple[Call, Call]:
    """Return what computes a convolution of random float32 numbers, forwards and backwards."""
    random = numpy.random.RandomState(seed)
    x, w, gy = (
        random.standard_normal(shape).astype(numpy.float32)
        for shape in (
            (size.batch, size.channels, size.image, size.image),
            (size.channels, size.channels, size.kernel, size.kernel),
            (size.batch, size.channels, size.out, size.out),
        )
    )
    b = numpy.zeros(size.channels, numpy.float32)
    if implementation in SCRATCH:
        forward, backward = SCRATCH[implementation]
        return lambda: forward(x, w, b), lambda: backward(gy, x, w)
    use = 'never' if implementation == CHAINER else 'auto'

    def convolve() -> chainer.Variable:
        with chainer.using_config('use_ideep', use):
            return F.convolution_2d(*inputs)

    def differentiate() -> Any:
        with chainer.using_config('use_ideep', use):
            return [gradient.array for gradient in chainer.grad([y], inputs, [chainer.Variable(gy)])]

    inputs = [chainer.Variable(array) for array in (x, w, b)]
    y = convolve()
    return lambda: convolve().array, differentiate


def measure(ranges: Ranges) -> dict[str, Any]:
    """Return times and peak memory of every implementation at every size.

    Returns:
        dict: ``rounds``, ``environment`` and ``costs``, a list with an entry for each implementation, size
            and direction: ``seconds`` of a call, round by round, and ``peak_bytes`` that NumPy held at once
            during each of two others, results included. What oneDNN allocates for itself is not seen.

    """
    entries: list[dict[str, Any]] = []
    for size in ranges.all_sizes():
        for name in implementations():
            for backward, call in enumerate(calls(name, size)):
                call()
                started = time.perf_counter()
                call()
                seconds = time.perf_counter() - started
                repeats = max(1, round(LEAST_SECONDS / max(seconds, 1e-9)))
                entries.append(
                    {
                        'implementation': name,
                        **vars(size),
                        'backward': bool(backward),
                        'peak_bytes': [_peak(call) for _ in range(MEMORY_ROUNDS)],
                        'seconds': [],
                        'call': call,
                        'repeats': min(repeats, 1000),
                    }
                )
    for number in range(ranges.rounds):
        for entry in entries if number % 2 == 0 else reversed(entries):
            started = time.perf_counter()
            for _ in range(entry['repeats']):
                entry['call']()
            entry['seconds'].append((time.perf_counter() - started) / entry['repeats'])
    for entry in entries:
        del entry['call'], entry['repeats']
    device = chainer.get_device('@numpy')
    return {'rounds': ranges.rounds, 'environment': environment.describe(device), 'costs': entries}


def _peak(call: Call) -> int:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = call()
        _, peak = tracemalloc.get_traced_memory()
        del result
        return max(1, peak - before)
    finally:
        tracemalloc.stop()
