"""Studies as values: which runs a figure needs, what a claim compares."""

import dataclasses
import math
from pathlib import Path

import pytest

from vgg_cifar.errors import InputError
from vgg_cifar.studies import STUDIES
from vgg_cifar.studies.study import Arithmetic, Claim, Figure, Quantity, Scale, TimeRatio, Variant
from vgg_cifar.studies.study_folder import FILES, StudyFolder

SOME = STUDIES['ie598']
DATA = {'name': 'x', 'synthetic': True, 'source': 'x', 'sizes': {}, 'fingerprint': 'f' * 64}


def runs(study, scale='full', seeds=1, data=DATA, compute='float32', figures=None):
    folder = StudyFolder(Path('nowhere'), study, scale, seeds, data, compute)
    return folder.all_runs(study.figures if figures is None else figures)


def test_seeds_come_one_after_the_other():
    figures = SOME.figures[-2:]
    count = len(runs(SOME, figures=figures))
    assert [run.settings.seed for run in runs(SOME, seeds=2, figures=figures)] == [0] * count + [1] * count


def test_ids_depend_on_settings_seed_images_and_compute_type():
    other = {**DATA, 'fingerprint': 'e' * 64}
    ids = [
        {run.id for run in runs(SOME, **changes)}
        for changes in ({}, {'scale': 'quick'}, {'data': other}, {'compute': 'bfloat16'})
    ]
    assert all(not ids[0] & others for others in ids[1:])
    moved = {run.id for run in runs(SOME, data={**DATA, 'source': 'elsewhere'})}
    assert moved == ids[0]


def test_an_id_says_what_a_variant_changes():
    variant = Variant('odd', {'augment': ('flip', 'median'), 'lr': 0.1}, times_epochs=2)
    run = SOME.run(variant, 'quick', 3, 'x', 'f', 'float32')
    assert run.id.rpartition('-')[0] == 'epochs-14-lr-0.1-augment-flip+median-seed3'


def test_an_id_says_which_of_several_options_a_variant_changes():
    study = STUDIES['mnist_convnetjs']
    options = {**study.base.model_options, 'channels': (4, 16), 'size': 3}
    run = study.run(Variant('odd', {'model_options': options}), 'full', 0, 'x', 'f', 'float32')
    assert run.id.rpartition('-')[0] == 'channels-4+16-size-3-seed0'


def test_report_r1s_runs_keep_their_names():
    """Recorded runs lie in folders of these names: a changed digest would lose them."""
    ids = [run.id for run in runs(SOME, 'quick', compute='bfloat16')]
    assert (ids[0], ids[-1]) == (
        'depth-A-batch_norm-False-dropout-0.0-seed0-20b4925d89',
        'batch_norm-False-dropout-0.0-seed0-76f2ba30a1',
    )
    assert len(ids) == 27


def test_an_unknown_setting_in_a_variant_is_an_error():
    with pytest.raises(TypeError):
        SOME.run(Variant('odd', {'colour': 'red'}), 'full', 0, 'x', 'f', 'float32')


@pytest.mark.parametrize(
    'quantity, expected',
    [
        (Quantity('a', ''), 0.25),
        (Quantity('a', '', '%'), 25),
        (Quantity('a', '', '%', complement=True), 75),
        (Quantity('a', '', '%', less='b'), 15),
    ],
)
def test_quantities(quantity, expected):
    assert quantity.of({'a': 0.25, 'b': 0.1}) == pytest.approx(expected)
    assert math.isnan(quantity.of({'b': 0.1}))


@pytest.mark.parametrize('study', STUDIES.values(), ids=STUDIES)
def test_every_study_is_whole(study):
    """Scales, figures and claims have their parts; a claim compares only what its figures run."""
    for name in ('smoke', 'quick', 'full'):
        assert isinstance(study.scales[name], Scale) and study.scales[name].about
    figures = {figure.id: figure for figure in study.figures}
    assert len(figures) == len(study.figures)
    for figure in study.figures:
        labels = [variant.label for variant in figure.variants]
        assert len(labels) == len(set(labels))
        assert figure.says and figure.choices
        assert bool(figure.panels) is (type(figure) is Figure)
        ids = [column.id for column in figure.columns]
        assert len(ids) == len(set(ids))
        for column in figure.columns:
            assert set(column.reported) <= set(labels)
    assert len({claim.id for claim in study.claims}) == len(study.claims)
    has_run = {run.id for run in runs(study)}
    for claim in study.claims:
        assert claim.statement and claim.rule
        assert set(claim.figures) <= set(figures)
        if isinstance(claim, Arithmetic):
            continue
        assert isinstance(claim, Claim) and claim.comparisons and claim.figures
        checked = [each for check in claim.checks for each in check.comparisons]
        for comparison in (*claim.comparisons, *checked):
            sides = comparison.variants
            assert comparison.low < comparison.high and len({variant.label for variant in sides}) == len(
                sides
            )
            if isinstance(comparison, TimeRatio):
                assert set(map(id, sides)) <= set(map(id, comparison.timing.variants))
                continue
            for variant in sides:
                assert study.run(variant, 'full', 0, 'x', 'f' * 64, 'float32').id in has_run
        own = {
            study.run(variant, 'full', 0, 'x', 'f' * 64, 'float32').id
            for figure in claim.figures
            for variant in figures[figure].variants
        }
        for comparison in claim.comparisons:
            if not isinstance(comparison, TimeRatio):
                for variant in comparison.variants:
                    assert study.run(variant, 'full', 0, 'x', 'f' * 64, 'float32').id in own


def test_a_variant_may_train_longer():
    longer = dataclasses.replace(SOME.figures[0].variants[0], times_epochs=3)
    assert SOME.run(longer, 'quick', 0, 'x', 'f', 'float32').settings.epochs == 21


@pytest.mark.parametrize('name', FILES)
def test_a_folder_with_somebody_elses_files_is_not_taken(tmp_path, name):
    (tmp_path / name).write_text('my own')
    (tmp_path / f'my-{name}').write_text('my own')
    data = {'fingerprint': 'f'}
    with pytest.raises(InputError, match=rf'holds {name} but no study.json'):
        StudyFolder(tmp_path, next(iter(STUDIES.values())), 'smoke', 1, data).save()
    assert (tmp_path / name).read_text() == 'my own' and not (tmp_path / 'study.json').exists()
