"""Numbers and comparisons in words, the same on the page and in report.md."""

import math

from vgg_cifar.reporting.verdicts import OVER, Measured, Verdict
from vgg_cifar.studies.study import TimeRatio

MINUS = '\N{MINUS SIGN}'
SPACE = '\N{NO-BREAK SPACE}'
NONE = '\N{EN DASH}'
ANSWERS = {
    Verdict.REPRODUCED: 'It holds.',
    Verdict.NOT_REPRODUCED: 'It does not hold.',
    Verdict.UNDECIDED: 'Undecided.',
    Verdict.NOT_RUN: 'Not run.',
}
OUTCOMES = {True: 'holds', False: 'does not hold', None: 'undecided'}


def number(value: float | None, digits: int = 1, factor: float = 1.0, sign: bool = False) -> str:
    """Write a number, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f'{value * factor:{"+" if sign else ""}.{digits}f}'
    # What rounds to nothing has no sign.
    return text.lstrip('+-') if float(text) == 0 else text.replace('-', MINUS)


def with_error(mean: float | None, error: float | None, digits: int = 1, factor: float = 1.0) -> str:
    """Write a mean and its standard error; the mean alone where there is no error."""
    if error is None or not math.isfinite(error):
        return number(mean, digits, factor)
    return f'{number(mean, digits, factor)} ± {number(error, digits, factor)}'


def sides(measured: Measured) -> str:
    """Say what is compared with what."""
    comparison = measured.comparison
    between = '÷' if isinstance(comparison, TimeRatio) else MINUS
    return f'{comparison.of.label} {between} {comparison.against.label}'


def quantity(measured: Measured) -> str:
    """Say in what."""
    comparison = measured.comparison
    if isinstance(comparison, TimeRatio):
        return f'seconds per {comparison.per}, as a ratio'
    unit = ', in points' if comparison.quantity.unit == '%' else ''
    return f'{comparison.quantity.label}, {OVER[comparison.over]}{unit}'


def claimed(measured: Measured) -> str:
    """Say where the effect is claimed to lie."""
    low, high = measured.claimed
    least = 0.0 if isinstance(measured.comparison, TimeRatio) else -math.inf
    if high == math.inf:
        return f'above {_plain(low)}'
    return f'below {_plain(high)}' if low <= least else f'{_plain(low)} to {_plain(high)}'


def effect(measured: Measured) -> str:
    """Write the effect and its standard error."""
    estimate = measured.estimate
    if estimate is None:
        return NONE
    if isinstance(measured.comparison, TimeRatio):
        return with_error(estimate.effect, estimate.error, digits=3)
    error = f' ± {number(estimate.error)}' if estimate.n > 1 else ''
    return number(estimate.effect, sign=True) + error


def summary(measured: Measured) -> str:
    """Write a comparison in one line: the sides, what of, the effect, n."""
    comparison = measured.comparison
    if measured.estimate is None:
        return f'{sides(measured)}: not run'
    if isinstance(comparison, TimeRatio):
        what = f'time per {comparison.per}, ratio'
    else:
        what = f'{comparison.quantity.label}{", mean" if comparison.over == "mean" else ""}'
    return f'{sides(measured)}: {what} {effect(measured)} (n{SPACE}={SPACE}{measured.estimate.n})'


def interval(measured: Measured) -> str:
    """Write the 95 % interval."""
    estimate = measured.estimate
    if estimate is None or estimate.n < 2:
        return NONE
    ratio = isinstance(measured.comparison, TimeRatio)
    digits = 3 if ratio else 2
    ends = (number(end, digits, sign=not ratio) for end in (estimate.low, estimate.high))
    return ' to '.join(ends)


def p_value(measured: Measured) -> str:
    """Write p."""
    p = measured.estimate.p if measured.estimate else math.nan
    if not math.isfinite(p):
        return NONE
    return '< 0.001' if p < 0.001 else f'{p:.3f}'


def outcome(measured: Measured) -> str:
    """Say whether the effect lies where it is claimed to."""
    if measured.missing:
        count = len(measured.missing)
        return f'{count} run{"s" * (count > 1)} missing'
    return OUTCOMES[measured.holds]


def _plain(value: float) -> str:
    return f'{value:g}'.replace('-', MINUS)
