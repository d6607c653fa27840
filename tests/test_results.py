"""The recorded runs in results/: judged again, by their logs alone."""

import json

import pytest
from processes import ROOT

from vgg_cifar.reporting.verdicts import judge
from vgg_cifar.studies import STUDIES
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


@pytest.mark.parametrize('path', RECORDED, ids=lambda path: path.name)
def test_records_hold_no_weights_no_images_and_no_place(path):
    files = [file for file in path.rglob('*') if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 20e6
    assert {file.suffix for file in files} <= {'', '.json', '.csv', '.md', '.html', '.png', '.svg'}
    assert not [file for file in files if file.name.startswith('snapshot')]
    for settings in path.glob('runs/*/settings.json'):
        assert '/' not in json.loads(settings.read_text())['data']
