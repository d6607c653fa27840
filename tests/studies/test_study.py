"""Studies as values: which runs a figure needs, what a claim compares."""

import dataclasses
import math
import types
from pathlib import Path

import pytest

from vgg_cifar.convolution_implementations.study import Cost, CostRatio, Size
from vgg_cifar.datasets import load
from vgg_cifar.errors import InputError
from vgg_cifar.models import summary
from vgg_cifar.studies import STUDIES
from vgg_cifar.studies.comparison import MINUS, Difference, Level, Quantity, TimeRatio, Timing, Variant
from vgg_cifar.studies.study import TEST, Arithmetic, Claim, Figure, Scale
from vgg_cifar.studies.study_folder import FILES, StudyFolder
from vgg_cifar.training.build import build_model, input_shape

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


@pytest.mark.parametrize('study', STUDIES.values(), ids=STUDIES)
def test_central_claims_are_claims(study):
    assert study.central and set(study.central) <= {claim.id for claim in study.claims}
    assert all(vars(study.summary).values())


def traced(study, length):
    """Trace the networks of a study's last figure on images of this size; return what went wrong."""
    data = types.SimpleNamespace(image_shape=(study.images.shape[0], length, length), n_classes=2)
    networks = {
        str((s.model, s.model_options)): s
        for s in (run.settings for run in runs(study, figures=study.figures[-1:]))
    }
    for settings in networks.values():
        if settings.crop and settings.crop > length:
            return 'crop'
        try:
            summary.layers(build_model(settings, data), input_shape(settings, data))
        except InputError as error:
            return str(error)
    return None


@pytest.mark.parametrize('study', STUDIES.values(), ids=STUDIES)
def test_least_size_is_the_networks_own(study):
    assert traced(study, study.images.least) is None
    assert traced(study, study.images.least - 1)


@pytest.mark.parametrize(
    'study, shape, classes, reason',
    [
        ('mnist_convnetjs', (1, 28, 28), 10, None),
        ('mnist_convnetjs', (3, 32, 32), 10, 'have 3 channels, expected 1, as MNIST has'),
        ('emnist_learning_rules', (3, 32, 32), 10, 'have 3 channels, expected 1'),
        ('emnist_kernels', (1, 28, 28), 10, None),
        ('emnist_kernels', (1, 20, 28), 47, '20x28, expected at least 24x24'),
        ('ie598', (1, 28, 28), 10, 'have 1 channel, expected 3'),
        ('ie598', (3, 64, 64), 200, None),
        ('cifar100_vgg38', (3, 32, 32), 1, 'number of classes is 1'),
    ],
)
def test_images_that_do_not_suit_a_study_are_named(study, shape, classes, reason):
    found = STUDIES[study].images.unsuitable(shape, classes)
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize('study', STUDIES.values(), ids=STUDIES)
def test_the_synthetic_images_suit_their_study(study):
    images = load(study.images.synthetic, train_size=20, test_size=10)
    assert study.images.unsuitable(images.image_shape, images.n_classes) is None
    assert images.image_shape == study.images.shape


@pytest.mark.parametrize(
    'comparison, sides, measure, brief, effect_is',
    [
        (
            Difference(TEST, Variant('a'), Variant('b')),
            f'a {MINUS} b',
            'test accuracy, at the end, in points',
            'test accuracy',
            'difference in test accuracy, at the end, in points',
        ),
        (
            Difference(TEST, Variant('a'), Variant('b'), 'max', beyond=(Variant('c'), Variant('d'))),
            f'(a {MINUS} b) {MINUS} (c {MINUS} d)',
            'test accuracy, highest, in points',
            'test accuracy, highest',
            'difference in test accuracy, highest, in points',
        ),
        (
            Level(TEST, Variant('a')),
            'a',
            'test accuracy, at the end, in %',
            'test accuracy',
            'test accuracy, at the end, in %',
        ),
        (
            TimeRatio(Timing('t', 'T', ()), Variant('a'), Variant('b')),
            'a ÷ b',
            'seconds per step, as a ratio',
            'seconds per step, ratio',
            'ratio of seconds per step',
        ),
        (
            CostRatio('time', Cost('a', Size(1, 1, 4, 3), True), Cost('b', Size(1, 1, 4, 3), True)),
            'a ÷ b backwards at 1 x 1 x 4 x 4, kernel 3 x 3',
            'time, as a ratio',
            'time, ratio',
            'ratio of time',
        ),
    ],
    ids=['difference', 'beyond', 'level', 'time', 'cost'],
)
def test_comparisons_say_what_they_compare(comparison, sides, measure, brief, effect_is):
    said = (comparison.sides, comparison.measure, comparison.brief, comparison.effect_is)
    assert said == (sides, measure, brief, effect_is)
