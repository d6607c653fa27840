"""Draws the gradient that reaches each layer, from the runs' gradients.json."""

import numpy
from matplotlib.figure import Figure as Canvas

from vgg_cifar.reporting.canvas import line_style
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder


def plot(folder: StudyFolder, figure: Figure) -> Canvas | None:
    """Plot the mean absolute gradient by layer, in the first and in the last epoch that all seeds have.

    The line is the geometric mean over the seeds. None where no run has recorded gradients.
    """
    canvas = Canvas(figsize=(9.4, 4.6), layout='constrained')
    all_axes = canvas.subplots(1, 2, sharey=True)
    drawn = False
    for number, variant in enumerate(figure.variants):
        flows = [flow for run in folder.runs(variant) if (flow := run.gradients)]
        if not flows:
            continue
        drawn = True
        last = min(map(len, flows)) - 1
        for axes, entry in zip(all_axes, (0, last), strict=True):
            values = numpy.array([list(flow[entry]['layers'].values()) for flow in flows])
            # A gradient of exactly zero has no place on this axis; the line has a gap there.
            with numpy.errstate(divide='ignore'):
                mean = numpy.exp(numpy.log(values).mean(axis=0))
            places = numpy.linspace(0, 1, len(mean))
            epoch = flows[0][entry]['epoch']
            label = f'{variant.label} ({len(mean)} layers, n={len(flows)})'
            axes.plot(places, numpy.where(mean > 0, mean, numpy.nan), label=label, **line_style(number))
            axes.set_title(f'epoch {epoch}', fontsize=10)
    if not drawn:
        return None
    for axes in all_axes:
        axes.set_yscale('log')
        axes.set_xlabel('layer: its place from the first (0) to the last (1)')
    all_axes[0].set_ylabel('mean absolute gradient of the weights')
    handles, labels = all_axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc='outside lower center', ncols=2, frameon=False)
    return canvas
