"""Memory is used again when, and only when, no array looks at it any more."""

import gc

import numpy
from both_paths import numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators.onednn import arrays, memory

SIZES = [memory.KEPT_FROM, memory.KEPT_FROM + 4, 3 * memory.KEPT_FROM]


def where(array):
    return arrays.address(array)


def test_memory_is_aligned_and_used_again():
    first = memory.buffer(SIZES[0])
    place = where(first)
    assert place % memory.ALIGNMENT == 0
    del first
    assert where(memory.buffer(SIZES[0])) == place


def test_a_view_of_a_view_keeps_its_memory():
    array = arrays.empty((4, 64, 32, 32))
    array[...] = 1
    part = array[1:, ::2].reshape(3, -1)[1:].view(numpy.int32).view(numpy.float32)
    part = numpy.asarray(memoryview(array.transpose(0, 2, 3, 1)[2, :, :5]))
    del array
    others = [arrays.empty((4, 64, 32, 32)) for _ in range(3)]
    for other in others:
        other[...] = 2
    assert (part == 1).all()


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(SIZES), st.integers(0, 9)), min_size=5, max_size=40))
def test_arrays_in_use_never_overlap(asked):
    living = []
    for number, (size, drop) in enumerate(asked):
        array = memory.buffer(size)
        array[...] = number
        living.append((number, array[drop:]))
        if drop > 4:
            del living[drop % len(living)]
        for value, view in living:
            assert (view == value).all()


def test_little_is_kept_when_shapes_change():
    store = memory._Store()
    for size in range(10**6, 10**6 + 40):
        store.give(store.take(size))
    held = store._n_free + sum(piece.size for piece in store._returned)
    assert held <= 3.5 * 10**6


def test_memory_returns_after_a_cycle_is_collected():
    array = memory.buffer(SIZES[2])
    place = where(array)
    cycle = [array]
    cycle.append(cycle)
    del array, cycle
    gc.collect()
    assert where(memory.buffer(SIZES[2])) == place


steps = st.integers(-4, 4).filter(bool)


@settings(max_examples=60)
@given(st.permutations(range(4)), st.tuples(steps, steps, steps, steps), st.tuples(*[st.integers(1, 5)] * 4))
def test_any_strides_are_taken(order, steps, shape):
    """Also those that oneDNN's layouts do not know, where axes interleave."""
    x = numbers(shape, 0).transpose(order)[tuple(slice(None, None, step) for step in steps)]
    numpy.testing.assert_array_equal(arrays.canonical(x), x)
    numpy.testing.assert_array_equal(arrays.in_order(x), x)


def test_same_numbers_in_used_memory():
    x = numbers((2, 3, 4, 5), 0)
    numpy.testing.assert_array_equal(arrays.canonical(x), x)
    numpy.testing.assert_array_equal(arrays.in_order(arrays.canonical(x)), x)
