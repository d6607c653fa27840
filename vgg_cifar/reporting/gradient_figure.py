"""Draws the gradient that reaches each layer, from the runs' gradients.json."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
from matplotlib.axes import Axes

from vgg_cifar.reporting.canvas import Drawing, Panel
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder

NOTE = "Geometric mean over the runs of the mean absolute gradient of each layer's weights."


def make(folder: StudyFolder, figure: Figure, look: Mapping[str, Mapping[str, Any]]) -> Drawing | None:
    """Return the mean absolute gradient by layer, in the first and in the last epoch that all seeds have.

    The line is the geometric mean over the seeds. None where no run has recorded gradients.
    """
    lines: list[list[tuple[numpy.ndarray, Mapping[str, Any]]]] = [[], []]
    epochs: list[set[int]] = [set(), set()]
    keys = {}
    for variant in figure.variants:
        flows = [flow for run in folder.runs(variant) if (flow := run.gradients)]
        if not flows:
            continue
        style = look[folder.run_of(variant).id]
        last = min(map(len, flows)) - 1
        for place, entry in enumerate((0, last)):
            values = numpy.array([list(flow[entry]['layers'].values()) for flow in flows])
            # A gradient of exactly zero has no place on this axis; the line has a gap there.
            with numpy.errstate(divide='ignore'):
                mean = numpy.exp(numpy.log(values).mean(axis=0))
            lines[place].append((numpy.where(mean > 0, mean, numpy.nan), style))
            epochs[place].add(flows[0][entry]['epoch'])
        keys[f'{variant.label} ({len(mean)} layers, n={len(flows)})'] = style
    if not keys:
        return None
    shown = numpy.concatenate([mean for panel in lines for mean, _ in panel])
    shown = shown[numpy.isfinite(shown)]
    limits = (shown.min() / 2, shown.max() * 2) if len(shown) else (0.1, 1.0)
    panels = [
        Panel(functools.partial(_draw, lines=panel, limits=limits, title=_title(which)))
        for panel, which in zip(lines, epochs, strict=True)
    ]
    return Drawing(tuple(panels), 2, keys, NOTE)


def _title(epochs: set[int]) -> str:
    return f'epoch {" or ".join(map(str, sorted(epochs)))}'


def _draw(
    axes: Axes,
    lines: Sequence[tuple[numpy.ndarray, Mapping[str, Any]]],
    limits: tuple[float, float],
    title: str,
) -> None:
    for mean, style in lines:
        axes.plot(numpy.linspace(0, 1, len(mean)), mean, **style)
    axes.set_title(title, fontsize=10)
    axes.set_yscale('log')
    axes.set_ylim(*limits)
    axes.set_xlabel('layer: its place from the first (0) to the last (1)')
    axes.set_ylabel('mean absolute gradient of the weights')
