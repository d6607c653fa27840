"""The study of convolutions: what is claimed is measured; the formulas."""

import pytest

from vgg_cifar.convolution_implementations import study
from vgg_cifar.convolution_implementations.study import Size


@pytest.mark.parametrize('scale', study.SCALES)
def test_convolution_claims_compare_what_is_measured(scale):
    ranges = study.SCALES[scale]
    sizes = set(ranges.all_sizes())
    for claim in study.claims(ranges):
        for comparison in claim.comparisons:
            assert {comparison.of.size, comparison.against.size} <= sizes
    assert all(size.out >= 1 for size in sizes)


def test_convolution_formulas_by_hand():
    """2 images, 3 channels in and out, 6x6, kernel 3: 4x4 out."""
    size = Size(2, 3, 6, 3)
    assert study.expected_time(size) == 2 * 3 * 3 * 4 * 4 * 9
    assert study.expected_storage(size, False) == 4 * 2 * 3 * 4 * 4
    assert study.expected_storage(size, True) == 4 * 2 * 3 * 6 * 6
    assert study.columns_storage(size) == 4 * (3 * 9) * (2 * 4 * 4)
