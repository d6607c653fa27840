"""What the pages of other reports say, and their verdicts."""

import json

import numpy
import pytest
from reporting.made_up_runs import LOG, REDRAW, write_runs
from test_npz import plant

from vgg_cifar import models
from vgg_cifar.errors import InputError
from vgg_cifar.reporting import report
from vgg_cifar.reporting.verdicts import Verdict, judge
from vgg_cifar.studies import (
    STUDIES,
    emnist_kernels,
)
from vgg_cifar.studies.comparison import Difference, Level, Quantity
from vgg_cifar.studies.study import TEST, Claim, LayerPictures
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training import weights

PEAK = Quantity('epoch', 'epoch')


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
    assert 'emnist-redraw, 21,150 training images' in page
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


def test_a_page_unpickles_no_weights(tmp_path):
    """A folder of runs may come from anyone, and its page is what one opens first."""
    study = STUDIES['mnist_convnetjs']
    folder = StudyFolder(tmp_path / 'study', study, 'smoke', 1, REDRAW).save()
    (figure,) = [each for each in study.figures if isinstance(each, LayerPictures)]
    run = folder.run_of(figure.variants[0])
    write_runs(folder, figure.variants, lambda *_: LOG)
    model = models.build(run.settings.model, run.settings.model_options, 10, (1, 24, 24))
    path, target = folder.run_folder(run.id).path / 'model.npz', tmp_path / 'ran'
    weights.save(path, model)
    names = list(numpy.load(path))
    assert report.picture(folder, figure) is not None
    for _ in plant(path, names, target):
        with pytest.raises(InputError, match=r'model.npz: .* holds object'):
            report.picture(folder, figure)
    assert not target.exists()
