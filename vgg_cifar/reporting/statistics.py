"""The effect of a comparison, its standard error, its interval, and what they say about a claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy import special

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """The mean of paired differences, or the geometric mean of paired ratios.

    Attributes:
        effect: that mean.
        error: its standard error, NaN for n = 1.
        n: how many pairs.
        low, high: two-sided 95 % t interval, from -inf to inf (0 to inf for ratios) for n = 1.
        p: two-sided, against the nearest end of the interval that is claimed; NaN for n = 1. With the claim
            "above 0" this is the paired t test's.

    """

    effect: float
    error: float
    n: int
    low: float
    high: float
    p: float


def standard_error(values: numpy.ndarray) -> numpy.ndarray:
    """Return the standard error of the mean along the first axis, NaN where it has one row."""
    n = len(values)
    if n < 2:
        return numpy.full(values.shape[1:], numpy.nan)
    return values.std(axis=0, ddof=1) / numpy.sqrt(n)


def estimate_difference(differences: Sequence[float], claimed: tuple[float, float]) -> Estimate:
    """Estimate the mean of paired differences, which a claim says to lie in the interval `claimed`."""
    values = numpy.asarray(differences, float)
    n, mean = len(values), float(values.mean())
    error = float(standard_error(values))
    if n < 2:
        return Estimate(mean, error, n, -math.inf, math.inf, math.nan)
    reach = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    distance = min(abs(mean - end) for end in claimed)
    # Differences that are all alike leave no doubt, and no t: they are off the end or on it.
    t = distance / error if error else math.inf if distance else 0.0
    return Estimate(mean, error, n, mean - reach, mean + reach, float(2 * special.stdtr(n - 1, -t)))


def estimate_ratio(ratios: Sequence[float], claimed: tuple[float, float]) -> Estimate:
    """Estimate the geometric mean of paired ratios: the same on their logarithms."""
    ends = tuple(math.log(end) if end > 0 else -math.inf for end in claimed)
    logs = estimate_difference([math.log(ratio) for ratio in ratios], (ends[0], ends[1]))
    effect = math.exp(logs.effect)
    return Estimate(effect, effect * logs.error, logs.n, math.exp(logs.low), math.exp(logs.high), logs.p)


def binomial_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` (Wilson, 1927): good near 0 and 1 too."""
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - reach, middle + reach


def holds(estimate: Estimate, claimed: tuple[float, float]) -> bool | None:
    """Return whether the effect lies in the interval `claimed`; None where that is undecided.

    It does where all of its 95 % interval does, it does not where none of it does.
    """
    low, high = claimed
    if estimate.n < 2:
        return None
    if low < estimate.low and estimate.high < high:
        return True
    if estimate.high < low or high < estimate.low:
        return False
    return None
