"""Epochs reduced to one number."""

import math

import pytest
from reporting.made_up_runs import LOG

from vgg_cifar.reporting.over_epochs import reduced
from vgg_cifar.studies.comparison import Quantity
from vgg_cifar.studies.study import SECONDS, TEST, VALIDATION

PEAK = Quantity('epoch', 'epoch')


@pytest.mark.parametrize(
    'quantity, over, expected',
    [
        (TEST, 'last', 40),
        (TEST, 'mean', 40),
        (TEST, 'max', 90),
        # The first of the two best epochs, whatever the test set says.
        (TEST, 'best', 20),
        (PEAK, 'best', 2),
        (VALIDATION, 'best', 60),
        (SECONDS, 'sum', 8),
    ],
)
def test_epochs_reduced(quantity, over, expected):
    assert reduced(LOG, quantity, over) == pytest.approx(expected)


def test_nothing_to_reduce():
    assert math.isnan(reduced([], TEST, 'last'))
    assert math.isnan(reduced([{'test/main/accuracy': 0.5}], TEST, 'best'))
    assert math.isnan(reduced([{}], TEST, 'max'))
