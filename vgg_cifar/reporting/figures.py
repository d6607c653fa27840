"""Draws a study's figures as PNG and SVG: curves here, the other kinds each in a file of their own."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure as Canvas

from vgg_cifar.reporting import gradient_figure, layer_pictures
from vgg_cifar.reporting.canvas import STYLE, line_style, save
from vgg_cifar.reporting.lines import read_line
from vgg_cifar.studies.study import Figure, GradientFigure, LayerPictures
from vgg_cifar.studies.study_folder import StudyFolder


def draw(folder: StudyFolder, figure: Figure) -> Path | None:
    """Draw `figure` from the runs there are; return the SVG file's path, None where there is nothing to draw.

    A figure that was drawn before stays where the files that it was drawn from are gone.
    """
    plot = {GradientFigure: gradient_figure.plot, LayerPictures: layer_pictures.plot}.get(
        type(figure), plot_curves
    )
    with matplotlib.rc_context(STYLE):
        canvas = plot(folder, figure)
        name = f'figure_{figure.id}'
        if canvas is None:
            drawn = folder.path / 'figures' / f'{name}.svg'
            return drawn if drawn.exists() else None
        canvas.suptitle(f'{figure.name}: {figure.title}\n{folder.caption()}', fontsize=10)
        return save(canvas, folder.path / 'figures', name)


def plot_curves(folder: StudyFolder, figure: Figure) -> Canvas | None:
    """Plot each panel's quantity against the figure's axis; None where no run has logged anything."""
    if not any(run.log for variant in figure.variants for run in folder.runs(variant)):
        return None
    canvas = Canvas(figsize=(max(7.2, 4.6 * len(figure.panels)), 4.4), layout='constrained')
    all_axes = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
    for axes, panel in zip(all_axes, figure.panels, strict=True):
        for number, variant in enumerate(figure.variants):
            line = read_line(folder, figure, panel, variant)
            if not line.n:
                continue
            style = line_style(number)
            every = max(1, len(line.x) // 10)
            axes.plot(line.x, line.mean, markevery=every, label=f'{line.label} (n={line.n})', **style)
            axes.fill_between(
                line.x, line.mean - line.error, line.mean + line.error, color=style['color'], alpha=0.2, lw=0
            )
        axes.set_xlabel(figure.x.label)
        axes.set_ylabel(panel.with_unit)
        if panel.unit == '%':
            # From zero, so that noise around chance does not look like a difference.
            axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
        if figure.x.key == 'epoch':
            axes.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = all_axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc='outside lower center', ncols=3, frameon=False)
    return canvas


PLOTS = {Figure: plot_curves, GradientFigure: gradient_figure.plot, LayerPictures: layer_pictures.plot}
