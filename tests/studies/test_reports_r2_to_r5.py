"""The studies of reports R2 to R5, against the reports."""

from pathlib import Path

import pytest

from vgg_cifar.studies import (
    STUDIES,
    cifar100_vgg38,
    emnist_kernels,
    emnist_learning_rules,
    mnist_convnetjs,
)
from vgg_cifar.studies.comparison import TimeRatio
from vgg_cifar.studies.study_folder import StudyFolder

DATA = {'name': 'x', 'synthetic': True, 'source': 'x', 'sizes': {}, 'fingerprint': 'f' * 64}


def runs(study, *ids):
    folder = StudyFolder(Path('nowhere'), study, 'full', 1, DATA)
    figures = [figure for figure in study.figures if not ids or figure.id in ids]
    return [run.settings for run in folder.all_runs(figures)]


def reported(study, figure, column):
    """A column of the report's numbers, in the order of the rows."""
    (found,) = (each for each in study.figures if each.id == figure)
    (numbers,) = (each for each in found.columns if each.id == column)
    return [numbers.reported.get(variant.label) for variant in found.variants]


@pytest.mark.parametrize(
    'study, claims',
    [
        (emnist_kernels, 'doubling stride-least dilation-best dilation-time pool-fastest peak'),
        (
            cifar100_vgg38,
            'broken bn-below-08 residual-over-bn both-best erasing l2 dropout-no-help',
        ),
        (
            emnist_learning_rules,
            'lr l2 dropout-hurts adam-best big-lr-diverges bn-hurts depth-cnn cnn-over-dnn',
        ),
        (
            mnist_convnetjs,
            'stride-hurts small-kernel-hurts more-filters-help third-layer-best one-layer-cheaper',
        ),
    ],
)
def test_every_claim_of_the_list(study, claims):
    assert [claim.id.partition('.')[2] for claim in study.STUDY.claims] == claims.split()


def test_r2_is_the_reports():
    """Section 4: batch 100, 100 epochs, Adam with weight decay 1e-5, three reductions, doubling or not."""
    found = runs(emnist_kernels.STUDY)
    assert len(found) == 6
    assert {(each.batch_size, each.epochs, each.optimizer, each.weight_decay) for each in found} == {
        (100, 100, 'adam', 1e-5)
    }
    assert emnist_kernels.STUDY.scales['full'].seeds == 3
    doubled = reported(emnist_kernels.STUDY, 'table-1', 'test_accuracy')
    assert [(each.value, each.error) for each in doubled[-2:]] == [(87.31, 0.11), (88.06, 0.05)]
    (table,) = (figure for figure in emnist_kernels.STUDY.figures if figure.id == 'table-1')
    assert [column.over for column in table.columns] == ['best', 'best', 'sum']
    assert table.name == 'Table 1'


def test_r3_is_the_reports():
    """Section 5: batch 100, 100 epochs, Adam from 1e-3 along a cosine to 2e-5, 2,500 validation images."""
    found = runs(cifar100_vgg38.STUDY)
    assert len(found) == 8
    for each in found:
        assert (each.batch_size, each.epochs, each.lr, each.lr_schedule) == (100, 100, 1e-3, 'cosine')
        assert each.lr * each.lr_decay == pytest.approx(2e-5)
        assert each.validation_size == 2500
    regularised = runs(cifar100_vgg38.STUDY, 'regularisation')
    assert [each.random_erasing for each in regularised] == [0, 0.5, 0.5, 0.5]
    assert [each.weight_decay for each in regularised] == [0, 0, 1e-3, 1e-3]
    assert [each.model_options.get('dropout', 0) for each in regularised] == [0, 0, 0, 0.5]
    assert all(each.gradient_flow for each in runs(cifar100_vgg38.STUDY, 'gradients'))


def test_r4_is_the_reports():
    found = runs(emnist_learning_rules.STUDY)
    assert len(found) == 31 and {each.batch_size for each in found} == {100}
    dnn = [each for each in found if each.model == 'mlp']
    cnn = [each for each in found if each.model == 'conv_pool']
    assert {each.epochs for each in dnn} == {100}
    assert sorted(each.epochs for each in cnn) == [50, 50, 50, 50, 100]
    assert [each.lr for each in runs(emnist_learning_rules.STUDY, 'table-1')] == [
        0.005,
        0.01,
        0.05,
        0.1,
        0.2,
        0.4,
    ]
    penalties = [each.weight_decay for each in runs(emnist_learning_rules.STUDY, 'table-2')]
    assert penalties == [0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
    inclusion = [
        1 - each.model_options.get('dropout', 0) for each in runs(emnist_learning_rules.STUDY, 'table-3')
    ]
    assert inclusion == pytest.approx([0.5, 0.7, 0.9, 1])
    rules = [(each.optimizer, each.lr) for each in runs(emnist_learning_rules.STUDY, 'table-4')]
    assert rules == [('sgd', 0.05)] + [
        (rule, lr) for rule in ('rmsprop', 'adam') for lr in (0.05, 0.001, 0.0001)
    ]
    maxima = reported(emnist_learning_rules.STUDY, 'table-4', 'max_validation_accuracy')
    assert [each.value for each in maxima] == pytest.approx([85.51, 2.405, 85.85, 84.44, 24.05, 85.90, 84.54])


def test_r4_takes_the_epoch_of_each_claim():
    overs = {
        claim.id: {each.over for each in claim.comparisons} for claim in emnist_learning_rules.STUDY.claims
    }
    assert overs.pop('R4.big-lr-diverges') == overs.pop('R4.cnn-over-dnn') == {'last'}
    assert set.union(*overs.values()) == {'max'}


def test_r5_is_the_demos():
    found = runs(mnist_convnetjs.STUDY)
    assert len(found) == 6
    for each in found:
        assert (each.batch_size, each.optimizer, each.crop) == (20, 'adadelta', 24)
        # ConvNetJS divides the decay's gradient by the batch size too.
        assert each.weight_decay == pytest.approx(0.001 / 20)
        assert each.train_size * each.epochs == 30_000
        # The last entry of the log is the last step.
        assert each.train_size / each.batch_size % each.log_steps == 0
    accuracies = reported(mnist_convnetjs.STUDY, 'results', 'validation_accuracy')
    assert [each.value for each in accuracies] == [94, 92, 88, 97, 100, 96, 99]
    assert {each.images for each in accuracies} == {100}


@pytest.mark.parametrize('study', STUDIES.values(), ids=STUDIES)
def test_timed_claims_have_rounds_at_every_scale_but_smoke(study):
    timed = any(
        isinstance(each, TimeRatio) for claim in study.claims for each in getattr(claim, 'comparisons', ())
    )
    for name in ('quick', 'full'):
        assert study.scales[name].rounds >= (10 if timed else 1)
