"""The page, the figures and the tables of a folder."""

import csv
import html.parser
import re

import PIL.Image
import pytest
from processes import python

from vgg_cifar.errors import InputError
from vgg_cifar.reporting import report
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


def test_table_has_mean_error_and_count(folder):
    report.build(folder)
    with (folder.path / 'tables' / 'figure_7.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['variant'] for row in rows] == ['Adam', 'MomentumSGD', 'RMSprop']
    assert [row['runs'] for row in rows] == ['2 of 2', '2 of 2', '1 of 2']
    # Variant 1, epoch 3: 0.13 and 0.14.
    assert float(rows[1]['train_accuracy']) == pytest.approx(0.135)
    assert float(rows[1]['train_accuracy_se']) == pytest.approx(0.005)
    assert float(rows[1]['test_accuracy']) == pytest.approx(0.0675)
    assert rows[2]['train_accuracy_se'] == ''


def test_figures_of_which_there_are_runs_are_drawn(folder):
    report.build(folder)
    # Figure 6 shares figure 7's runs; 3 and 8 have none.
    names = sorted(path.name for path in (folder.path / 'figures').iterdir())
    assert names == ['figure_6.png', 'figure_6.svg', 'figure_7.png', 'figure_7.svg']
    with PIL.Image.open(folder.path / 'figures' / 'figure_7.png') as image:
        assert image.width > 1000
    svg = (folder.path / 'figures' / 'figure_7.svg').read_text()
    assert '<dc:date>' not in svg


def test_same_runs_same_bytes(folder):
    def contents():
        report.build(folder)
        outputs = ('.png', '.svg', '.csv', '.html')
        return {path.name: path.read_bytes() for path in folder.path.rglob('*') if path.suffix in outputs}

    assert contents() == contents()


def test_page_stands_alone_and_says_what_it_shows(folder):
    page = Page(report.build(folder).read_text())
    images = [attributes for tag, attributes in page.tags if tag == 'img']
    assert len(images) == 2
    assert all(image['src'].startswith('data:image/png;base64,') and image['alt'] for image in images)
    assert not any(tag in ('script', 'link') for tag, _ in page.tags)
    for attributes in (attributes for tag, attributes in page.tags if tag == 'a'):
        assert (folder.path / attributes['href']).exists()
    assert 'cifar10, 5,000 training images, batch 50, 10 epochs (quick scale)' in page.text
    assert '1 of 2' in page.text
    assert re.search(r'13\.5 ± 0\.5', page.text)
    assert 'synthetic' not in page.text


def test_synthetic_images_are_called_so(folder):
    folder.data['synthetic'] = True
    page = Page(report.build(folder).read_text())
    assert 'The images are synthetic' in page.text
    assert 'cifar10 (synthetic)' in page.text


def test_report_command_rebuilds_from_the_folder_alone(folder):
    result = python('-m', 'vgg_cifar', 'report', folder.path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(folder.path / 'report.html')


def test_nothing_to_show_yet(tmp_path, folder):
    with pytest.raises(InputError, match='no run has finished an epoch yet'):
        report.build(StudyFolder(tmp_path / 'empty', folder.study, 'quick', 1, folder.data).save())


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'no study.json here'),
        ('{', 'study.json: not readable'),
        ('{"study": "ie598"}', 'study.json: not readable'),
        ('{"study": "ie598", "scale": "quick", "seeds": 1, "data": {}}', 'study.json: not readable'),
        (
            '{"study": "ie598", "scale": "huge", "seeds": 1, "data": '
            '{"name": "x", "synthetic": true, "source": "x", "fingerprint": "x"}}',
            "scale is 'huge', expected one of smoke",
        ),
        ('{"study": "x", "scale": "quick", "seeds": 1, "data": {}}', "'x' is not a study"),
    ],
)
def test_folders_that_are_none_of_ours(tmp_path, content, message):
    if content:
        (tmp_path / 'study.json').write_text(content)
    with pytest.raises(InputError, match=message):
        StudyFolder.open(tmp_path)


@pytest.mark.parametrize(
    'changes',
    [{'scale': 'full'}, {'data': {'fingerprint': 'e' * 64, 'name': 'x', 'synthetic': False, 'source': 'x'}}],
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
