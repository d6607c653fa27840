"""Draws a study's figures as PNG and SVG."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Canvas

from vgg_cifar.atomic import replacing
from vgg_cifar.reporting.lines import read_line
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder

# Okabe and Ito's colours, which the colour-blind can tell apart, ordered so that neighbours differ in
# lightness too; dashes and markers tell the lines apart in grey.
COLOURS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#000000', '#CC79A7', '#56B4E9')
DASHES = ('-', '--', '-.', ':')
MARKERS = 'osD^vP'
# The same runs give the same bytes: no random ids, no date.
STYLE: Any = {
    'svg.hashsalt': 'vgg-cifar',
    'svg.fonttype': 'path',
    'font.size': 10,
    'axes.grid': True,
    'grid.alpha': 0.3,
}
# Neither the date nor matplotlib's version, which PNG has by default.
FORMATS: Any = {
    'png': {'dpi': 150, 'metadata': {'Software': None}},
    'svg': {'metadata': {'Date': None, 'Creator': None}},
}


def name(figure: Figure) -> str:
    """Return what a figure is called: by its number in the report, or as one of ours."""
    return f'Figure {figure.id}' if figure.in_report else f'Beside the report, {figure.id}'


def draw(folder: StudyFolder, figure: Figure) -> list[Path]:
    """Draw `figure` from the runs there are; return the paths of the PNG and the SVG file."""
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(max(7.2, 4.6 * len(figure.panels)), 4.4), layout='constrained')
        all_axes = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
        for axes, panel in zip(all_axes, figure.panels, strict=True):
            for number, variant in enumerate(figure.variants):
                line = read_line(folder, figure, panel, variant)
                if not line.n:
                    continue
                colour = COLOURS[number % len(COLOURS)]
                axes.plot(
                    line.x,
                    line.mean,
                    color=colour,
                    linestyle=DASHES[number % len(DASHES)],
                    marker=MARKERS[number % len(MARKERS)],
                    markersize=4,
                    markevery=max(1, len(line.x) // 10),
                    label=f'{line.label} (n={line.n})',
                )
                axes.fill_between(
                    line.x, line.mean - line.error, line.mean + line.error, color=colour, alpha=0.2, lw=0
                )
            axes.set_xlabel(figure.x_label)
            axes.set_ylabel(f'{panel.label} ({panel.unit})' if panel.unit else panel.label)
            if panel.unit == '%':
                # From zero, so that noise around chance does not look like a difference.
                axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
            if figure.x == 'epoch':
                axes.xaxis.get_major_locator().set_params(integer=True)
        handles, labels = all_axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc='outside lower center', ncols=3, frameon=False)
        canvas.suptitle(f'{name(figure)}: {figure.title}\n{folder.caption()}', fontsize=10)
        paths = []
        for suffix, options in FORMATS.items():
            path = folder.path / 'figures' / f'figure_{figure.id}.{suffix}'
            with replacing(path) as partial:
                canvas.savefig(partial, format=suffix, **options)
            paths.append(path)
    return paths
