"""A study's folder with logs made up by formula, so that every mean and error is known."""

import json

import pytest
from reporting.made_up_runs import ENVIRONMENT, REDRAW, entry, write_runs

from vgg_cifar.reporting import report
from vgg_cifar.studies import emnist_kernels
from vgg_cifar.studies.ie598 import STUDY
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.settings_json import to_json

DATA = {
    'name': 'cifar10',
    'synthetic': False,
    'source': 'CIFAR10.hdf5',
    'sizes': {'train': 50_000, 'validation': 0, 'test': 10_000},
    'fingerprint': 'f' * 64,
}


def accuracy(variant, seed, epoch):
    return (10 * variant + seed + epoch) / 100


def made_up(path):
    """Figure 7, three variants, two seeds, three epochs; the last variant's second run has but two.

    Adam comes first and is the worst of the three, whatever the report says.
    """
    folder = StudyFolder(path, STUDY, 'quick', 2, dict(DATA)).save()
    figure = next(figure for figure in STUDY.figures if figure.id == '7')
    for number, variant in enumerate(figure.variants):
        for seed, run in enumerate(folder.runs(variant)):
            cut = number == 2 and seed == 1
            log = [
                {
                    'epoch': epoch,
                    'main/accuracy': accuracy(number, seed, epoch),
                    'main/loss': 1.0,
                    'validation/main/accuracy': 0.5,
                    'test/main/accuracy': accuracy(number, seed, epoch) / 2,
                    'test/main/loss': 2.0,
                    'seconds': 3.0,
                }
                for epoch in range(1, 3 if cut else 4)
            ]
            run.write('settings.json', to_json(folder.run_of(variant, seed).settings))
            run.write('environment.json', {**ENVIRONMENT, 'data': DATA})
            run.write('log', log)
            if not cut:
                run.write('result.json', {'status': 'finished', 'reason': None, **log[-1]})
    assert json.loads((path / 'study.json').read_text())['seeds'] == 2
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder to change, without its page."""
    # In a folder of its own: what lies beside it, its page would link to.
    return made_up(tmp_path / 'study')


@pytest.fixture(scope='session')
def built(tmp_path_factory):
    """A folder with its page, to look at only: drawing it takes seconds."""
    folder = made_up(tmp_path_factory.mktemp('built') / 'study')
    report.build(folder)
    return folder


@pytest.fixture
def kernels(tmp_path):
    """R2 with three seeds: each variant is 10 points better on tests than the one before, at epoch 2 of 3."""
    folder = StudyFolder(tmp_path / 'r2', emnist_kernels.STUDY, 'full', 3, REDRAW).save()

    def logs(number, seed):
        test = 0.1 * (number + 1) + 0.01 * seed
        return [entry(1, 0.1, 0.9), entry(2, 0.5 + test / 10, test), entry(3, 0.2, 0.05)]

    write_runs(folder, emnist_kernels.ALL, logs)
    return folder
