"""Report R1's study, against the report."""

from pathlib import Path

import pytest

from vgg_cifar.models import VGG
from vgg_cifar.studies import ie598, ie598_tables
from vgg_cifar.studies.ie598 import STUDY
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.settings import Settings

DATA = {'name': 'x', 'synthetic': True, 'source': 'x', 'sizes': {}, 'fingerprint': 'f' * 64}
FOLDER = StudyFolder(Path('nowhere'), STUDY, 'full', 1, DATA)


def settings(*ids):
    figures = [figure for figure in STUDY.figures if figure.id in ids]
    return [run.settings for run in FOLDER.all_runs(figures)]


def options(figure, *names):
    """Return options of the network, for each of a figure's variants."""
    return [tuple(each.model_options[name] for name in names) for each in settings(figure)]


def test_every_figure_of_the_report_in_its_order_and_every_claim_of_the_list():
    assert [figure.id for figure in STUDY.figures if figure.in_report] == [*'23456789', '10']
    names = (
        'table depth depth-time bn bn-cost dropout-train dropout-test adam pool-adam pool-others best-pair '
        'filter-train filter-test filter-params aug tuned'
    )
    assert ' '.join(claim.id.removeprefix('R1.') for claim in STUDY.claims) == names


def test_the_whole_report_trains_each_variant_once():
    runs = FOLDER.all_runs(STUDY.figures)
    assert len(runs) == 27
    assert sum(len(figure.variants) for figure in STUDY.figures) == 44


def test_the_summary_counts_the_runs_and_steps_of_the_report():
    runs = FOLDER.all_runs([figure for figure in STUDY.figures if figure.in_report])
    steps = STUDY.images.training // STUDY.base.batch_size * STUDY.base.epochs
    copied = [run for run in runs if run.settings.augment]
    assert len(copied) == 2 and all(len(run.settings.augment) == 3 for run in copied)
    said = f'its {len(runs)} runs takes {steps:,} steps of 500 images, the two with copies {4 * steps:,}'
    assert said in STUDY.summary.difficult


def test_full_scale_is_the_listings():
    """Section 8: batch 500, 400 epochs, p = 0.40, Adam."""
    (base,) = [each for each in settings('4') if each.model_options['dropout'] == 0.4]
    assert base == Settings(data='x', validation_size=5000, chance_patience=0)
    assert (base.batch_size, base.epochs, base.optimizer, base.lr) == (500, 400, 'adam', None)


def test_figures_2_and_3_switch_batch_norm_at_each_depth():
    assert [(each.model_options['depth'], each.model_options['batch_norm']) for each in settings('2')] == [
        (depth, False) for depth in 'ADE'
    ]
    found = [
        (each.model_options['depth'], each.model_options['batch_norm'], each.model_options['dropout'])
        for each in settings('3')
    ]
    assert found == [(depth, on, 0) for depth in 'ADE' for on in (True, False)]
    assert len(settings('2', '3')) == 6


def test_figures_4_and_5_share_their_runs_and_hold_images_out():
    assert [each.model_options['dropout'] for each in settings('4')] == [0, 0.2, 0.4, 0.6]
    assert settings('4') == settings('5')
    assert all(each.validation_size for each in settings('5'))


def test_figure_6_compares_three_optimizers_with_two_poolings():
    pairs = {(each.optimizer, each.model_options['pooling']) for each in settings('6')}
    assert len(settings('6')) == len(pairs) == 6
    assert {optimizer for optimizer, _ in pairs} == {'adam', 'momentum_sgd', 'rmsprop'}
    assert len(settings('6', '7')) == 6
    assert {each.model_options['pooling'] for each in settings('7')} == {'average'}


def test_figure_8_varies_the_filter():
    assert [each.model_options['filter_size'] for each in settings('8')] == [3, 5, 7]


def test_figures_9_and_10_train_on_the_listings_copies():
    assert [each.augment for each in settings('9')] == [(), ('flip', 'normalize', 'median')]
    untuned, tuned = settings('10')
    assert tuned == settings('9')[1].replace(pooling='average')
    assert (
        untuned.model_options['batch_norm'],
        untuned.model_options['dropout'],
        untuned.model_options['pooling'],
        untuned.augment,
    ) == (False, 0, 'max', ())
    assert untuned.optimizer != tuned.optimizer == 'adam'


def test_timings_come_with_the_figures_whose_claims_need_them():
    def ids(figure):
        return {timing.id for timing in STUDY.timings_of([figure])}

    assert [ids(figure) for figure in (ie598.FIGURE_2, ie598.FIGURE_3, ie598.FIGURE_9, ie598.FIGURE_6)] == [
        {'depth'},
        {'batch-norm'},
        {'augmentation'},
        set(),
    ]


def weights(depth):
    """The weights of each layer with any, biases left out, straight from Chainer's arrays."""
    return [link.W.size for link in VGG(depth=depth, batch_norm=False).children()]


def test_layer_table_agrees_with_the_networks_own_arrays():
    table = ie598_tables.layer_table()
    here = [row[6].replace(',', '') for row in table.rows if row[6] not in ('', '0')]
    assert list(map(int, here)) == weights('D')
    assert not table.holds and len(table.rows) == 22
    slips = {row[0]: row[-1] for row in table.rows}
    assert slips['INPUT'] == slips['CONV3-64'] == ''
    # The report's second CONV3-128 counts 64 channels where 128 come in.
    second = table.rows[5]
    assert (second[3], second[6]) == ('73,728', '147,456')
    assert 'input channels' in second[-1]


def test_stacked_filters_by_the_formula():
    table = ie598_tables.stacked_filters()
    assert table.holds
    for row in table.rows:
        channels = int(row[0])
        assert row[1:3] == (f'{27 * channels**2:,}', f'{49 * channels**2:,}')


@pytest.mark.parametrize('sizes, width', [((3,), 3), ((3, 3), 5), ((3, 3, 3), 7), ((7,), 7), ((5, 3), 7)])
def test_receptive_field_is_one_plus_the_sum_of_size_minus_one(sizes, width):
    assert ie598_tables._field(sizes) == width
