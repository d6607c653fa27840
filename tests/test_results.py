"""The recorded runs in results/: judged again, by their logs alone."""

import json
import re

import pytest
from processes import ROOT

from vgg_cifar.reporting import tables
from vgg_cifar.reporting.verdicts import judge
from vgg_cifar.reporting.wording import with_error
from vgg_cifar.studies import STUDIES, emnist_learning_rules
from vgg_cifar.studies.study_folder import StudyFolder

RECORDED = [path.parent for study in STUDIES for path in (ROOT / 'results' / study).glob('study.json')]


def test_every_report_is_recorded():
    assert {path.name for path in RECORDED} == set(STUDIES)
    assert (ROOT / 'results' / 'convolution_implementations' / 'costs.json').exists()


@pytest.mark.parametrize('path', RECORDED, ids=lambda path: path.name)
def test_verdicts_follow_from_the_logs(path):
    folder = StudyFolder.open(path)
    folder.check_runs()
    recorded = json.loads((path / 'claims.json').read_text())
    found = {claim.id: judge(folder, claim).verdict.value for claim in folder.study.claims}
    assert found == {claim['id']: claim['verdict'] for claim in recorded['claims']}
    assert 'not run' not in found.values()


def test_what_was_found_of_adam_is_what_its_runs_show():
    folder = StudyFolder.open(ROOT / 'results' / 'emnist_learning_rules')
    figure = emnist_learning_rules.TABLE_7
    adam = tables.rows(folder, figure)[figure.variants.index(emnist_learning_rules.BEST_DNN)]
    train, validation = (
        with_error(adam[name], adam[f'{name}_se'], digits, 100)
        for name, digits in (('train_accuracy', 2), ('validation_accuracy', 1))
    )
    said = f'{train} % on training and {validation} % on validation images (n = {adam["n"]})'
    assert said in folder.findings['R4.dropout-hurts']


def test_the_tuned_run_is_said_to_be_made_on_what_it_was_made_on():
    made_on = json.loads((ROOT / 'results' / 'ie598' / 'tuned' / 'environment.json').read_text())
    (instructions,) = re.findall(r'AVX2|AVX-512|AMX', made_on['cpu_accelerator'])
    assert made_on['cores'] == 1
    assert f'on one core with {instructions}' in (ROOT / 'docs' / 'results.md').read_text()


@pytest.mark.parametrize('path', RECORDED, ids=lambda path: path.name)
def test_records_hold_no_weights_no_images_and_no_place(path):
    files = [file for file in path.rglob('*') if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 20e6
    assert {file.suffix for file in files} <= {'', '.json', '.csv', '.md', '.html', '.png', '.svg'}
    assert not [file for file in files if file.name.startswith('snapshot')]
    for settings in path.glob('runs/*/settings.json'):
        assert '/' not in json.loads(settings.read_text())['data']
