"""Numbers and comparisons in words, the same on the page and in report.md."""

import math

from vgg_cifar.reporting.verdicts import RATIOS, Measured, Verdict
from vgg_cifar.studies.study import (
    OVER,
    Column,
    CostRatio,
    Difference,
    Figure,
    GradientFigure,
    LayerPictures,
    Level,
)

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


def with_error(
    mean: float | None, error: float | None, digits: int = 1, factor: float = 1.0, sign: bool = False
) -> str:
    """Write a mean and its standard error; the mean alone where there is no error."""
    text = number(mean, digits, factor, sign)
    if error is None or not math.isfinite(error):
        return text
    return f'{text} ± {number(error, digits, factor)}'


def sides(measured: Measured) -> str:
    """Say what is compared with what."""
    comparison = measured.comparison
    if isinstance(comparison, Level):
        return comparison.of.label
    between = '÷' if isinstance(comparison, RATIOS) else MINUS
    if isinstance(comparison, CostRatio) and comparison.of.size == comparison.against.size:
        return f'{comparison.of.implementation} {between} {comparison.against.label}'
    text = f'{comparison.of.label} {between} {comparison.against.label}'
    if isinstance(comparison, Difference) and comparison.beyond:
        more, less = comparison.beyond
        return f'({text}) {MINUS} ({more.label} {MINUS} {less.label})'
    return text


def quantity(measured: Measured) -> str:
    """Say in what."""
    comparison = measured.comparison
    if isinstance(comparison, RATIOS):
        return f'{comparison.what}, as a ratio'
    points = '%' if isinstance(comparison, Level) else 'points'
    unit = f', in {points}' if comparison.quantity.unit == '%' else ''
    return f'{comparison.quantity.label}, {OVER[comparison.over]}{unit}'


def claimed(measured: Measured) -> str:
    """Say where the effect is claimed to lie."""
    low, high = measured.claimed
    least = 0.0 if isinstance(measured.comparison, RATIOS) else -math.inf
    if high == math.inf:
        return f'above {_plain(low)}'
    return f'below {_plain(high)}' if low <= least else f'{_plain(low)} to {_plain(high)}'


def effect(measured: Measured) -> str:
    """Write the effect and its standard error, with a second digit where the error would read 0.0."""
    estimate = measured.estimate
    if estimate is None:
        return NONE
    if isinstance(measured.comparison, RATIOS):
        return with_error(estimate.effect, estimate.error, digits=3)
    digits = 2 if 0.005 <= estimate.error < 0.05 else 1
    signed = not isinstance(measured.comparison, Level)
    return with_error(estimate.effect, estimate.error, digits, sign=signed)


def summary(measured: Measured) -> str:
    """Write a comparison in one line: the sides, what of, the effect, n."""
    comparison = measured.comparison
    if measured.estimate is None:
        return f'{sides(measured)}: not run'
    if isinstance(comparison, RATIOS):
        what = f'{comparison.what}, ratio'
    else:
        what = (
            f'{comparison.quantity.label}{"" if comparison.over == "last" else ", " + OVER[comparison.over]}'
        )
    return f'{sides(measured)}: {what} {effect(measured)} (n{SPACE}={SPACE}{measured.estimate.n})'


def interval(measured: Measured) -> str:
    """Write the 95 % interval."""
    estimate = measured.estimate
    if estimate is None or estimate.n < 2:
        return NONE
    ratio = isinstance(measured.comparison, RATIOS)
    digits = 3 if ratio else 2
    signed = not ratio and not isinstance(measured.comparison, Level)
    ends = (number(end, digits, sign=signed) for end in (estimate.low, estimate.high))
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


def picture(figure: Figure) -> str:
    """Say what a figure shows, for who cannot see it."""
    if isinstance(figure, GradientFigure):
        what = 'Mean absolute gradient against the layer'
    elif isinstance(figure, LayerPictures):
        return f'Filters, and their activations on one image, layer by layer: {figure.variants[0].label}'
    else:
        what = f'{" and ".join(panel.label for panel in figure.panels)} against {figure.x.label}'
    return f'{what}, one line for each of: {"; ".join(variant.label for variant in figure.variants)}'


def legend(figure: Figure) -> str:
    """Say how a figure is to be read."""
    if isinstance(figure, GradientFigure):
        return "Geometric mean over the runs of the mean absolute gradient of each layer's weights."
    if isinstance(figure, LayerPictures):
        return (
            'The run with seed 0. Filters: a column for each, a row for each channel that it sees. Black is '
            'the least value of a picture, white the largest. The image is a drawn ring, of no data set.'
        )
    return 'Mean over the runs; the band is one standard error.'


def column_name(column: Column) -> str:
    """Say what a table's column holds."""
    return column.quantity.with_unit + ('' if column.over == 'last' else f', {OVER[column.over]}')


def _plain(value: float) -> str:
    return f'{value:g}'.replace('-', MINUS)
