"""Verdicts from folders whose numbers are made up."""

import json
import math

import pytest
from reporting.made_up_runs import ENVIRONMENT

from vgg_cifar.atomic import write_json
from vgg_cifar.errors import InputError
from vgg_cifar.reporting.statistics import Estimate, sample_size
from vgg_cifar.reporting.verdicts import (
    Judgement,
    Measured,
    Verdict,
    estimate,
    judge,
    measure,
    to_json,
    verdict,
)
from vgg_cifar.studies import emnist_kernels
from vgg_cifar.studies.comparison import Difference, Quantity, TimeRatio, Timing
from vgg_cifar.studies.ie598 import FIGURE_7, GAP, STUDY, TEST, TRAIN, TRAIN_ERROR
from vgg_cifar.studies.study import Claim

ABOVE_ZERO = (0.0, math.inf)
ADAM, MOMENTUM, RMSPROP = FIGURE_7.variants


def claim(*comparisons):
    return Claim('X.claim', ('7',), 'a statement', 'a rule', comparisons)


def measured(low, high):
    """A comparison claimed to be above 0, with this interval."""
    return Measured(Difference(TEST, ADAM, MOMENTUM), Estimate((low + high) / 2, 1, 3, low, high, 0.5), ())


HOLDS, FAILS, OPEN = measured(1, 2), measured(-2, -1), measured(-1, 1)
MISSING = Measured(Difference(TEST, ADAM, RMSPROP), None, ('a run',))


@pytest.mark.parametrize(
    'parts, expected',
    [
        ((HOLDS,), Verdict.REPRODUCED),
        ((HOLDS, HOLDS), Verdict.REPRODUCED),
        ((HOLDS, OPEN), Verdict.UNDECIDED),
        ((HOLDS, FAILS), Verdict.NOT_REPRODUCED),
        ((OPEN, FAILS), Verdict.NOT_REPRODUCED),
        ((FAILS, MISSING), Verdict.NOT_RUN),
    ],
)
def test_all_comparisons_must_hold_and_one_may_fail_them(parts, expected):
    assert verdict(parts) is expected


def test_runs_are_paired_by_seed(folder):
    """Both seeds differ by 10 points from variant to variant, whatever lies between the seeds."""
    found = judge(folder, claim(Difference(TRAIN, MOMENTUM, ADAM)))
    assert found.verdict is Verdict.REPRODUCED
    estimate = found.measured[0].estimate
    assert estimate.n == 2
    assert estimate.effect == pytest.approx(10)
    assert estimate.error == pytest.approx(0, abs=1e-9)
    assert judge(folder, claim(Difference(TRAIN, ADAM, MOMENTUM))).verdict is Verdict.NOT_REPRODUCED


@pytest.mark.parametrize(
    'quantity, over, expected',
    [
        (TRAIN, 'last', 10),
        (TRAIN, 'mean', 10),
        (TRAIN_ERROR, 'last', -10),
        (TEST, 'last', 5),
        (GAP, 'last', 5),
    ],
)
def test_quantities(folder, quantity, over, expected):
    assert measure(folder, Difference(quantity, MOMENTUM, ADAM, over)).estimate.effect == pytest.approx(
        expected
    )


def test_mean_is_over_all_epochs_and_last_over_none_but_the_last(folder):
    run = folder.runs(MOMENTUM)[0]
    log = run.log
    log[0]['main/accuracy'] += 0.30
    run.write('log', log)
    shares = [
        measure(folder, Difference(TRAIN, MOMENTUM, ADAM, over)).estimate.effect for over in ('last', 'mean')
    ]
    # 30 points in one of three epochs of one of two seeds.
    assert shares == pytest.approx([10, 10 + 30 / 6])


def test_an_unfinished_run_leaves_the_claim_not_run_and_shows_what_there_is(folder):
    found = judge(folder, claim(Difference(TRAIN, RMSPROP, ADAM)))
    assert found.verdict is Verdict.NOT_RUN
    assert found.missing == [folder.runs(RMSPROP)[1].path.name]
    assert found.measured[0].estimate.n == 1


def test_one_seed_is_undecided(folder):
    one = type(folder)(folder.path, STUDY, 'quick', 1, folder.data)
    found = judge(one, claim(Difference(TRAIN, MOMENTUM, ADAM)))
    assert found.verdict is Verdict.UNDECIDED
    content = to_json(found)['comparisons'][0]
    assert (content['n'], content['standard_error'], content['interval'], content['p']) == (
        1,
        None,
        None,
        None,
    )


def test_a_diverged_run_is_a_result(folder):
    run = folder.runs(ADAM)[0]
    run.write('result.json', {'status': 'diverged', 'reason': 'the loss is nan'})
    assert judge(folder, claim(Difference(TRAIN, MOMENTUM, ADAM))).verdict is Verdict.REPRODUCED


TIMING = Timing('a-timing', 'a title', (ADAM, MOMENTUM))


def write_timing(folder, of, against, variants=(ADAM, MOMENTUM), steps=(4.0, 1.0)):
    names = [folder.run_of(variant).id for variant in variants]
    content = {
        name: {'label': name, 'seconds': seconds, 'steps_per_epoch': count}
        for name, seconds, count in zip(names, (of, against), steps, strict=True)
    }
    facts = {'environment': ENVIRONMENT, 'batch_size': 500, 'rounds': len(of), 'steps_per_round': 1}
    write_json(folder.timing_path(TIMING), {**facts, 'variants': content})


def test_times_are_paired_by_round(folder):
    """The machine gets three times slower; the ratio stays."""
    write_timing(folder, [1.3, 2.6, 3.9], [1.0, 2.0, 3.0])
    found = judge(folder, claim(TimeRatio(TIMING, ADAM, MOMENTUM, low=1.2, high=1.4)))
    assert found.verdict is Verdict.REPRODUCED
    assert found.measured[0].estimate.effect == pytest.approx(1.3)
    assert found.measured[0].estimate.n == 3
    per_epoch = measure(folder, TimeRatio(TIMING, ADAM, MOMENTUM, per='epoch'))
    assert per_epoch.estimate.effect == pytest.approx(5.2)


def test_no_timing_or_one_of_other_networks_is_not_run(folder):
    comparison = TimeRatio(TIMING, ADAM, MOMENTUM)
    assert judge(folder, claim(comparison)).verdict is Verdict.NOT_RUN
    write_timing(folder, [1.0], [1.0], variants=(ADAM, RMSPROP))
    assert judge(folder, claim(comparison)).verdict is Verdict.NOT_RUN


def test_a_ranking_starts_with_the_best(folder):
    ranked = Claim('X', ('7',), '', '', (Difference(TEST, ADAM, MOMENTUM),), ranking=(TRAIN, TRAIN_ERROR))
    rankings = judge(folder, ranked).rankings
    assert [[place.label for place in ranking.places] for ranking in rankings] == [
        ['MomentumSGD, average', 'Adam, average']
    ] * 2
    assert rankings[0].places[0].mean == pytest.approx(13.5)
    assert rankings[0].places[0].error == pytest.approx(0.5)
    assert rankings[0].by == 'training accuracy, at the end'


def test_a_ranking_is_of_the_epoch_that_the_rule_looks_at(kernels):
    validation, test = judge(kernels, emnist_kernels.GAIN).rankings
    assert test.by == 'test accuracy, at the best validation accuracy'
    # The second of three epochs; all end at 20 and 5 %.
    assert [place.mean for place in test.places] == pytest.approx([61, 51, 41, 31, 21, 11])
    assert [place.label for place in validation.places] == [each.label for each in emnist_kernels.ALL[::-1]]


def test_claims_of_the_report_that_need_no_run(folder):
    verdicts = {each.id: judge(folder, each).verdict for each in STUDY.claims if not isinstance(each, Claim)}
    assert verdicts == {'R1.table': Verdict.NOT_REPRODUCED, 'R1.filter-params': Verdict.REPRODUCED}


def test_nothing_in_json_that_is_not_json(folder):
    write_timing(folder, [1.0], [2.0])
    found = to_json(judge(folder, claim(TimeRatio(TIMING, ADAM, MOMENTUM), Difference(TEST, ADAM, MOMENTUM))))
    assert found['comparisons'][0]['claimed'] == [1.0, None]

    def walk(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return all(map(walk, value))
        return not isinstance(value, float) or math.isfinite(value)

    assert walk(found)


def test_a_loss_that_is_no_number_is_not_a_missing_run(folder):
    """Another try would give the same; with one pair left the claim is undecided."""
    loss = Difference(Quantity('main/loss', 'training loss'), ADAM, MOMENTUM)
    run = folder.runs(ADAM)[1]
    log = run.log
    log[-1]['main/loss'] = math.nan
    run.write('log', log)
    found = judge(folder, claim(loss))
    assert found.verdict is Verdict.UNDECIDED
    assert found.missing == [] and found.measured[0].estimate.n == 1


def undecided(differences):
    """A claim that an effect is above 0, with these paired differences."""
    comparison = Difference(TEST, ADAM, MOMENTUM)
    found = Measured(comparison, estimate(comparison, differences), ())
    assert found.holds is None
    return found


def test_an_undecided_claim_says_what_would_decide_it():
    """All comparisons must hold, so the one that needs most."""
    less, more = undecided([0.0, 2.0, 4.0]), undecided([-1.0, 0.5, 3.0])
    assert less.needed == sample_size(2.0, 2.0, ABOVE_ZERO) < more.needed
    found = Judgement(claim(), Verdict.UNDECIDED, (less, more, HOLDS))
    assert found.decision.startswith(f'{more.needed} seeds in all, {more.needed - 3} more than there are')
    assert '(reproduced, if the effect stays' in found.decision
    assert to_json(found)['would_decide'] == found.decision


def test_one_comparison_that_fails_is_enough():
    found = Judgement(claim(), Verdict.UNDECIDED, (undecided([-1.0, 0.5, 3.0]), undecided([-3.0, -2.0, 0.9])))
    assert '(not reproduced, if the effect stays' in found.decision


def test_what_decides_a_claim_without_a_spread_or_an_effect():
    nothing = Judgement(claim(), Verdict.UNDECIDED, (undecided([0.0, 0.0]),))
    assert 'More than 1,000 seeds' in nothing.decision
    single = Judgement(claim(), Verdict.UNDECIDED, (undecided([1.0]),))
    assert 'One seed has no spread' in single.decision
    assert Judgement(claim(), Verdict.REPRODUCED, (HOLDS,)).decision == ''


def test_findings_are_the_folders_own(folder):
    """What was found in one record is not said of another run."""
    (pooling,) = (each for each in STUDY.claims if each.id == 'R1.pool-others')
    assert judge(folder, pooling).finding == '' and 'finding' not in to_json(judge(folder, pooling))
    write_json(folder.path / 'findings.json', {'R1.pool-others': 'Seen here.'})
    again = type(folder)(folder.path, STUDY, 'quick', 2, folder.data)
    assert to_json(judge(again, pooling))['finding'] == 'Seen here.'
    write_json(folder.path / 'findings.json', {'R1.\x1b': 'Seen here.'})
    with pytest.raises(InputError, match='is not a claim of ie598'):
        _ = type(folder)(folder.path, STUDY, 'quick', 2, folder.data).findings


@pytest.mark.parametrize(
    'change, message',
    [
        ({'rounds': 2}, 'seconds is .*expected a number for each of the 2 rounds'),
        ({'rounds': 1e308}, 'rounds is'),
        ({'variants': []}, 'variants is'),
        ({'environment': None}, 'environment is null'),
    ],
)
def test_a_timing_of_wrong_types_is_refused(folder, change, message):
    write_timing(folder, [1.0], [2.0])
    path = folder.timing_path(TIMING)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        folder.timing(TIMING)
