"""Runs a function on Chainer's NumPy path and on the accelerator, forwards and backwards, and compares."""

from collections.abc import Callable, Sequence

import chainer
import numpy
from hypothesis import settings
from hypothesis import strategies as st

fast = settings(max_examples=60)

LAYOUTS = ('C', 'channels last', 'Fortran', 'every second', 'reversed', 'broadcast')


def arranged(array: numpy.ndarray, layout: str) -> numpy.ndarray:
    """Return an equal array (for 'broadcast': of equal rows) whose memory is arranged otherwise."""
    if layout == 'channels last' and array.ndim == 4:
        return numpy.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if layout == 'Fortran':
        return numpy.asfortranarray(array)
    if layout == 'every second':
        return numpy.repeat(array, 2, axis=-1)[..., ::2]
    if layout == 'reversed':
        return numpy.ascontiguousarray(array[:, ::-1])[:, ::-1]
    if layout == 'broadcast':
        return numpy.broadcast_to(array[:1], array.shape)
    return array.copy()


def numbers(shape: Sequence[int], seed: int) -> numpy.ndarray:
    """Return random float32 numbers around 0."""
    return numpy.random.RandomState(seed).standard_normal(shape).astype(numpy.float32)


layouts = st.sampled_from(LAYOUTS)
seeds = st.integers(0, 2**31)


def results(
    function: Callable, inputs: Sequence[numpy.ndarray], gy_seed: int, gy_layout: str, use_ideep: str
) -> list[numpy.ndarray]:
    """Return the output of `function` and the gradients of its inputs for a random gradient of the output."""
    with chainer.using_config('use_ideep', use_ideep):
        variables = [chainer.Variable(array) for array in inputs]
        y = function(*variables)
        y.grad = arranged(numbers(y.shape, gy_seed), gy_layout).astype(y.dtype)
        y.backward()
    return [y.array, *(variable.grad for variable in variables)]


def compare(
    function: Callable,
    inputs: Sequence[numpy.ndarray],
    gy_seed: int = 0,
    gy_layout: str = 'C',
    tolerance: float = 1e-4,
) -> None:
    """Fail unless both paths agree, to `tolerance` of the largest number, and leave the inputs alone."""
    before = [array.copy() for array in inputs]
    wanted = results(function, inputs, gy_seed, gy_layout, 'never')
    found = results(function, inputs, gy_seed, gy_layout, 'always')
    for want, have in zip(wanted, found, strict=True):
        assert type(have) is numpy.ndarray
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        scale = max(1.0, float(abs(want[numpy.isfinite(want)]).max(initial=0)))
        numpy.testing.assert_allclose(have / scale, want / scale, rtol=0, atol=tolerance)
    for array, copy in zip(inputs, before, strict=True):
        numpy.testing.assert_array_equal(array, copy)
