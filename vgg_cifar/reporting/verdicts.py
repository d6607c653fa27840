"""Judges the claims of a study by the runs and timings in its folder."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from vgg_cifar.reporting.over_epochs import reduced
from vgg_cifar.reporting.statistics import (
    Estimate,
    estimate_difference,
    estimate_ratio,
    holds,
    standard_error,
)
from vgg_cifar.studies.study import (
    OVER,
    Arithmetic,
    CheckedTable,
    Claim,
    Comparison,
    CostRatio,
    Difference,
    Level,
    Quantity,
    TimeRatio,
    Variant,
)
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.run_folder import RunFolder

RULE = (
    'A claim is one or several comparisons, and each says in which interval an effect lies. Runs are paired '
    'by seed (same images, same order of drawing), timings by round, so that n is the number of seeds or '
    'rounds. An effect is a mean of paired differences, or a geometric mean of paired ratios, with a '
    'two-sided 95 % t interval. Reproduced: every interval lies within what is claimed. Not reproduced: some '
    'interval lies wholly outside of it. Undecided: anything else, and everything with fewer than two seeds. '
    'Not run: a run that the claim needs is missing or unfinished. A run that diverges or stays at chance is '
    'a result. p is two-sided, against the nearest end of the claimed interval.'
)
MULTIPLE = (
    'All comparisons of a claim must hold together, so "reproduced" needs no correction for their number (an '
    'intersection-union test): by chance alone it comes up in at most 2.5 % of cases. "Not reproduced" needs '
    'only one that fails; with k comparisons chance alone brings it up in at most k times 2.5 % of cases, '
    'and no correction is made for that, nor for the number of claims.'
)


RATIOS = (TimeRatio, CostRatio)
# Of a comparison's variants: a level has one, a difference two, or four where one gain is taken off another.
SIGNS = (1, -1, -1, 1)


class Verdict(enum.Enum):
    """What became of a claim."""

    REPRODUCED = 'reproduced'
    NOT_REPRODUCED = 'not reproduced'
    UNDECIDED = 'undecided'
    NOT_RUN = 'not run'


@dataclass(frozen=True)
class Measured:
    """A comparison and what was measured: no estimate where there is no pair yet."""

    comparison: Comparison
    estimate: Estimate | None
    missing: tuple[str, ...]

    @property
    def claimed(self) -> tuple[float, float]:
        """The interval in which the effect is claimed to lie."""
        return self.comparison.low, self.comparison.high

    @property
    def holds(self) -> bool | None:
        """Whether the effect lies in there; None where that is undecided, or not all has been run."""
        return None if self.missing or not self.estimate else holds(self.estimate, self.claimed)


@dataclass(frozen=True)
class Ranked:
    """A variant's place: the mean of the last epoch over the finished runs, its standard error, and n."""

    label: str
    mean: float
    error: float
    n: int


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict, and all that is behind it."""

    claim: Claim | Arithmetic
    verdict: Verdict
    measured: tuple[Measured, ...] = ()
    checks: tuple[tuple[str, Verdict, tuple[Measured, ...]], ...] = ()
    rankings: tuple[tuple[Quantity, tuple[Ranked, ...]], ...] = ()
    table: CheckedTable | None = None

    @property
    def missing(self) -> list[str]:
        """The runs and timings that the verdict still needs."""
        return list(dict.fromkeys(name for each in self.measured for name in each.missing))


def judge(folder: StudyFolder, claim: Claim | Arithmetic) -> Judgement:
    """Judge one claim."""
    if isinstance(claim, Arithmetic):
        table = claim.check()
        return Judgement(claim, Verdict.REPRODUCED if table.holds else Verdict.NOT_REPRODUCED, table=table)
    measured = tuple(measure(folder, each) for each in claim.comparisons)
    checks = []
    for check in claim.checks:
        results = tuple(measure(folder, each) for each in check.comparisons)
        checks.append((check.text, verdict(results), results))
    rankings = tuple((quantity, rank(folder, claim, quantity)) for quantity in claim.ranking)
    return Judgement(claim, verdict(measured), measured, tuple(checks), rankings)


def verdict(measured: Sequence[Measured]) -> Verdict:
    """Apply the rule (see RULE)."""
    if any(each.missing for each in measured):
        return Verdict.NOT_RUN
    outcomes = [each.holds for each in measured]
    if all(outcomes):
        return Verdict.REPRODUCED
    return Verdict.NOT_REPRODUCED if False in outcomes else Verdict.UNDECIDED


def measure(folder: StudyFolder, comparison: Comparison) -> Measured:
    """Estimate a comparison's effect from the pairs that are finished."""
    if isinstance(comparison, TimeRatio):
        return _measure_times(folder, comparison)
    if isinstance(comparison, CostRatio):
        raise TypeError(f'{comparison}: a cost is not in a study of runs')
    pairs, missing = [], []
    runs = zip(*(folder.runs(variant) for variant in comparison.variants), strict=True)
    for pair in runs:
        values = [_value(run, comparison) for run in pair]
        # The loss of a run that has diverged is no number, and none that another try would give.
        missing += [run.path.name for run in pair if run.result is None]
        if not any(map(math.isnan, values)):
            pairs.append(sum(sign * value for sign, value in zip(SIGNS, values, strict=False)))
    claimed = comparison.low, comparison.high
    estimate = estimate_difference(pairs, claimed) if pairs else None
    return Measured(comparison, estimate, tuple(missing))


def _measure_times(folder: StudyFolder, comparison: TimeRatio) -> Measured:
    timing = folder.timing(comparison.timing)
    if timing is None:
        return Measured(comparison, None, (f'timing {comparison.timing.id}',))
    of, against = (timing['variants'][folder.run_of(variant).id] for variant in comparison.variants)
    factor = of['steps_per_epoch'] / against['steps_per_epoch'] if comparison.per == 'epoch' else 1.0
    ratios = [factor * a / b for a, b in zip(of['seconds'], against['seconds'], strict=True)]
    return Measured(comparison, estimate_ratio(ratios, (comparison.low, comparison.high)), ())


def _value(run: RunFolder, comparison: Difference | Level) -> float:
    """Return what a finished run contributes; NaN for one that is unfinished or has logged no epoch."""
    return math.nan if run.result is None else reduced(run.log, comparison.quantity, comparison.over)


def rank(folder: StudyFolder, claim: Claim, quantity: Quantity) -> tuple[Ranked, ...]:
    """Rank the variants that a claim compares by a quantity, best first."""
    variants: dict[str, Variant] = {}
    for comparison in claim.comparisons:
        for variant in reversed(comparison.variants):
            variants.setdefault(variant.label, variant)
    places = []
    for label, variant in variants.items():
        logs = [run.log for run in folder.runs(variant) if run.result is not None and run.log]
        values = numpy.array([quantity.of(log[-1]) for log in logs])
        if len(values):
            places.append(Ranked(label, float(values.mean()), float(standard_error(values)), len(values)))
    return tuple(sorted(places, key=lambda place: place.mean, reverse=not quantity.complement))


def to_json(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as plain values; what is not finite is None."""
    claim = judgement.claim
    content: dict[str, Any] = {
        'id': claim.id,
        'figures': list(claim.figures),
        'statement': claim.statement,
        'rule': claim.rule,
        'verdict': judgement.verdict.value,
    }
    content |= {name: text for name in ('mark', 'finding') if (text := getattr(claim, name))}
    if judgement.table:
        return content | {'summary': judgement.table.summary}
    return content | {
        'comparisons': [_comparison_json(each) for each in judgement.measured],
        'checks': [
            {
                'text': text,
                'verdict': outcome.value,
                'comparisons': [_comparison_json(each) for each in measured],
            }
            for text, outcome, measured in judgement.checks
        ],
        'rankings': {
            quantity.label: [
                {'variant': each.label, 'mean': each.mean, 'standard_error': _finite(each.error), 'n': each.n}
                for each in places
            ]
            for quantity, places in judgement.rankings
        },
        'missing': judgement.missing,
    }


def _comparison_json(measured: Measured) -> dict[str, Any]:
    comparison = measured.comparison
    content: dict[str, Any] = {'of': comparison.of.label}
    if not isinstance(comparison, Level):
        content['against'] = comparison.against.label
    if isinstance(comparison, Difference) and comparison.beyond:
        content['beyond'] = [variant.label for variant in comparison.beyond]
    if isinstance(comparison, RATIOS):
        content |= {'effect_is': f'ratio of {comparison.what}'}
    else:
        is_level = isinstance(comparison, Level)
        points = '%' if is_level else 'points'
        unit = f', in {points}' if comparison.quantity.unit == '%' else ''
        what = f'{comparison.quantity.label}, {OVER[comparison.over]}{unit}'
        content |= {'effect_is': what if is_level else f'difference in {what}'}
    content['claimed'] = [_finite(end) for end in measured.claimed]
    content['holds'] = measured.holds
    if measured.estimate:
        estimate = measured.estimate
        content |= {
            'effect': estimate.effect,
            'standard_error': _finite(estimate.error),
            'n': estimate.n,
            'interval': [_finite(estimate.low), _finite(estimate.high)] if estimate.n > 1 else None,
            'p': _finite(estimate.p),
        }
    return content


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
