"""Judges the claims of a study by the runs and timings in its folder."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from vgg_cifar.reporting.over_epochs import reduced
from vgg_cifar.reporting.statistics import (
    MOST_PAIRS,
    Estimate,
    estimate_difference,
    estimate_ratio,
    holds,
    pairs_needed,
    standard_error,
)
from vgg_cifar.studies.comparison import OVER, Comparison, OfLog, Quantity, TimeRatio, Variant
from vgg_cifar.studies.study import Arithmetic, CheckedTable, Claim
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
NEEDED = (
    'What would decide an undecided comparison is estimated from the effect and the spread that were '
    'measured: so many seeds, or rounds, that its 95 % interval would leave the ends of what is claimed in '
    '80 of 100 such studies (the power of a t test). With few seeds the spread itself is known only roughly, '
    'and so is the number.'
)


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
    def holds(self) -> bool | None:
        """Whether the effect lies where it is claimed; None where undecided, or not all has been run."""
        return None if self.missing or not self.estimate else holds(self.estimate, self.comparison.claimed)

    @property
    def needed(self) -> int | None:
        """How many pairs in all would decide what is undecided; None where nothing can be said."""
        if self.missing or self.estimate is None or self.estimate.n < 2 or self.holds is not None:
            return None
        return pairs_needed(self.estimate, self.comparison.claimed, self.comparison.is_ratio)


@dataclass(frozen=True)
class Ranked:
    """A variant's place: the mean over the finished runs, its standard error, and n."""

    label: str
    mean: float
    error: float
    n: int


@dataclass(frozen=True)
class Ranking:
    """The variants that a claim compares, best first, by a quantity in the epoch `over`, a key of `OVER`."""

    quantity: Quantity
    over: str
    places: tuple[Ranked, ...]

    @property
    def by(self) -> str:
        """What is ranked by, and of which epoch."""
        return f'{self.quantity.label}, {OVER[self.over]}'


@dataclass(frozen=True)
class Judgement:
    """A claim, its verdict, and all that is behind it."""

    claim: Claim | Arithmetic
    verdict: Verdict
    measured: tuple[Measured, ...] = ()
    checks: tuple[tuple[str, Verdict, tuple[Measured, ...]], ...] = ()
    rankings: tuple[Ranking, ...] = ()
    table: CheckedTable | None = None
    finding: str = ''

    @property
    def decision(self) -> str:
        """What would decide an undecided claim, in a sentence; nothing for any other."""
        if self.verdict is not Verdict.UNDECIDED:
            return ''
        undecided = [each for each in self.measured if each.holds is None]
        if any(each.estimate is None or each.estimate.n < 2 for each in undecided):
            return 'One seed has no spread to calculate with: two or more show how many would decide it.'
        needed = [(each, each.needed) for each in undecided]
        # One comparison that fails is enough; else all must be shown to hold.
        failing = [(each, n) for each, n in needed if n is not None and not _inside(each)]
        if failing:
            each, n = min(failing, key=lambda pair: pair[1])
            return f'{_more(each, n)} would decide it (not reproduced, if the effect stays as measured).'
        if any(n is None for _, n in needed):
            return (
                f'More than {MOST_PAIRS:,} {undecided[0].comparison.repeated_by}s would be needed, or the '
                'effect lies on the end of what is claimed: repeating it at this scale will not decide it.'
            )
        most: dict[str, tuple[Measured, int]] = {}
        for each, count in needed:
            of = each.comparison.repeated_by
            if count is not None and (of not in most or count > most[of][1]):
                most[of] = each, count
        amounts = ' and '.join(_more(*pair) for pair in most.values())
        return f'{amounts} would decide it (reproduced, if the effect stays as measured).'

    @property
    def missing(self) -> list[str]:
        """The runs and timings that the verdict still needs."""
        return list(dict.fromkeys(name for each in self.measured for name in each.missing))


def judge(folder: StudyFolder, claim: Claim | Arithmetic) -> Judgement:
    """Judge one claim."""
    if isinstance(claim, Arithmetic):
        table = claim.check()
        outcome = Verdict.REPRODUCED if table.holds else Verdict.NOT_REPRODUCED
        return Judgement(claim, outcome, table=table, finding=claim.finding)
    measured = tuple(measure(folder, each) for each in claim.comparisons)
    checks = []
    for check in claim.checks:
        results = tuple(measure(folder, each) for each in check.comparisons)
        checks.append((check.text, verdict(results), results))
    rankings = tuple(rank(folder, claim, quantity) for quantity in claim.ranking)
    finding = folder.findings.get(claim.id, '')
    return Judgement(claim, verdict(measured), measured, tuple(checks), rankings, finding=finding)


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
        values, missing = _times(folder, comparison)
    elif isinstance(comparison, OfLog):
        values, missing = _logged(folder, comparison)
    else:
        raise TypeError(f'{comparison}: not in a study of runs')
    return Measured(comparison, estimate(comparison, values), tuple(missing))


def estimate(comparison: Comparison, values: Sequence[float]) -> Estimate | None:
    """Estimate an effect from its paired differences or ratios; None where there are none."""
    if not values:
        return None
    return (estimate_ratio if comparison.is_ratio else estimate_difference)(values, comparison.claimed)


def _logged(folder: StudyFolder, comparison: OfLog) -> tuple[list[float], list[str]]:
    """Return a number for each seed of which all runs are finished, and the names of those that are not."""
    found, missing = [], []
    # Of one variant there may be more seeds than of another.
    for pair in zip(*(folder.runs(variant) for variant in comparison.variants), strict=False):
        values = [_value(run, comparison) for run in pair]
        # The loss of a run that has diverged is no number, and none that another try would give.
        missing += [run.path.name for run in pair if run.result is None]
        if not any(map(math.isnan, values)):
            found.append(sum(sign * value for sign, value in zip(comparison.signs, values, strict=False)))
    return found, missing


def _value(run: RunFolder, comparison: OfLog) -> float:
    """Return what a finished run contributes; NaN for one that is unfinished or has logged no epoch."""
    return math.nan if run.result is None else reduced(run.log, comparison.quantity, comparison.over)


def _times(folder: StudyFolder, comparison: TimeRatio) -> tuple[list[float], list[str]]:
    """Return a ratio for each round; the timing's name where it is missing."""
    timing = folder.timing(comparison.timing)
    if timing is None:
        return [], [f'timing {comparison.timing.id}']
    of, against = (timing['variants'][folder.run_of(variant).id] for variant in comparison.variants)
    factor = of['steps_per_epoch'] / against['steps_per_epoch'] if comparison.per == 'epoch' else 1.0
    return [factor * a / b for a, b in zip(of['seconds'], against['seconds'], strict=True)], []


def _inside(measured: Measured) -> bool:
    """Whether the effect itself lies where it is claimed to, or on the end."""
    low, high = measured.comparison.claimed
    return measured.estimate is not None and low <= measured.estimate.effect <= high


def _more(measured: Measured, n: int) -> str:
    """Say how many repetitions would be needed, and how many of them there are."""
    there = measured.estimate.n if measured.estimate else 0
    return f'{n} {measured.comparison.repeated_by}s in all, {max(0, n - there)} more than there are,'


def rank(folder: StudyFolder, claim: Claim, quantity: Quantity) -> Ranking:
    """Rank the variants that a claim compares by a quantity, of the epoch that the claim's rule looks at."""
    variants: dict[str, Variant] = {}
    over = next(each.over for each in claim.comparisons if isinstance(each, OfLog))
    for comparison in claim.comparisons:
        for variant in reversed(comparison.variants):
            variants.setdefault(variant.label, variant)
    places = []
    for label, variant in variants.items():
        logs = [run.log for run in folder.runs(variant) if run.result is not None and run.log]
        values = numpy.array([reduced(log, quantity, over) for log in logs])
        if len(values):
            places.append(Ranked(label, float(values.mean()), float(standard_error(values)), len(values)))
    places.sort(key=lambda place: place.mean, reverse=not quantity.complement)
    return Ranking(quantity, over, tuple(places))


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
    texts = {'mark': claim.mark, 'finding': judgement.finding, 'would_decide': judgement.decision}
    content |= {name: text for name, text in texts.items() if text}
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
            ranking.by: [
                {'variant': each.label, 'mean': each.mean, 'standard_error': _finite(each.error), 'n': each.n}
                for each in ranking.places
            ]
            for ranking in judgement.rankings
        },
        'missing': judgement.missing,
    }


def _comparison_json(measured: Measured) -> dict[str, Any]:
    comparison = measured.comparison
    content: dict[str, Any] = {
        **comparison.labels,
        'effect_is': comparison.effect_is,
        'claimed': [_finite(end) for end in comparison.claimed],
        'holds': measured.holds,
    }
    if measured.estimate:
        estimate = measured.estimate
        content |= {
            'effect': estimate.effect,
            'standard_error': _finite(estimate.error),
            'n': estimate.n,
            'interval': [_finite(estimate.low), _finite(estimate.high)] if estimate.n > 1 else None,
            'p': _finite(estimate.p),
        }
    if measured.needed is not None:
        content['n_that_would_decide'] = measured.needed
    return content


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
