"""The effect of a comparison, its standard error, its interval, and what they say about a claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from scipy import special

CONFIDENCE = 0.95
POWER = 0.8
MOST_PAIRS = 1000


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
    logs = estimate_difference([math.log(ratio) for ratio in ratios], logarithms(claimed))
    effect = math.exp(logs.effect)
    return Estimate(effect, effect * logs.error, logs.n, math.exp(logs.low), math.exp(logs.high), logs.p)


def logarithms(ends: tuple[float, float]) -> tuple[float, float]:
    """Return the logarithms of an interval's ends, minus infinity for 0."""
    low, high = (math.log(end) if end > 0 else -math.inf for end in ends)
    return low, high


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


def pairs_needed(estimate: Estimate, claimed: tuple[float, float], is_ratio: bool = False) -> int | None:
    """Return how many pairs would decide what `estimate` leaves undecided (see `sample_size`)."""
    deviation = estimate.error * math.sqrt(estimate.n)
    if is_ratio:
        return sample_size(math.log(estimate.effect), deviation / estimate.effect, logarithms(claimed))
    return sample_size(estimate.effect, deviation, claimed)


def sample_size(effect: float, deviation: float, claimed: tuple[float, float]) -> int | None:
    """Return how many pairs would decide whether an effect lies in the interval `claimed`.

    If the true effect and the standard deviation of the pairs are these, a study of so many pairs decides it,
    by the rule of `holds`, in at least 80 of 100 cases: the power of the t test against the end of the
    interval that is nearest, or, for an effect inside, against both. None where `MOST_PAIRS` are too few, or
    the effect lies on an end.
    """
    low, high = claimed
    inside = low < effect < high
    ends = claimed if inside else (min(claimed, key=lambda end: abs(effect - end)),)
    distances = [abs(effect - end) for end in ends if math.isfinite(end)]
    if not math.isfinite(deviation) or min(distances, default=0.0) == 0:
        return None
    if deviation == 0:
        return 2
    n = numpy.arange(2, MOST_PAIRS + 1)
    critical = special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    missed = numpy.zeros(len(n))
    for distance in distances:
        # Beyond this the noncentral t has no numbers, and nothing is missed.
        shift = numpy.minimum(distance / deviation * numpy.sqrt(n), 35.0)
        missed += special.nctdtr(n - 1, shift, critical)
    enough = numpy.flatnonzero(missed <= 1 - POWER)
    return int(n[enough[0]]) if len(enough) else None


def prediction_interval(
    values: Sequence[float] | numpy.ndarray, others: int = 1, variance: float = 0.0
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `others` further values; without end where `values` is one.

    `variance` is what the others have beyond that of the values, as a share of few images has.
    """
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    spread = float(numpy.var(values, ddof=1))
    reach = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(
        spread * (1 / n + 1 / others) + variance
    )
    mean = float(numpy.mean(values))
    return mean - reach, mean + reach
