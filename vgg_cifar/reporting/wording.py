"""Numbers and comparisons in words, the same on the page and in report.md."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from vgg_cifar.counting import counted
from vgg_cifar.foreign_text import shown
from vgg_cifar.reporting.verdicts import Measured, Verdict
from vgg_cifar.studies.comparison import MINUS, OVER
from vgg_cifar.studies.study import Column, Figure

SPACE = '\N{NO-BREAK SPACE}'
NONE = '\N{EN DASH}'
ANSWERS = {
    Verdict.REPRODUCED: 'It holds.',
    Verdict.NOT_REPRODUCED: 'It does not hold.',
    Verdict.UNDECIDED: 'Undecided.',
    Verdict.NOT_RUN: 'Not run.',
}
MEAN = 'mean ± standard error over n runs'
SCALE_LEGEND = "This run against the report's scale: a run of the settings that the variants share"
TIMES = (
    'Times are from the logs: what runs took beside each other and beside other work on the machine, which '
    'is no measurement. Claims about time rest on training steps that were timed in turn.'
)
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


def claimed(measured: Measured) -> str:
    """Say where the effect is claimed to lie."""
    low, high = measured.comparison.claimed
    least = 0.0 if measured.comparison.is_ratio else -math.inf
    if high == math.inf:
        return f'above {_plain(low)}'
    return f'below {_plain(high)}' if low <= least else f'{_plain(low)} to {_plain(high)}'


def effect(measured: Measured) -> str:
    """Write the effect and its standard error, with a second digit where the error would read 0.0."""
    estimate = measured.estimate
    if estimate is None:
        return NONE
    if measured.comparison.is_ratio:
        return with_error(estimate.effect, estimate.error, digits=3)
    digits = 2 if 0.005 <= estimate.error < 0.05 else 1
    return with_error(estimate.effect, estimate.error, digits, sign=measured.comparison.signed)


def summary(measured: Measured) -> str:
    """Write a comparison in one line: the sides, what of, the effect, n."""
    comparison = measured.comparison
    if measured.estimate is None:
        return f'{comparison.sides}: not run'
    n = f'n{SPACE}={SPACE}{measured.estimate.n}'
    return f'{comparison.sides}: {comparison.brief} {effect(measured)} ({n})'


def interval(measured: Measured) -> str:
    """Write the 95 % interval."""
    estimate = measured.estimate
    if estimate is None or estimate.n < 2:
        return NONE
    digits = 3 if measured.comparison.is_ratio else 2
    ends = (number(end, digits, sign=measured.comparison.signed) for end in (estimate.low, estimate.high))
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
        return f'{counted(len(measured.missing), "run")} missing'
    decided = OUTCOMES[measured.holds]
    if measured.needed is None:
        return decided
    return f'{decided}; {measured.needed:,} {measured.comparison.repeated_by}s would decide it'


def median(values: Sequence[float]) -> float:
    """Return the median: of an even number of values the mean of the middle two."""
    return statistics.median(values)


def environment(content: Mapping[str, Any]) -> str:
    """Say in a line what a run or timing was made on, by its environment.json."""
    packages = content.get('packages')
    versions = packages.items() if isinstance(packages, dict) else ()
    named = ''.join(f', {shown(str(name))} {shown(str(version))}' for name, version in versions)
    python, system, processor, cores, device, accelerator = (
        shown(str(content.get(name, 'not recorded')))
        for name in ('python', 'platform', 'processor', 'cores', 'device', 'cpu_accelerator')
    )
    gpu = f', {shown(str(content["gpu"]))}' if 'gpu' in content else ''
    return (
        f'Python {python}{named}, on {system}, {processor}, {cores} cores, device {device}{gpu} '
        f'(CPU accelerator: {accelerator})'
    )


def listed(items: Sequence[str]) -> str:
    """Join items as a sentence does."""
    return ' and '.join(filter(None, [', '.join(items[:-1]), *items[-1:]]))


def tally(counts: Mapping[Verdict, int]) -> str:
    """Say how many claims have which verdict."""
    return listed([f'{count} {verdict.value}' for verdict, count in counts.items() if count]) or 'none'


def column_name(column: Column) -> str:
    """Say what a table's column holds."""
    return column.quantity.with_unit + ('' if column.over == 'last' else f', {OVER[column.over]}')


def table_legend(figure: Figure, predicted: bool) -> str:
    """Say how a figure's table is read; `predicted` where intervals stand beside the report's numbers."""
    sentences = [f'{MEAN.capitalize()}, after the last epoch unless the column says otherwise.']
    if predicted:
        sentences.append(
            'Beside a number of the report: whether it lies inside the 95 % prediction interval of the runs '
            'here, and the interval.'
        )
    if any(column.quantity.is_time for column in figure.columns):
        sentences.append(TIMES)
    return ' '.join(sentences)


def _plain(value: float) -> str:
    return f'{value:g}'.replace('-', MINUS)
