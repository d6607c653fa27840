"""Sums of arrays in any order of memory, by oneDNN and by NumPy."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_cifar.accelerators.onednn import arrays, elementwise


def laid_out(shape, layout, seed):
    array = numpy.random.RandomState(seed).standard_normal(shape).astype('f')
    if layout == 'canonical':
        return arrays.canonical(array)
    return array if layout == 'in order' else numpy.repeat(array, 2, axis=1)[:, ::2]


layouts = st.sampled_from(['canonical', 'in order', 'with gaps'])


@settings(max_examples=40)
@given(layouts, layouts, st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_sum(first, second, in_place, small, seed):
    shape = (2, 3, 4, 5)
    x, y = laid_out(shape, first, seed), laid_out(shape, second, seed + 1)
    wanted, kept = x + y, y.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elementwise, 'SMALL', 1000 if small else 0)
        numpy.testing.assert_array_equal(elementwise.add(x, y, in_place), wanted)
    numpy.testing.assert_array_equal(y, kept)
    assert not in_place or first == 'with gaps' or (x == wanted).all()
