"""Studies as values: which runs a figure needs."""

import pytest

from vgg_cifar.studies import STUDIES
from vgg_cifar.studies.ie598 import STUDY
from vgg_cifar.studies.study import Variant


def runs(*ids, scale='full', seeds=1, fingerprint='f' * 64):
    figures = [figure for figure in STUDY.figures if figure.id in ids]
    return STUDY.runs(figures, scale, seeds, 'CIFAR10.hdf5', fingerprint)


def test_figure_6_compares_three_optimizers_with_two_poolings():
    """Report R1, figure 6, at the report's own settings."""
    settings = [run.settings for run in runs('6')]
    pairs = {(each.optimizer, each.pooling) for each in settings}
    assert len(settings) == len(pairs) == 6
    assert {optimizer for optimizer, _ in pairs} == {'adam', 'momentum_sgd', 'rmsprop'}
    assert {(each.batch_size, each.epochs, each.dropout) for each in settings} == {(500, 400, 0.4)}


def test_figure_7_needs_no_run_that_figure_6_has_not():
    assert {run.id for run in runs('7')} < {run.id for run in runs('6')}
    assert len(runs('6', '7')) == 6


def test_figure_8_varies_the_filter_and_shares_the_listings_run():
    assert [run.settings.filter_size for run in runs('8')] == [3, 5, 7]
    assert len({run.id for run in runs('8')} & {run.id for run in runs('6')}) == 1


def test_figure_3_switches_batch_norm_at_each_depth():
    found = [(run.settings.depth, run.settings.batch_norm) for run in runs('3')]
    assert found == [(depth, on) for depth in 'ADE' for on in (True, False)]


def test_seeds_come_one_after_the_other():
    assert [run.settings.seed for run in runs('7', seeds=2)] == [0, 0, 0, 1, 1, 1]


def test_ids_depend_on_settings_seed_and_images():
    ids = [
        {run.id for run in runs('6', **changes)}
        for changes in ({}, {'scale': 'quick'}, {'fingerprint': 'e' * 64})
    ]
    assert not ids[0] & ids[1] and not ids[0] & ids[2]
    assert 'pooling-average-optimizer-rmsprop-seed0' in {id.rpartition('-')[0] for id in ids[0]}


def test_an_unknown_setting_in_a_variant_is_an_error():
    with pytest.raises(TypeError):
        STUDY.run(Variant('odd', {'colour': 'red'}), 'full', 0, 'CIFAR10.hdf5', 'f')


@pytest.mark.parametrize('study', STUDIES.values(), ids=STUDIES)
def test_every_study_states_what_each_scale_costs(study):
    for name in ('smoke', 'quick', 'full'):
        assert study.scales[name].cost
        assert study.runs(study.figures, name, study.scales[name].seeds, 'x', 'f')
    ids = [figure.id for figure in study.figures]
    assert len(ids) == len(set(ids))
    for figure in study.figures:
        labels = [variant.label for variant in figure.variants]
        assert len(labels) == len(set(labels))
