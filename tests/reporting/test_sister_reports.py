"""Tables beside the report's numbers, the other kinds of figures, and the index, from made-up runs."""

import json
import math

import numpy
import pytest
from scipy import stats

from vgg_cifar.errors import InputError
from vgg_cifar.models import ConvPool
from vgg_cifar.reporting import convolution_costs, figures, index, report, tables
from vgg_cifar.reporting.layer_pictures import drawn_image
from vgg_cifar.reporting.over_epochs import reduced
from vgg_cifar.reporting.statistics import binomial_interval
from vgg_cifar.reporting.verdicts import Verdict, judge
from vgg_cifar.studies import (
    STUDIES,
    cifar100_vgg38,
    convolution_implementations,
    emnist_kernels,
    mnist_convnetjs,
)
from vgg_cifar.studies.study import SECONDS, TEST, VALIDATION, Claim, Difference, Level, Quantity
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training import weights

ENVIRONMENT = {
    'python': '3.11',
    'packages': {'chainer': '7.8.1'},
    'platform': 'Linux',
    'processor': 'some CPU',
    'cores': 2,
    'device': '@numpy',
    'cpu_accelerator': 'oneDNN: off',
}
REDRAW = {'name': 'emnist-redraw', 'synthetic': False, 'source': 'x.hdf5', 'fingerprint': 'f' * 64}
PEAK = Quantity('epoch', 'epoch')


def entry(epoch, validation, test, seconds=2.0):
    return {
        'epoch': epoch,
        'iteration': 10 * epoch,
        'main/accuracy': 0.5,
        'main/loss': 1.0,
        'validation/main/accuracy': validation,
        'test/main/accuracy': test,
        'test/main/loss': 1 - test,
        'decay_loss': 0.004,
        'seconds': seconds,
    }


LOG = [entry(1, 0.3, 0.1), entry(2, 0.6, 0.2), entry(3, 0.6, 0.9), entry(4, 0.5, 0.4)]


@pytest.mark.parametrize(
    'quantity, over, expected',
    [
        (TEST, 'last', 40),
        (TEST, 'mean', 40),
        (TEST, 'max', 90),
        # The first of the two best epochs, whatever the test set says.
        (TEST, 'best', 20),
        (PEAK, 'best', 2),
        (VALIDATION, 'best', 60),
        (SECONDS, 'sum', 8),
    ],
)
def test_epochs_reduced(quantity, over, expected):
    assert reduced(LOG, quantity, over) == pytest.approx(expected)


def test_nothing_to_reduce():
    assert math.isnan(reduced([], TEST, 'last'))
    assert math.isnan(reduced([{'test/main/accuracy': 0.5}], TEST, 'best'))
    assert math.isnan(reduced([{}], TEST, 'max'))


@pytest.mark.parametrize('share, n', [(0.94, 100), (0.0, 20), (1.0, 100), (0.5, 5000)])
def test_binomial_interval_is_scipys(share, n):
    expected = stats.binomtest(round(share * n), n).proportion_ci(method='wilson')
    assert binomial_interval(share, n) == pytest.approx(tuple(expected), abs=1e-9)


def write_runs(folder, variants, logs):
    """Finished runs, a log for each variant and seed: the log of the seed, made by the variant's number."""
    for number, variant in enumerate(variants):
        for seed, run in enumerate(folder.runs(variant)):
            log = logs(number, seed)
            run.write('settings.json', folder.run_of(variant, seed).settings.to_json())
            run.write('environment.json', {**ENVIRONMENT, 'data': folder.data})
            run.write('log', log)
            run.write('result.json', {'status': 'finished', 'reason': None, **log[-1]})


@pytest.fixture
def kernels(tmp_path):
    """R2 with three seeds: each variant is 10 points better on tests than the one before, at epoch 2 of 3."""
    folder = StudyFolder(tmp_path / 'r2', emnist_kernels.STUDY, 'full', 3, REDRAW).save()

    def logs(number, seed):
        test = 0.1 * (number + 1) + 0.01 * seed
        return [entry(1, 0.1, 0.9), entry(2, 0.5 + test / 10, test), entry(3, 0.2, 0.05)]

    write_runs(folder, emnist_kernels.ALL, logs)
    return folder


def test_a_table_has_the_reports_numbers_beside_ours(kernels):
    (figure,) = (each for each in kernels.study.figures if each.id == 'table-1')
    table = tables.rows(kernels, figure)
    assert table[0]['test_accuracy'] == pytest.approx(0.11)
    assert table[0]['test_accuracy_se'] == pytest.approx(0.01 / math.sqrt(3))
    assert (table[0]['test_accuracy_report'], table[0]['test_accuracy_report_se']) == pytest.approx(
        (0.869, 0.0017)
    )
    heads, cells = tables.shown(figure, table)
    assert heads[2:4] == ['test accuracy (%), at the best validation accuracy', 'in the report']
    assert cells[0][2:] == [
        '11.00 ± 0.58',
        '86.90 ± 0.17',
        '89.00 ± 0.58',
        '39.82 ± 0.34',
        '6 ± 0',
        '758 ± 12',
    ]


def test_a_share_of_images_has_its_binomial_interval(tmp_path):
    folder = StudyFolder(tmp_path, mnist_convnetjs.STUDY, 'full', 1, {**REDRAW, 'name': 'mnist'}).save()
    write_runs(folder, mnist_convnetjs.ALL, lambda number, seed: [entry(1, 0.9, 0.5)])
    (figure,) = (each for each in folder.study.figures if each.id == 'results')
    heads, cells = tables.shown(figure, tables.rows(folder, figure))
    row = dict(zip(heads[:-1], cells[0], strict=False))
    low, high = (100 * end for end in binomial_interval(0.9, 5000))
    assert row['validation accuracy (%)'] == f'90.0 [{low:.1f} to {high:.1f}, 5,000 images]'
    assert cells[0][-1].endswith('10,000 images]')
    assert cells[0][heads.index('validation accuracy (%)') + 1] == '94.0 [87.5 to 97.2, 100 images]'


def test_a_gain_beyond_another_gain_and_a_level(kernels):
    """Each step is 10 points; so no gain is beyond another, and the peak is at 2 for all."""
    a, b, c, d = emnist_kernels.ALL[:4]
    same = judge(kernels, Claim('X', ('7',), '', '', (Difference(TEST, b, a, 'best', beyond=(d, c)),)))
    assert same.measured[0].estimate.effect == pytest.approx(0, abs=1e-9)
    more = judge(kernels, Claim('X', ('7',), '', '', (Difference(TEST, d, a, 'best', beyond=(b, a)),)))
    assert more.measured[0].estimate.effect == pytest.approx(20)
    assert more.verdict is Verdict.REPRODUCED
    peaks = {claim.id: judge(kernels, claim) for claim in kernels.study.claims}['R2.peak']
    assert peaks.verdict is Verdict.NOT_REPRODUCED
    assert peaks.measured[0].estimate.effect == 2
    fits = judge(kernels, Claim('X', ('7',), '', '', (Level(PEAK, a, 'best', 1, 3),)))
    assert fits.verdict is Verdict.REPRODUCED


def test_a_redraw_is_called_what_it_is_on_its_page(kernels):
    page = report.build(kernels).read_text()
    assert '<strong>not EMNIST balanced</strong>' in page
    assert 'emnist-redraw, all training images' in page
    text = (kernels.path / 'report.md').read_text()
    assert '**not EMNIST balanced**' in text
    assert 'Table 1' in page and '86.90 ± 0.17' in page
    assert json.loads((kernels.path / 'claims.json').read_text())['data']['name'] == 'emnist-redraw'


@pytest.mark.parametrize('name, said', [('emnist-balanced', False), ('emnist-balanced (unverified)', True)])
def test_verified_or_not(kernels, name, said):
    folder = StudyFolder(
        kernels.path.parent / 'other', kernels.study, 'full', 1, {**REDRAW, 'name': name}
    ).save()
    page = report.build(folder).read_text()
    assert ('no known checksum vouches' in page) is said
    assert 'not EMNIST balanced' not in page


def test_gradients_are_drawn_by_layer(tmp_path):
    folder = StudyFolder(tmp_path, cifar100_vgg38.STUDY, 'smoke', 2, {**REDRAW, 'name': 'cifar100'}).save()
    (figure,) = (each for each in folder.study.figures if each.id == 'gradients')
    assert figures.draw(folder, figure) is None
    write_runs(folder, figure.variants, lambda number, seed: LOG)
    for number, variant in enumerate(figure.variants):
        for run in folder.runs(variant):
            layers = {f'conv{layer}': 10.0 ** -(number + layer) for layer in range(5)} | {'fc': 0.0}
            run.write('gradients.json', [{'epoch': 1, 'layers': layers}, {'epoch': 2, 'layers': layers}])
    svg = figures.draw(folder, figure)
    first = svg.read_bytes()
    assert svg.name == 'figure_gradients.svg' and svg.with_suffix('.png').exists()
    assert figures.draw(folder, figure).read_bytes() == first


def test_pictures_are_drawn_from_the_weights_and_stay_without_them(tmp_path):
    folder = StudyFolder(tmp_path, mnist_convnetjs.STUDY, 'smoke', 1, {**REDRAW, 'name': 'mnist'}).save()
    (figure,) = (each for each in folder.study.figures if each.id == '5-6')
    assert figures.draw(folder, figure) is None
    write_runs(folder, figure.variants, lambda number, seed: LOG)
    (run,) = folder.runs(figure.variants[0])
    options = folder.run_of(figure.variants[0]).settings.model_options
    weights.save(run.path / 'model.npz', ConvPool(**options, n_classes=10, image_shape=(1, 24, 24)))
    svg = figures.draw(folder, figure)
    assert svg.stat().st_size
    (run.path / 'model.npz').unlink()
    assert figures.draw(folder, figure) == svg


def test_the_drawn_image_is_a_ring():
    image = drawn_image(24)
    assert (image.shape, image.dtype, image.min(), image.max()) == ((1, 1, 24, 24), numpy.float32, 0, 1)
    assert image[0, 0, 12, 12] == 0
    numpy.testing.assert_array_equal(image, image[:, :, ::-1, ::-1])
    rows, columns = (numpy.flatnonzero(image[0, 0].any(axis=axis)) for axis in (1, 0))
    assert len(rows) > len(columns)


def test_an_index_over_studies(kernels):
    parent = kernels.path.parent
    with pytest.raises(InputError, match='claims.json: not readable .* `vgg-cifar report'):
        index.build(parent)
    report.build(kernels)
    page = index.build(parent).read_text()
    for claim in kernels.study.claims:
        assert f'href="r2/report.html#{claim.id}"' in page
    assert page.count('data-verdict=') == len(kernels.study.claims)
    assert 'emnist-redraw' in page and 'full' in page
    text = (parent / 'index.md').read_text()
    assert '| R2.peak | not reproduced |' in text
    lines = [line for line in text.splitlines() if line.startswith('|')]
    assert {line.count('|') for line in lines} <= {6, 8}


def test_an_index_of_nothing(tmp_path):
    with pytest.raises(InputError, match='no study in it'):
        index.build(tmp_path)


def made_up_costs(factor):
    """Costs by formula: each implementation's time is `factor` times the multiply-adds, in three rounds."""
    sweep = convolution_implementations.SCALES['smoke']
    costs = []
    for size in sweep.all_sizes():
        for name in convolution_implementations.IMPLEMENTATIONS[:4]:
            for backward in (False, True):
                seconds = factor[name] * 1e-9 * convolution_implementations.expected_time(size)
                costs.append(
                    {
                        'implementation': name,
                        **vars(size),
                        'backward': backward,
                        'peak_bytes': convolution_implementations.columns_storage(size)
                        if name == 'im2col'
                        else 9,
                        'seconds': [seconds, seconds * 1.001, seconds * 0.999],
                    }
                )
    return {'rounds': 3, 'environment': ENVIRONMENT, 'costs': costs}


def test_convolutions_are_judged_by_their_costs(tmp_path):
    factor = {'loops': 100, 'scipy.signal': 10, 'im2col': 1, 'Chainer on NumPy': 2}
    (tmp_path / 'study.json').write_text(
        json.dumps({'study': convolution_implementations.ID, 'scale': 'smoke'})
    )
    (tmp_path / 'costs.json').write_text(json.dumps(made_up_costs(factor)))
    page = convolution_costs.build(tmp_path).read_text()
    content = json.loads((tmp_path / 'claims.json').read_text())
    assert {claim['id'].partition('.')[2]: claim['verdict'] for claim in content['claims']} == {
        'loops-slowest': 'reproduced',
        'im2col-fast-when-large': 'reproduced',
        'im2col-slow-when-small': 'not reproduced',
        'im2col-memory': 'reproduced',
        'time-model': 'reproduced',
    }
    assert page.count('<figure>') == 2 and 'layers.time-model' in page
    assert (tmp_path / 'figures' / 'figure_forward.png').exists()
    rows = (tmp_path / 'tables' / 'costs.csv').read_text().splitlines()
    assert len(rows) == 1 + len(made_up_costs(factor)['costs'])


def test_convolutions_without_costs(tmp_path):
    with pytest.raises(InputError, match='study.json: not readable'):
        convolution_costs.build(tmp_path)


@pytest.mark.parametrize(
    'name', ['emnist_kernels', 'cifar100_vgg38', 'emnist_learning_rules', 'mnist_convnetjs']
)
def test_a_page_of_nothing_yet_says_so(name, tmp_path):
    folder = StudyFolder(tmp_path, STUDIES[name], 'quick', 1, {**REDRAW, 'synthetic': True}).save()
    page = report.build(folder).read_text()
    assert 'runs are missing or unfinished' in page
    assert STUDIES[name].images.title in page
    # The flags of vgg are no settings of these networks.
    assert 'filter_size' not in page
