"""Products of matrices against NumPy's in float64."""

import numpy
import pytest
from both_paths import fast, numbers, seeds
from hypothesis import given
from hypothesis import strategies as st

from vgg_cifar.accelerators.onednn import matrices, process
from vgg_cifar.accelerators.onednn.library import OneDNNError

sizes = st.one_of(st.integers(1, 70), st.sampled_from((100, 257, 784)))


@fast
@given(sizes, sizes, sizes, st.booleans(), st.booleans(), st.booleans(), seeds)
def test_products(m, k, n, left_turned, right_turned, small, seed):
    left = numbers((k, m), seed).T if left_turned else numbers((m, k), seed)
    right = numbers((n, k), seed + 1).T if right_turned else numbers((k, n), seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, 'SMALL', matrices.SMALL if small else 0)
        found = matrices.multiplied(left, right)
    wanted = left.astype('f8') @ right.astype('f8')
    scale = abs(left.astype('f8')) @ abs(right.astype('f8'))
    assert found.dtype == numpy.float32
    assert found.flags.c_contiguous
    assert (abs(found - wanted) <= k * 2**-23 * scale + 1e-30).all()


@pytest.mark.parametrize('bad', [numpy.nan, numpy.inf])
@pytest.mark.parametrize('small', [True, False])
def test_what_is_no_number_passes_on(bad, small, monkeypatch):
    monkeypatch.setattr(matrices, 'SMALL', matrices.SMALL if small else 0)
    left, right = numbers((20, 30), 0), numpy.zeros((30, 40), 'f')
    left[3, 7] = bad
    found = matrices.multiplied(left, right)
    assert numpy.isnan(found[3]).all()
    assert (numpy.delete(found, 3, 0) == 0).all()
    right[7] = bad
    assert numpy.isnan(matrices.multiplied(numpy.zeros((20, 30), 'f'), right)).all()


def test_bits_do_not_depend_on_where_arrays_lie():
    left, right = numbers((100, 300), 0), numbers((300, 47), 1)
    wanted = matrices.multiplied(left, right)
    for start in range(0, 64, 4):
        memory = numpy.empty(left.nbytes + 128, numpy.uint8)
        begin = -memory.ctypes.data % 64 + start
        moved = memory[begin : begin + left.nbytes].view(numpy.float32).reshape(left.shape)
        moved[...] = left
        numpy.testing.assert_array_equal(matrices.multiplied(moved, right), wanted)


@pytest.mark.parametrize('shapes', [((2, 3), (4, 5)), ((2, 300), (4, 5)), ((2, 3), (3000, 5))])
def test_what_does_not_fit_is_refused(shapes):
    with pytest.raises(ValueError, match=r'product of matrices \(2, \d+\) and'):
        matrices.multiplied(*(numbers(shape, 0) for shape in shapes))


@pytest.mark.parametrize('shapes', [((0, 3), (3, 5)), ((2, 0), (0, 5)), ((2, 3), (3, 0))])
def test_nothing_times_nothing(shapes):
    left, right = (numpy.zeros(shape, 'f') for shape in shapes)
    numpy.testing.assert_array_equal(matrices.multiplied(left, right), left @ right)


def test_a_forked_process_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(process, '_PROCESS', 0)
    with pytest.raises(OneDNNError, match=r'forked; start workers by spawn'):
        matrices.multiplied(numbers((2, 3), 0), numbers((3, 4), 1))
