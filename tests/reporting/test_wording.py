"""How numbers are written for people."""

import pytest

from vgg_cifar.reporting import wording
from vgg_cifar.reporting.statistics import estimate_difference
from vgg_cifar.reporting.verdicts import Measured
from vgg_cifar.studies.comparison import Difference, Quantity, Variant

ACCURACY = Quantity('validation/main/accuracy', 'accuracy', '%')


@pytest.mark.parametrize(
    'differences, written',
    [
        ([0.4, 0.7, 1.0], '+0.7 ± 0.2'),
        ([0.38, 0.40, 0.42], '+0.40 ± 0.01'),
        ([-1.45, -1.43, -1.41], f'{wording.MINUS}1.43 ± 0.01'),
        ([0.5, 0.5, 0.5], '+0.5 ± 0.0'),
        ([0.44], '+0.4'),
    ],
)
def test_an_error_that_is_not_zero_does_not_read_as_zero(differences, written):
    comparison = Difference(ACCURACY, Variant('one'), Variant('other'))
    estimate = estimate_difference(differences, (0.0, float('inf')))
    assert wording.effect(Measured(comparison, estimate, ())) == written
