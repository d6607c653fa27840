"""Tables beside the report's numbers."""

import math

import pytest
from reporting.made_up_runs import REDRAW, entry, write_runs

from vgg_cifar.reporting import tables
from vgg_cifar.reporting.statistics import binomial_interval
from vgg_cifar.studies import (
    mnist_convnetjs,
)
from vgg_cifar.studies.study_folder import StudyFolder


def test_a_table_has_the_reports_numbers_beside_ours(kernels):
    (figure,) = (each for each in kernels.study.figures if each.id == 'table-1')
    table = tables.rows(kernels, figure)
    assert table[0]['test_accuracy'] == pytest.approx(0.11)
    assert table[0]['test_accuracy_se'] == pytest.approx(0.01 / math.sqrt(3))
    assert (table[0]['test_accuracy_report'], table[0]['test_accuracy_report_se']) == pytest.approx(
        (0.869, 0.0017)
    )
    heads, cells = tables.shown(figure, table)
    assert heads[1:3] == ['test accuracy (%), at the best validation accuracy', 'in the report']
    # Times have no interval: the report's machine was another, and ours had other work.
    # Three runs, standard deviation 1, against the mean of three: 4.303 x sqrt(1/3 + 1/3) on both sides.
    assert cells[0][1:] == [
        '11.00 ± 0.58',
        '86.90 ± 0.17 (outside 7.49 to 14.51)',
        '89.00 ± 0.58',
        '39.82 ± 0.34 (outside 85.49 to 92.51)',
        '6 ± 0',
        '758 ± 12',
        '3 of 3',
    ]


def test_a_share_of_images_has_its_binomial_interval(tmp_path):
    folder = StudyFolder(tmp_path, mnist_convnetjs.STUDY, 'full', 1, {**REDRAW, 'name': 'mnist'}).save()
    write_runs(folder, mnist_convnetjs.ALL, lambda number, seed: [entry(1, 0.9, 0.5)])
    (figure,) = (each for each in folder.study.figures if each.id == 'results')
    heads, cells = tables.shown(figure, tables.rows(folder, figure))
    row = dict(zip(heads, cells[0], strict=True))
    low, high = (100 * end for end in binomial_interval(0.9, 5000))
    assert row['validation accuracy (%)'] == f'90.0 [{low:.1f} to {high:.1f}, 5,000 images]'
    assert cells[0][-2].endswith('10,000 images]')
    assert cells[0][heads.index('validation accuracy (%)') + 1] == '94.0 [87.5 to 97.2, 100 images]'


def test_a_mean_says_of_how_many_runs_it_is(folder):
    """The loss of a run that has diverged is no number, its accuracy is one."""
    (figure,) = (each for each in folder.study.figures if each.id == '7')
    run = folder.runs(figure.variants[0])[1]
    log = run.log
    log[-1]['main/loss'] = math.nan
    run.write('log', log)
    table = tables.rows(folder, figure)
    assert (table[0]['n'], table[0]['train_loss_n'], table[0]['train_accuracy_n']) == (2, 1, 2)
    heads, cells = tables.shown(figure, table)
    row = dict(zip(heads, cells[0], strict=True))
    assert row['training loss'] == '1.000 (of 1)' and '(of' not in row['training accuracy (%)']
