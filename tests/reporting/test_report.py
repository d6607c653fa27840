"""The page, the figures and the tables of a folder."""

import argparse
import csv
import dataclasses
import html.parser
import json
import re
import shlex
import shutil

import PIL.Image
import pytest
from processes import python
from reporting.made_up_runs import ENVIRONMENT, REDRAW, entry, write_runs

from vgg_cifar.cli import VERBS
from vgg_cifar.commands import reproduce
from vgg_cifar.errors import InputError
from vgg_cifar.reporting import index, report, verdicts, wording
from vgg_cifar.studies import ie598
from vgg_cifar.studies.study_folder import StudyFolder


class Page(html.parser.HTMLParser):
    """The page's tags and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ''
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_table_has_mean_error_and_count(built):
    with (built.path / 'tables' / 'figure_7.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['variant'] for row in rows] == ['Adam, average', 'MomentumSGD, average', 'RMSprop, average']
    assert [(row['n'], row['wanted']) for row in rows] == [('2', '2'), ('2', '2'), ('1', '2')]
    # Variant 1, epoch 3: 0.13 and 0.14.
    assert float(rows[1]['train_accuracy']) == pytest.approx(0.135)
    assert float(rows[1]['train_accuracy_se']) == pytest.approx(0.005)
    assert float(rows[1]['test_accuracy']) == pytest.approx(0.0675)
    assert rows[2]['train_accuracy_se'] == ''
    markdown = (built.path / 'tables' / 'figure_7.md').read_text().splitlines()
    assert markdown[0].startswith('| variant | training accuracy (%) |')
    assert markdown[3].startswith('| MomentumSGD, average | 13.5 ± 0.5 | 50.0 ± 0.0 | 6.8 ± 0.3 |')


def test_figures_of_which_there_are_runs_are_drawn(built):
    # Figure 6 shares figure 7's runs; the others have none.
    names = sorted(path.name for path in (built.path / 'figures').iterdir())
    assert names == ['figure_6.png', 'figure_6.svg', 'figure_7.png', 'figure_7.svg']
    with PIL.Image.open(built.path / 'figures' / 'figure_7.png') as image:
        assert image.width > 1000
        assert not image.text
    svg = (built.path / 'figures' / 'figure_7.svg').read_text()
    assert '<dc:date>' not in svg and 'matplotlib.org' not in svg


def test_same_runs_same_bytes(built, folder):
    def contents(folder):
        outputs = ('.png', '.svg', '.csv', '.html', '.md', '.json')
        return {path.name: path.read_bytes() for path in folder.path.rglob('*') if path.suffix in outputs}

    report.build(folder)
    assert contents(built) == contents(folder)


def test_page_stands_alone_and_says_what_it_shows(built):
    page = Page((built.path / 'report.html').read_text())
    pictures = [attributes for _, attributes in page.tags if attributes.get('class') == 'panels']
    assert len(pictures) == 2
    assert all(each['role'] == 'img' and len(each['aria-label']) > 50 for each in pictures)
    assert not any(tag in ('link', 'img') or 'src' in attributes for tag, attributes in page.tags)
    ids = [attributes['id'] for _, attributes in page.tags if 'id' in attributes]
    assert len(ids) == len(set(ids))
    regions = [attributes['aria-label'] for _, attributes in page.tags if attributes.get('role') == 'region']
    assert len(regions) == len(set(regions)) > 10
    for attributes in (attributes for tag, attributes in page.tags if tag == 'a'):
        target = attributes['href']
        assert target[1:] in ids if target.startswith('#') else (built.path / target).exists()
    assert 'cifar10, 2,000 training images, batch 25, 7 epochs, float32 (quick scale)' in page.text
    assert '1 of 2' in page.text
    assert re.search(r'13\.5 ± 0\.5', page.text)
    assert 'synthetic' not in page.text


def test_every_claim_is_on_the_page_once_with_its_verdict(built):
    page = Page((built.path / 'report.html').read_text())
    rows = [attributes for tag, attributes in page.tags if tag == 'tr' and 'data-verdict' in attributes]
    articles = {attributes['id']: attributes for tag, attributes in page.tags if tag == 'article'}
    claims = json.loads((built.path / 'claims.json').read_text())['claims']
    assert len(rows) == len(articles) == len(claims) == 16
    assert [row['data-verdict'] for row in rows] == [claim['verdict'] for claim in claims]
    for claim in claims:
        assert articles[claim['id']]['data-verdict'] == claim['verdict']
        assert claim['statement'] in page.text and claim['rule'] in page.text
    assert page.text.count(verdicts.RULE) == page.text.count(verdicts.MULTIPLE) == 1
    markdown = (built.path / 'report.md').read_text()
    assert all(f'### {claim["id"]}: {claim["verdict"]}' in markdown for claim in claims)


def figure_7(folder):
    (figure,) = (each for each in folder.study.figures if each.id == '7')
    return figure


def test_page_in_the_middle_of_a_sweep_says_what_is_missing(built):
    page = Page((built.path / 'report.html').read_text())
    # Of figure 6's twelve runs five are finished, and one is in its third epoch.
    assert '7 of 12 runs are missing or unfinished' in page.text
    unfinished = built.runs(figure_7(built).variants[2])[1].path.name
    assert re.search(rf'Missing: [^.]*{unfinished}', page.text)
    assert 'in epoch 3' in page.text
    assert '8 of 8 runs are missing or unfinished' in page.text


def test_page_before_the_first_run(tmp_path, folder):
    page = Page(
        report.build(StudyFolder(tmp_path / 'new', folder.study, 'quick', 1, folder.data)).read_text()
    )
    assert not any(tag == 'svg' for tag, _ in page.tags)
    assert 'every claim over runs is undecided' in ' '.join(page.text.split())


def test_synthetic_images_are_called_so(folder):
    folder.data['synthetic'] = True
    page = Page(report.build(dataclasses.replace(folder, figures=('2',))).read_text())
    assert 'The images are synthetic' in page.text
    assert 'cifar10 (synthetic)' in page.text


def test_report_command_rebuilds_from_the_folder_alone(folder):
    dataclasses.replace(folder, path=folder.path / 'one', figures=('2',)).save()
    result = python('-m', 'vgg_cifar', 'report', folder.path / 'one')
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(folder.path / 'one' / 'report.html')


@pytest.mark.parametrize(
    'file, change, message',
    [
        (
            'environment.json',
            {'data': {'fingerprint': 'e' * 64}},
            'verdicts from mixed data sets are refused',
        ),
        ('settings.json', {'train_size': 5000}, 'train_size is 5000, expected 2000'),
        ('settings.json', {'compute': 'bfloat16'}, 'compute is bfloat16, expected float32'),
    ],
)
def test_mixed_runs_are_refused(folder, file, change, message):
    """A run's folder that was moved here from a study of other images, or at another scale."""
    path = folder.runs(figure_7(folder).variants[0])[0].path / file
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message) as error:
        report.build(folder)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


STUDY_JSON = (
    '{"study": "ie598", "scale": "%s", "seeds": %s, "data": {"name": "x", "synthetic": true, "source": "x", '
    '"sizes": {"train": 1, "validation": 0, "test": 1}, "fingerprint": "x"}}'
)


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'no study.json here'),
        ('{', 'study.json: not readable'),
        ('[' * 10**5, 'study.json: not readable'),
        ('{"study": "ie598"}', 'study.json: no scale; expected one of smoke'),
        ('{"study": "ie598", "scale": "quick", "seeds": 1, "data": {}}', 'study.json: no data.sizes'),
        (
            STUDY_JSON % ('quick', '1000000000'),
            'seeds is 1000000000, expected a whole number from 1 to',
        ),
        (STUDY_JSON % ('quick', '1e308'), 'seeds is 1e\\+308, expected a whole number'),
        (STUDY_JSON % ('quick', 'Infinity'), 'seeds is Infinity, expected a whole number'),
        (STUDY_JSON % ('huge', '1'), 'scale is "huge", expected one of smoke'),
        ('{"study": "x", "scale": "quick", "seeds": 1, "data": {}}', 'study is "x", expected one of ie598'),
    ],
)
def test_folders_that_are_none_of_ours(tmp_path, content, message):
    if content:
        (tmp_path / 'study.json').write_text(content)
    with pytest.raises(InputError, match=message):
        StudyFolder.open(tmp_path)


@pytest.mark.parametrize(
    'changes',
    [
        {'scale': 'full'},
        {'data': {'name': 'x', 'synthetic': False, 'source': 'x', 'sizes': {}, 'fingerprint': 'e' * 64}},
    ],
)
def test_scales_and_images_are_not_mixed(folder, changes):
    parts = {
        'path': folder.path,
        'study': folder.study,
        'scale': 'quick',
        'seeds': 1,
        'data': folder.data,
        **changes,
    }
    with pytest.raises(InputError, match=r'holds the .*; choose another -o'):
        StudyFolder(**parts).save()


def test_more_seeds_are_welcome_and_fewer_forget_none(folder):
    parts = {'path': folder.path, 'study': folder.study, 'scale': 'quick', 'data': folder.data}
    assert StudyFolder(seeds=5, **parts).save().seeds == 5
    assert StudyFolder(seeds=1, **parts).save().seeds == 5


def test_a_figure_may_have_more_seeds_than_the_others(folder):
    claims = [claim for claim in folder.study.claims if '7' in claim.figures]
    before = [verdicts.to_json(verdicts.judge(folder, claim)) for claim in claims]
    asked = dataclasses.replace(folder, seeds=4, figures=('8',))
    assert len(asked.all_runs(asked.shown_figures)) == 3 * 4
    asked.save()
    there = StudyFolder.open(folder.path)
    assert (there.seeds, there.more_seeds) == (2, {'8': 4})
    runs = {figure.id: [len(there.runs(each)) for each in figure.variants] for figure in there.study.figures}
    assert (runs['7'], runs['8']) == ([2, 2, 2], [4, 4, 4])
    assert [verdicts.to_json(verdicts.judge(there, claim)) for claim in claims] == before
    page = report.build(there).with_suffix('.md').read_text()
    assert '2 seeds of each variant; those of Figure 8 have 4.' in page
    assert (
        'Of Figure 8, the seeds beyond the first 2 were added after the effects of those were known' in page
    )
    assert '--figure 8 --scale quick --seeds 4' in page
    shutil.copytree(folder.path, folder.path / 'studies' / 'r1')
    index.build(folder.path / 'studies')
    assert ' | 2 to 4, ' in (folder.path / 'studies' / 'index.md').read_text()


def test_seeds_that_all_figures_were_given_later_are_said_to_be_so(folder):
    assert 'were added after' not in report.build(folder).read_text()
    for seeds in (3, 5):
        dataclasses.replace(folder, seeds=seeds).save()
    there = StudyFolder.open(folder.path)
    assert (there.seeds, there.first_seeds) == (5, 2)
    page = report.build(there)
    said = 'Of all figures, the seeds beyond the first 2 were added after the effects of those were known'
    assert said in page.read_text() and said in page.with_suffix('.md').read_text()
    # A figure of fewer seeds is none that was added to.
    fresh = dataclasses.replace(folder, path=folder.path / 'fresh')
    dataclasses.replace(fresh, seeds=5, figures=('2',)).save()
    dataclasses.replace(fresh, seeds=3, figures=('8',)).save()
    there = StudyFolder.open(fresh.path)
    assert (there.seeds, there.first_seeds, dict(there.more_seeds)) == (3, 5, {'2': 5})
    assert 'were added after' not in report.build(there).read_text()


def test_the_command_of_a_figure_that_shares_runs_makes_all_that_it_shows(folder):
    dataclasses.replace(folder, seeds=4, figures=('7',)).save()
    there = StudyFolder.open(folder.path)
    commands = {each.id: report.command(there, each) for each in there.study.figures}
    # Figure 6 has figure 7's variants among its own.
    assert '--seeds 4' in commands['6'] and '--seeds 4' in commands['7'] and '--seeds 2' in commands['8']


def test_how_to_read_a_figure_and_a_table_stands_on_both_pages(built):
    page = ' '.join(Page((built.path / 'report.html').read_text()).text.split())
    markdown = (built.path / 'report.md').read_text()
    for legend in (
        'Mean over the runs; the band is one standard error.',
        'Mean ± standard error over n runs, after the last epoch unless the column says otherwise.',
        wording.TIMES,
        wording.SCALE_LEGEND,
    ):
        assert legend in page and legend in markdown


def test_a_figure_against_time_and_the_count_of_the_reports_numbers_leave_times_out(kernels):
    kernels = dataclasses.replace(kernels, figures=('8', 'table-1'))
    markdown = report.build(kernels).with_suffix('.md').read_text()
    (figure,) = re.findall(r'## Figure 8: .*?\n## ', markdown, re.S)
    assert figure.count(wording.TIMES) == 2
    # Accuracies and losses of six variants.
    assert 'Of 12 numbers that the report gives' in markdown


def test_runs_of_two_processors_are_told_apart(folder):
    assert ' runs or timings: ' in report.build(folder).with_suffix('.md').read_text()
    run = folder.runs(figure_7(folder).variants[0])[1]
    run.write('environment.json', {**run.environment, 'cpu_accelerator': 'oneDNN: live, AVX2'})
    markdown = report.build(folder).with_suffix('.md').read_text()
    assert re.search(r'\n- 1 run or timing \(Figure 6: 1 of 12; Figure 7: 1 of 6\): .*AVX2', markdown)
    assert re.search(r'\n- 5 runs or timings \(Figure 6: 5 of 12; Figure 7: 5 of 6\): ', markdown)


def test_only_the_figures_that_were_asked_for_are_shown(folder):
    chosen = dataclasses.replace(folder, path=folder.path / 'chosen', figures=('8',)).save()
    assert 'id="figure-8"' in report.build(chosen).read_text()
    both = dataclasses.replace(chosen, figures=('2',)).save()
    assert both.figures == ('2', '8') == StudyFolder.open(chosen.path).figures
    text = report.build(both).read_text()
    assert re.findall(r'<section id="figure-(\w+)"', text) == ['2', '8']
    page = Page(text)
    rows = [attributes for tag, attributes in page.tags if tag == 'tr' and 'data-verdict' in attributes]
    left_out = re.search(r'(\d+) further claims are about figures that were not asked for', page.text)
    # What is not shown is in the record.
    claims = json.loads((chosen.path / 'claims.json').read_text())['claims']
    assert len(rows) + int(left_out[1]) == len(claims) == 16
    # All figures, of which more are asked for, stay all.
    assert dataclasses.replace(both, figures=None).save().figures is None
    assert dataclasses.replace(both, figures=('2',)).save().figures is None


def test_a_page_links_to_the_index_above_it(built, folder):
    link = 'href="../index.html"'
    assert link not in (built.path / 'report.html').read_text()
    undrawn = dataclasses.replace(folder, figures=('2',))
    assert link in report.build(undrawn, in_index=True).read_text()
    (folder.path.parent / 'index.html').touch()
    assert link in report.build(undrawn).read_text()


def test_the_head_says_what_the_page_is_about(built):
    page = Page((built.path / 'report.html').read_text())
    assert page.text.count('Report R1: a VGG-style network, on CIFAR-10') == 2
    words = ' '.join(page.text.split())
    counts = re.search(r'16 claims: (.*?); among the central ones (.*?)\.', words)
    claims = json.loads((built.path / 'claims.json').read_text())
    verdicts_of = [claim['verdict'] for claim in claims['claims']]
    for verdict in set(verdicts_of):
        assert f'{verdicts_of.count(verdict)} {verdict}' in counts[1]
    central = [claim['verdict'] for claim in claims['claims'] if claim['id'] in claims['central']]
    assert len(central) == 5 and all(f'{central.count(each)} {each}' in counts[2] for each in set(central))
    # 2,000 images for 7 epochs against 50,000 for 400.
    assert '0.07 % of what a run of the report sees' in words
    for name in ('scope', 'easy', 'difficult', 'guessed'):
        assert getattr(built.study.summary, name) in page.text


def test_a_verdict_that_changes_with_the_scale_stands_beside_the_other(tmp_path):
    figure = next(each for each in ie598.STUDY.figures if each.id == '6')
    # A page that does not show the claim is not linked to, though it has the runs.
    best_at = {'quick': -1, 'full': 1, 'smoke': 1, 'evening': -1}
    folders = [
        StudyFolder(tmp_path / scale, ie598.STUDY, scale, 2, dict(REDRAW), figures=(figure,)).save()
        for scale, figure in (('quick', '7'), ('full', '7'), ('smoke', '7'), ('evening', '2'))
    ]
    for here in folders:
        ends = [best_at[here.scale] * number / 100 for number in range(len(figure.variants))]
        # The first variants are Adam's.
        write_runs(here, figure.variants, lambda number, seed, ends=ends: [entry(1, 0.1, 0.5 - ends[number])])
    broken = tmp_path / 'broken'
    shutil.copytree(tmp_path / 'quick', broken)
    for log in broken.glob('runs/*/log'):
        log.write_text('{')
    claims = {}
    for here in folders[:2]:
        page = report.build(here)
        found = json.loads((here.path / 'claims.json').read_text())['claims']
        (claims[here.scale],) = [claim for claim in found if claim['id'] == 'R1.adam']
    quick, full = claims['quick'], claims['full']
    assert (quick['verdict'], full['verdict']) == ('not reproduced', 'reproduced')
    assert full['at_other_scales'] == [{'scale': 'quick', 'verdict': 'not reproduced', 'link': 'quick'}]
    assert quick['at_other_scales'] == [{'scale': 'full', 'verdict': 'reproduced', 'link': 'full'}]
    words = ' '.join(Page(page.read_text()).text.split())
    assert 'At another scale the verdict is another on R1.adam' in words
    assert 'At quick scale the claim is not reproduced; here, at full scale, it is reproduced.' in words
    assert 'href="../quick/report.html#R1.adam"' in page.read_text()


def test_each_figure_has_the_command_that_makes_it(built):
    text = (built.path / 'report.html').read_text()
    commands = re.findall(r'<pre><code>(vgg-cifar [^<]*)</code>', text)
    assert len(commands) == len(built.study.figures)
    assert 'vgg-cifar reproduce ie598 --figure 7 --scale quick --seeds 2 --data CIFAR10.hdf5' in commands

    parser = argparse.ArgumentParser()
    reproduce.add_arguments(parser)
    for command in commands:
        words = shlex.split(command)
        assert words[1] in VERBS and parser.parse_args(words[2:]).report == 'ie598'


def test_dates_and_commits_are_shown(folder):
    for number, run in enumerate(folder.runs(figure_7(folder).variants[0])):
        noted = {'date': f'2026-11-0{number + 1}', 'commit': f'abc{number}'}
        run.write('environment.json', {**run.environment, **noted})
    page = report.build(dataclasses.replace(folder, figures=('7',)))
    words = ' '.join(Page(page.read_text()).text.split())
    assert 'Made 2026-11-01 to 2026-11-02. Commits of vgg-cifar: abc0, abc1.' in words


HOSTILE = '\x1b[2J</p><script>alert(1)</script>$x^{|\0'


def test_hostile_names_are_shown_and_do_nothing(folder):
    folder.data.update({'name': HOSTILE, 'source': f'/tmp/{HOSTILE}', 'fingerprint': 'f' * 64})
    hostile = dataclasses.replace(folder, path=folder.path / 'all' / 'study', figures=('7',)).save()
    shutil.copytree(folder.path / 'runs', hostile.path / 'runs')
    for run in hostile.all_runs([figure_7(hostile)]):
        there = hostile.run_folder(run.id)
        environment = {
            **there.environment,
            'processor': HOSTILE,
            'packages': {HOSTILE: HOSTILE},
            'date': HOSTILE,
        }
        there.write('environment.json', environment)
    page = report.build(hostile)
    over = index.build(hostile.path.parent)
    for path in (page, page.with_suffix('.md'), over, over.with_suffix('.md')):
        text = path.read_text()
        assert '\x1b' not in text and '\0' not in text and r'\x1b[2J' in text
        assert '<script>alert' not in text
    # No cell more than the table has.
    lines = page.with_suffix('.md').read_text().splitlines()
    assert all(line.count('|') < 3 for line in lines if line.startswith('#'))


def test_the_median_of_an_even_number_is_between_the_middle_two(folder):
    figure = next(each for each in folder.study.figures if each.id == '9')
    (timing,) = folder.study.timings_of([figure])
    variants = {
        folder.run_of(variant).id: {'steps_per_epoch': 4.0, 'seconds': [0.010, 0.020, 0.030, 0.500]}
        for variant in timing.variants
    }
    content = {'rounds': 4, 'batch_size': 25, 'environment': ENVIRONMENT, 'variants': variants}
    folder.timing_path(timing).parent.mkdir()
    folder.timing_path(timing).write_text(json.dumps(content))
    assert '25.0 (10.0 to 500.0)' in report.build(dataclasses.replace(folder, figures=('9',))).read_text()
