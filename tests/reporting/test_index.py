"""One page over several studies."""

import json
import os
import shutil
from pathlib import Path

import pytest

from vgg_cifar.errors import InputError
from vgg_cifar.reporting import index, report


def test_an_index_over_studies(kernels):
    parent = kernels.path.parent
    with pytest.raises(InputError, match=r'claims\.json: not there; `vgg-cifar report'):
        index.build(parent)
    report.build(kernels)
    page = index.build(parent).read_text()
    for claim in kernels.study.claims:
        assert f'href="r2/report.html#{claim.id}"' in page
    assert page.count('data-verdict=') == len(kernels.study.claims)
    assert page.count('class="central"') == len(kernels.study.central)
    # On a phone, where cells stand below each other.
    assert 'data-label="Images"' in page and 'Figure' not in page.partition('<body>')[2]
    assert 'emnist-redraw' in page and 'full' in page
    text = (parent / 'index.md').read_text()
    assert '| R2.peak | not reproduced |' in text
    lines = [line for line in text.splitlines() if line.startswith('|')]
    assert {line.count('|') for line in lines} <= {6, 8}


def test_a_folder_whose_name_is_no_utf_8_has_its_link(tmp_path):
    folder = tmp_path / os.fsdecode(b'a\xff"\x1b')
    record = Path(__file__).parents[2] / 'results' / 'mnist_convnetjs'
    folder.mkdir()
    for name in ('study.json', 'claims.json'):
        shutil.copy(record / name, folder / name)
    page = index.build(tmp_path)
    assert 'href="a%FF%22%1B/report.html"' in page.read_text()
    assert '](a%FF%22%1B/report.md)' in page.with_suffix('.md').read_text()


def test_an_index_of_nothing(tmp_path):
    with pytest.raises(InputError, match='no study in it'):
        index.build(tmp_path)


def test_a_claim_that_another_folder_of_its_study_judges_is_not_listed_as_not_run(kernels):
    report.build(kernels)
    other = kernels.path.with_name('r2-again')
    other.mkdir()
    for name in ('study.json', 'claims.json'):
        shutil.copy(kernels.path / name, other / name)
    claims = json.loads((other / 'claims.json').read_text())
    judged = [claim for claim in claims['claims'] if claim['verdict'] != 'not run']
    assert len(judged) > 2
    for claim in judged[2:]:
        claim['verdict'] = 'not run'
    (other / 'claims.json').write_text(json.dumps(claims))
    page = index.build(kernels.path.parent).read_text()
    listed = [f'href="r2-again/report.html#{claim["id"]}"' in page for claim in judged]
    assert listed == [True, True] + [False] * len(judged[2:])
