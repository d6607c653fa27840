"""Runs a function on Chainer's CPU path and through cuDNN, forwards and backwards, and compares."""

from collections.abc import Callable, Sequence
from typing import Any

import chainer
import numpy
from host_memory import cupy, device, host
from hypothesis import settings
from hypothesis import strategies as st

fast = settings(max_examples=25)

TOLERANCES = {'e': 2e-2, 'f': 2e-4, 'd': 1e-9}

types = st.sampled_from('efd')
seeds = st.integers(0, 2**31)
layouts = st.sampled_from(('C', 'Fortran', 'every second', 'reversed'))


def numbers(shape: Sequence[int], seed: int, dtype: str = 'f') -> numpy.ndarray:
    """Return random numbers around 0."""
    return numpy.random.RandomState(seed).standard_normal(shape).astype(dtype)


def arranged(array: numpy.ndarray, layout: str) -> cupy.ndarray:
    """Return an equal array on the device whose memory is arranged otherwise."""
    if layout == 'Fortran':
        return device(numpy.asfortranarray(array))
    if layout == 'every second' and array.ndim:
        return device(numpy.repeat(array, 2, axis=-1))[..., ::2]
    if layout == 'reversed' and array.ndim:
        return device(numpy.ascontiguousarray(array[::-1]))[::-1]
    return device(array)


def results(function: Callable, inputs: Sequence[Any], send: Callable, gy_seed: int) -> list[Any]:
    """Return the outputs of `function`, and the gradients of its inputs for random ones of the outputs."""
    variables = [chainer.Variable(array) for array in inputs]
    outputs = function(*variables)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for k, y in enumerate(outputs):
        y.grad = send(numbers(y.shape, gy_seed + k, y.dtype.char))
    loss = outputs[0]
    if len(outputs) > 1:
        chainer.grad(outputs, variables, [chainer.Variable(y.grad) for y in outputs], set_grad=True)
    else:
        loss.backward()
    return [y.array for y in outputs] + [variable.grad for variable in variables]


def compare(
    emulation: Any,
    function: Callable,
    inputs: Sequence[numpy.ndarray],
    gy_seed: int = 0,
    layout: str = 'C',
    tolerance: float | None = None,
    uses: Sequence[str] = (),
) -> None:
    """Fail unless both agree to `tolerance` of the largest number, and the calls in `uses` were made.

    The CPU computes in float64, so that its own rounding does not count.
    """
    if tolerance is None:
        tolerance = max(TOLERANCES[array.dtype.char] for array in inputs)
    emulation.calls.clear()
    emulation.failures.clear()
    with chainer.using_config('use_ideep', 'never'):
        exact = [array.astype('d') for array in inputs]
        # Gradients of the outputs are rounded to the outputs' type on both sides.
        kind = inputs[0].dtype
        wanted = results(function, exact, lambda gy: gy.astype(kind).astype('d'), gy_seed)
        sent = [arranged(array, layout) for array in inputs]
        try:
            found = results(function, sent, lambda gy: arranged(gy.astype(kind), layout), gy_seed)
        except Exception:
            assert not emulation.failures, '\n'.join(emulation.failures)
            raise
    assert not emulation.failures, '\n'.join(emulation.failures)
    for want, have in zip(wanted, found, strict=True):
        assert isinstance(have, cupy.ndarray)
        assert have.shape == want.shape
        scale = max(1.0, float(abs(want).max(initial=0)))
        numpy.testing.assert_allclose(host(have).astype('d') / scale, want / scale, rtol=0, atol=tolerance)
    for have, array in zip(found[-len(inputs) :], inputs, strict=True):
        assert have.dtype == array.dtype
    for array, copy in zip(sent, inputs, strict=True):
        numpy.testing.assert_array_equal(host(array), copy)
    made = ' '.join(emulation.calls)
    for call in uses:
        assert call in made, f'{call} was not called, but {emulation.calls}'
