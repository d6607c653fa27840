"""Figures: no text leaves the canvas, no caption contradicts its data, no variant changes its look."""

import re

import numpy
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from reporting.made_up_runs import REDRAW, entry, write_runs

from vgg_cifar.reporting import figures
from vgg_cifar.reporting.canvas import Drawing, Panel, compose, inline, styled
from vgg_cifar.studies import STUDIES
from vgg_cifar.studies.study import GradientFigure, LayerPictures
from vgg_cifar.studies.study_folder import StudyFolder


def texts_outside(canvas):
    """Return the texts, axes with their ticks and labels among them, that reach beyond the canvas."""
    renderer = FigureCanvasAgg(canvas).get_renderer()
    canvas.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in canvas.texts]
    for legend in canvas.legends:
        boxes += [(text.get_text(), text.get_window_extent(renderer)) for text in legend.get_texts()]
    for axes in canvas.axes:
        boxes.append((axes.get_title(), axes.title.get_window_extent(renderer)))
        boxes += [(axis.get_label_text(), axis.get_tightbbox(renderer)) for axis in (axes.xaxis, axes.yaxis)]
    width, height = canvas.bbox.x1, canvas.bbox.y1
    return [
        text for text, box in boxes if box and (box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height)
    ]


@pytest.fixture(scope='module', params=STUDIES)
def study_folder(request, tmp_path_factory):
    """A study at smoke scale with two seeds, each run with as many epochs as it is to have."""
    study = STUDIES[request.param]
    folder = StudyFolder(tmp_path_factory.mktemp('study'), study, 'smoke', 2, REDRAW).save()
    for figure in study.figures:
        for variant in figure.variants:
            epochs = folder.run_of(variant).settings.epochs
            log = [entry(epoch, 0.3 + epoch / 100, 0.2) for epoch in range(1, epochs + 1)]
            write_runs(folder, [variant], lambda number, seed, log=log: log)
            for run in folder.runs(variant):
                layers = {f'conv{layer}': 0.1 for layer in range(3)}
                run.write('gradients.json', [{'epoch': each['epoch'], 'layers': layers} for each in log])
    return folder


def drawings(folder):
    for figure in folder.study.figures:
        if not isinstance(figure, LayerPictures):
            yield figure, figures.make(folder, figure)


def test_no_text_leaves_the_canvas(study_folder):
    with styled():
        for figure, drawing in drawings(study_folder):
            canvas = compose(drawing, f'{figure.name}: {figure.title}\n{study_folder.caption(figure)}')
            assert texts_outside(canvas) == [], figure.id


def test_a_text_outside_is_seen():
    """The test above would notice: a legend far wider than its canvas."""
    with styled():
        canvas = compose(Drawing((Panel(lambda axes: None),), 1, {'x' * 300: {'color': 'k'}}, ''), 'title')
        assert texts_outside(canvas) == ['x' * 300]


def test_captions_say_how_many_epochs_the_lines_have(study_folder):
    for figure in study_folder.study.figures:
        logged = {len(run.log) for variant in figure.variants for run in study_folder.runs(variant)}
        (said,) = re.findall(r'([\d or]+) epochs?,', study_folder.caption(figure))
        assert {int(number) for number in re.findall(r'\d+', said)} == logged, figure.id


def test_a_variant_looks_the_same_in_all_figures_and_like_no_other_of_its_figure(study_folder):
    looks = figures.styles(study_folder)
    for figure in study_folder.study.figures:
        ids = {study_folder.run_of(variant).id for variant in figure.variants}
        assert len({str(looks[name]) for name in ids}) == len(ids)
    drawn = {}
    for figure, drawing in drawings(study_folder):
        if isinstance(figure, GradientFigure):
            continue
        for label, style in drawing.keys.items():
            for variant in figure.variants:
                if variant.label in label.rpartition(' (n=')[0].split('; '):
                    assert drawn.setdefault(study_folder.run_of(variant).id, style) == style


@pytest.mark.parametrize('seeds, said', [(1, 'One run for each line'), (2, 'the band is one standard error')])
def test_a_band_is_spoken_of_where_there_is_one(folder, seeds, said):
    fewer = type(folder)(folder.path, folder.study, 'quick', seeds, folder.data)
    (figure,) = (each for each in folder.study.figures if each.id == '7')
    assert said in figures.make(fewer, figure).note


def axes_of(panel):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    panel.draw(axes)
    return axes


def made(folder, ends, part=lambda epoch: 1 - 0.9 / epoch):
    """R4's table 4 with validation accuracies that end at `ends`, one for each of its seven variants."""
    (figure,) = (each for each in folder.study.figures if each.id == 'table-4')
    logs = [[entry(epoch, end * part(epoch), 0.1) for epoch in range(1, 101)] for end in ends]
    write_runs(folder, figure.variants, lambda number, seed: logs[number])
    return figures.make(folder, figure)


@pytest.fixture
def rules(tmp_path):
    return StudyFolder(tmp_path, STUDIES['emnist_learning_rules'], 'full', 1, REDRAW).save()


def test_lines_close_together_fill_their_axis(rules):
    (panel,) = made(rules, [0.78, 0.77, 0.76, 0.78, 0.75, 0.74, 0.77]).panels
    low, high = axes_of(panel).get_ylim()
    assert 60 < low < 74 and 77 < high < 82


def test_lines_close_together_above_others_have_a_panel_of_their_own(rules):
    drawing = made(rules, [0.78, 0.02, 0.77, 0.76, 0.1, 0.78, 0.75])
    whole, close = (axes_of(panel).get_ylim() for panel in drawing.panels)
    assert whole[0] == 0 and close[0] > 60
    assert 'close-up' in drawing.note


def test_no_panel_shows_the_same_again(rules):
    drawing = made(rules, [0.78, 0.02, 0.77, 0.76, 0.1, 0.78, 0.75], part=lambda epoch: epoch / 100)
    assert len(drawing.panels) == 1
    assert 'close-up' not in drawing.note


@pytest.mark.parametrize('panels', [1, 2, 3, 5])
def test_the_last_row_need_not_be_full(panels):
    drawing = Drawing(
        tuple(Panel(lambda axes: axes.plot([1, 2])) for _ in range(panels)), min(panels, 2), {}, ''
    )
    with styled():
        assert len(compose(drawing, 'a figure').axes) == panels


def test_noise_does_not_fill_an_axis(rules):
    (panel,) = made(rules, 0.78 + numpy.linspace(0, 0.001, 7)).panels
    low, high = axes_of(panel).get_ylim()
    assert high - low > 4


def test_a_panel_in_a_page_has_the_pages_colours_and_ids_of_its_own():
    def draw(axes):
        axes.plot([1, 2, 3], color='#000000', marker='o')
        axes.plot([3, 2, 1], color='#0072B2')

    with styled():
        one, two = (inline(Panel(draw), prefix) for prefix in ('one', 'two'))
    assert 'currentColor' in one and '#0072b2' in one.lower()
    # No white ground, no ink of its own: both would be boxes or holes in a dark page.
    assert '#ffffff' not in one and '#000000' not in one
    ids = [re.findall(r' id="([^"]*)"', svg) for svg in (one, two)]
    assert ids[0] and len(set(ids[0])) == len(ids[0]) and not set(ids[0]) & set(ids[1])
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', one)) <= set(ids[0])
