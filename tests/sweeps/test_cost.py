"""What a run costs, counted by hand."""

import pytest

from vgg_cifar.studies.ie598 import STUDY, WITH_COPIES, WITHOUT_COPIES
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps.cost import Cost
from vgg_cifar.training.build import load_data
from vgg_cifar.training.settings import Settings

# Multiply-adds of the listing on one 32x32 image: nine weights per pair of channels and pixel.
CONVOLUTIONS = 9 * (1024 * (3 + 64) * 64 + 256 * (64 + 128) * 128 + 64 * (128 + 3 * 256) * 256)
LINEAR = 16 * 256 * 500 + 500 * 500 + 500 * 10
LISTING = CONVOLUTIONS + LINEAR


@pytest.fixture(scope='module')
def cost():
    return Cost(load_data(Settings(train_size=300, test_size=100)))


def test_an_image(cost):
    assert cost.of_image(Settings()) == LISTING


def test_a_run(cost):
    settings = Settings(train_size=200, validation_size=50, epochs=2)
    assert cost.of_run(settings) == LISTING * 2 * (3 * 200 + 50 + 100)
    assert cost.of_run(settings.replace(augment=('flip',))) == LISTING * 2 * (3 * 400 + 50 + 100)
    assert cost.of_run(settings.replace(train_size=None)) == LISTING * 2 * (3 * 250 + 50 + 100)


def test_a_timing(cost, tmp_path):
    data = {'name': 'x', 'synthetic': True, 'source': 'x', 'sizes': {}, 'fingerprint': 'f'}
    folder = StudyFolder(tmp_path, STUDY, 'quick', 1, data)
    (timing,) = STUDY.timings_of([figure for figure in STUDY.figures if figure.id == '9'])
    assert timing.variants == (WITH_COPIES, WITHOUT_COPIES)
    # Two steps to warm up, then ten rounds of one step that is not timed and two that are.
    assert cost.of_timing(timing, folder) == 2 * LISTING * 3 * 25 * (2 + 10 * 3)
