"""From the epochs of a log to the one number that a comparison or a table takes of it."""

import math
from collections.abc import Mapping, Sequence

import numpy

from vgg_cifar.studies.comparison import Quantity

BEST = 'validation/main/accuracy'


def reduced(log: Sequence[Mapping[str, float]], quantity: Quantity, over: str) -> float:
    """Return one number for a log's epochs, reduced as `over`, a key of `OVER`, says; NaN where it has none.

    ``best`` takes the quantity in the epoch of the best validation accuracy, the first of several: the
    epoch whose weights are in best.npz. So the test set, where the quantity is of it, selects nothing.
    """
    if not log:
        return math.nan
    if over == 'best':
        scores = [entry.get(BEST, -math.inf) for entry in log]
        return quantity.of(log[int(numpy.argmax(scores))]) if max(scores) > -math.inf else math.nan
    values = numpy.array([quantity.of(entry) for entry in log])
    if over == 'last':
        return float(values[-1])
    return float(getattr(values, over)())
