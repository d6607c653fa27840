"""Effects, errors, intervals and p values, against SciPy's paired t test, the formulas, and simulation."""

import math

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from vgg_cifar.reporting.statistics import (
    Estimate,
    binomial_interval,
    estimate_difference,
    estimate_ratio,
    holds,
    pairs_needed,
    prediction_interval,
    sample_size,
    standard_error,
)

ABOVE_ZERO = (0.0, math.inf)
accuracies = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=12)


@given(accuracies)
def test_differences_agree_with_the_paired_t_test(pairs):
    of, against = numpy.array(pairs).T
    assume(numpy.std(of - against) > 1e-6)
    found = estimate_difference(of - against, ABOVE_ZERO)
    expected = stats.ttest_rel(of, against)
    low, high = expected.confidence_interval(0.95)
    assert found.n == len(pairs)
    numpy.testing.assert_allclose(
        (found.effect, found.p, found.low, found.high),
        ((of - against).mean(), expected.pvalue, low, high),
        rtol=1e-6,
        atol=1e-9,
    )
    numpy.testing.assert_allclose(found.error, stats.sem(of - against))


@given(accuracies, st.floats(-20, 20), st.floats(0.1, 20))
def test_an_outcome_is_what_the_t_tests_against_both_ends_say(pairs, low, width):
    of, against = numpy.array(pairs).T
    assume(numpy.std(of - against) > 1e-6)
    differences, claimed = of - against, (low, low + width)
    tests = [stats.ttest_1samp(differences, end) for end in claimed]
    found = estimate_difference(differences, claimed)
    inside = low < found.effect < low + width
    assert found.p == pytest.approx(max(test.pvalue for test in tests) if inside else found.p)
    significant = all(test.pvalue < 0.05 for test in tests)
    assume(min(abs(test.pvalue - 0.05) for test in tests) > 1e-9)
    if inside and significant:
        expected = True
    elif not inside and found.p < 0.05:
        expected = False
    else:
        expected = None
    assert holds(found, claimed) is expected


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=2, max_size=12))
def test_ratios_are_differences_of_logarithms(pairs):
    of, against = numpy.array(pairs).T
    assume(numpy.std(numpy.log(of / against)) > 1e-6)
    found = estimate_ratio(of / against, (1.0, math.inf))
    expected = stats.ttest_rel(numpy.log(of), numpy.log(against))
    interval = numpy.exp(expected.confidence_interval(0.95))
    assert found.effect == pytest.approx(stats.gmean(of / against))
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    numpy.testing.assert_allclose((found.low, found.high), interval)


@pytest.mark.parametrize('n', [2, 3, 10])
def test_intervals_cover_the_truth_in_95_of_100_cases(n):
    """4,000 simulated studies whose true effect is 1: 2.5 % of the intervals lie off it to each side."""
    random = numpy.random.RandomState(n)
    found = [estimate_difference(random.normal(1, 3, n), ABOVE_ZERO) for _ in range(4000)]
    above = numpy.mean([each.low > 1 for each in found])
    below = numpy.mean([each.high < 1 for each in found])
    # Five standard errors of a share of 2.5 % in 4,000.
    assert above == pytest.approx(0.025, abs=0.0124)
    assert below == pytest.approx(0.025, abs=0.0124)


def test_one_pair_decides_nothing():
    found = estimate_difference([5.0], ABOVE_ZERO)
    assert (found.effect, found.n) == (5.0, 1)
    assert math.isnan(found.error) and math.isnan(found.p)
    assert holds(found, ABOVE_ZERO) is None


@pytest.mark.parametrize('value, outcome', [(3.0, True), (-3.0, False), (0.0, None)])
def test_differences_that_are_all_alike(value, outcome):
    """As two networks give that both stay at chance."""
    found = estimate_difference([value] * 3, ABOVE_ZERO)
    assert (found.low, found.high, found.error) == (value, value, 0)
    assert found.p == (0 if value else 1)
    assert holds(found, ABOVE_ZERO) is outcome


@pytest.mark.parametrize(
    'low, high, outcome',
    [
        (1.21, 1.39, True),
        (1.1, 1.3, None),
        (1.3, 1.5, None),
        (1.0, 1.6, None),
        (1.0, 1.19, False),
        (1.5, 1.6, False),
    ],
)
def test_about_30_percent_is_an_interval_with_two_ends(low, high, outcome):
    estimate = Estimate((low + high) / 2, 0.01, 10, low, high, 0.5)
    assert holds(estimate, (1.2, 1.4)) is outcome


@pytest.mark.parametrize('n', [2, 3, 10])
def test_standard_error_is_the_formula(n):
    values = numpy.random.RandomState(0).rand(n, 4)
    mean = values.sum(0) / n
    expected = (((values - mean) ** 2).sum(0) / (n - 1)) ** 0.5 / n**0.5
    numpy.testing.assert_allclose(standard_error(values), expected)


def test_one_run_has_no_error():
    assert numpy.isnan(standard_error(numpy.ones((1, 3)))).all()


@pytest.mark.parametrize('share, n', [(0.94, 100), (0.0, 20), (1.0, 100), (0.5, 5000)])
def test_binomial_interval_is_scipys(share, n):
    expected = stats.binomtest(round(share * n), n).proportion_ci(method='wilson')
    assert binomial_interval(share, n) == pytest.approx(tuple(expected), abs=1e-9)


@pytest.mark.parametrize('effect, published', [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_sample_sizes_are_the_published_ones(effect, published):
    """Of the paired t test, two-sided at 5 %, power 80 %: what tables have for Cohen's d."""
    assert sample_size(effect, 1.0, ABOVE_ZERO) == published
    assert sample_size(-10 * effect, 10.0, ABOVE_ZERO) == published


@pytest.mark.parametrize(
    'effect, claimed', [(0.7, ABOVE_ZERO), (0.2, (-1.0, 1.4)), (-0.6, (0.0, 1.0)), (1.9, (0.0, 1.0))]
)
def test_so_many_pairs_decide_in_80_of_100_simulated_studies(effect, claimed):
    n = sample_size(effect, 1.0, claimed)
    random = numpy.random.RandomState(0)

    def decided(pairs):
        studies = [estimate_difference(random.normal(effect, 1, pairs), claimed) for _ in range(3000)]
        inside = claimed[0] < effect < claimed[1]
        return numpy.mean([holds(each, claimed) is inside for each in studies])

    # Five standard errors of a share of 80 % in 3,000.
    assert decided(n) > 0.8 - 0.037
    assert decided(n - 1) < 0.8 + 0.037


def test_what_no_number_of_pairs_decides():
    assert sample_size(0.0, 1.0, ABOVE_ZERO) is None
    assert sample_size(0.001, 1.0, ABOVE_ZERO) is None
    assert sample_size(0.0, 0.0, ABOVE_ZERO) is None
    assert sample_size(1.0, math.nan, ABOVE_ZERO) is None
    assert sample_size(1.0, 0.0, ABOVE_ZERO) == sample_size(1.0, 1e-9, ABOVE_ZERO) == 2


def test_ratios_need_what_their_logarithms_need():
    ratios = [1.1, 1.5, 0.9, 1.3]
    found = pairs_needed(estimate_ratio(ratios, (1.0, math.inf)), (1.0, math.inf), is_ratio=True)
    logs = numpy.log(ratios)
    assert found == sample_size(logs.mean(), logs.std(ddof=1), ABOVE_ZERO)


@pytest.mark.parametrize('n, others', [(2, 1), (3, 3), (10, 1)])
def test_prediction_intervals_hold_95_of_100_further_means(n, others):
    random = numpy.random.RandomState(n)
    held = 0
    for _ in range(4000):
        low, high = prediction_interval(random.normal(5, 2, n), others)
        held += low <= random.normal(5, 2, others).mean() <= high
    # Five standard errors of a share of 95 % in 4,000.
    assert held / 4000 == pytest.approx(0.95, abs=0.0172)


def test_one_run_predicts_nothing():
    assert prediction_interval([5.0]) == (-math.inf, math.inf)
