"""One page over several studies."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from reporting.made_up_runs import LOG, entry, write_runs

from vgg_cifar.errors import InputError
from vgg_cifar.reporting import index, report
from vgg_cifar.studies import emnist_kernels


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


def test_what_a_page_does_not_show_is_not_linked_to(folder):
    """Two folders of one study, the second with one figure alone, some of whose runs are missing."""
    parent = folder.path.parent
    part = dataclasses.replace(folder, path=parent / 'part', scale='evening', figures=('7',)).save()
    figure = next(each for each in part.study.figures if each.id == '7')
    write_runs(part, figure.variants[:2], lambda number, seed: [entry(1, 0.5, 0.1 * number)])
    report.build(folder)
    report.build(part)
    page = index.build(parent)
    links = re.findall(r'href="(\w+)/report.html#([^"]+)"', page.read_text())
    for name, claim in links:
        assert f'id="{claim}"' in (parent / name / 'report.html').read_text()
    assert ('study', 'R1.filter-params') in links and ('part', 'R1.filter-params') not in links
    text = page.with_suffix('.md').read_text()
    assert '16 claims of 1 study' in text
    shown_here = [claim for claim in part.study.claims if part.shows(claim)]
    (row,) = (line.split(' | ') for line in text.splitlines() if 'part/report.md' in line)
    assert row[2] == '2, 4 of 6 runs'
    assert sum(map(int, row[3:7])) == len(shown_here)


def test_a_claim_at_two_scales_is_one_claim(kernels):
    again = dataclasses.replace(kernels, path=kernels.path.with_name('quick'), scale='quick').save()
    for each in (kernels, again):
        write_runs(each, emnist_kernels.ALL, lambda number, seed: LOG)
        report.build(each)
    text = index.build(kernels.path.parent).with_suffix('.md').read_text()
    assert '6 claims of 1 study, 6 of them at 2 scales' in text


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
