"""Draws a study's figures: curves here, the other kinds each in a file of their own."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vgg_cifar.reporting import gradient_figure, layer_pictures
from vgg_cifar.reporting.canvas import Drawing, Panel, line_style
from vgg_cifar.reporting.lines import Line, read_line
from vgg_cifar.reporting.wording import TIMES
from vgg_cifar.studies.comparison import Quantity
from vgg_cifar.studies.study import Axis, Figure, GradientFigure, LayerPictures
from vgg_cifar.studies.study_folder import StudyFolder

Styles = Mapping[str, Mapping[str, Any]]

# An axis in percent shows no fewer points than these, so that noise does not look like a difference.
LEAST_POINTS = 4.0
# The first part of training, which leaves the axis where it would take up more than half of it.
WARM_UP = 0.2
# Lines within so many points of the best stand close together, where others are far away.
CLOSE = 12.0


def make(folder: StudyFolder, figure: Figure) -> Drawing | None:
    """Return the drawing of `figure` from the runs there are; None where there is nothing to draw."""
    if isinstance(figure, GradientFigure):
        return gradient_figure.make(folder, figure, styles(folder))
    if isinstance(figure, LayerPictures):
        return layer_pictures.make(folder, figure)
    return make_curves(folder, figure, styles(folder))


def styles(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    """Return how each variant is drawn, by the id of its first run: the same in all figures of the study.

    No two variants of one figure are drawn alike.
    """
    shown_with: dict[str, set[str]] = {}
    for figure in folder.study.figures:
        ids = [folder.run_of(variant).id for variant in figure.variants]
        for name in ids:
            shown_with.setdefault(name, set()).update(ids)
    numbers: dict[str, int] = {}
    for name, others in shown_with.items():
        taken = {numbers[other] for other in others if other in numbers}
        numbers[name] = next(number for number in range(len(shown_with)) if number not in taken)
    return {name: line_style(number) for name, number in numbers.items()}


def make_curves(folder: StudyFolder, figure: Figure, look: Styles) -> Drawing | None:
    """Return each panel's quantity against the figure's axis; None where no run has logged anything."""
    panels, close_up, bands, from_zero = [], False, False, True
    keys: dict[str, Mapping[str, Any]] = {}
    for quantity in figure.panels:
        lines: dict[str, Line] = {}
        labels: dict[str, list[str]] = {}
        for variant in figure.variants:
            line, name = read_line(folder, figure, quantity, variant), folder.run_of(variant).id
            if line.n:
                lines[name] = line
                # Two names of one run are one line.
                labels.setdefault(name, []).append(line.label)
        if not lines:
            return None
        for name, line in lines.items():
            keys[f'{"; ".join(labels[name])} (n={line.n})'] = look[name]
        bands |= any(line.n > 1 for line in lines.values())
        pairs = [(line, look[name]) for name, line in lines.items()]
        limits = _limits([line for line, _ in pairs]) if quantity.unit == '%' else None
        panels.append(_panel(pairs, quantity, figure.x, limits))
        from_zero &= limits is None or limits[0] == 0
        closer = None if limits is None else _closer(list(lines.values()), limits)
        if closer is not None:
            close_up = True
            panels.append(_panel(pairs, quantity, figure.x, closer, f'{quantity.label}, close up'))
    notes = ['Mean over the runs; the band is one standard error.' if bands else 'One run for each line.']
    if not from_zero or close_up:
        notes.append('Not all vertical axes start at 0, and the first epochs may lie outside.')
    if close_up:
        notes.append('The close-up shows the best lines again; others lie below it.')
    if figure.x.key == 'seconds':
        notes.append(TIMES)
    return Drawing(tuple(panels), min(len(panels), 2), keys, ' '.join(notes))


def _panel(
    lines: Sequence[tuple[Line, Mapping[str, Any]]],
    quantity: Quantity,
    x: Axis,
    limits: tuple[float, float] | None,
    title: str = '',
) -> Panel:
    return Panel(functools.partial(_draw, lines=lines, quantity=quantity, x=x, limits=limits, title=title))


def _draw(
    axes: Axes,
    lines: Sequence[tuple[Line, Mapping[str, Any]]],
    quantity: Quantity,
    x: Axis,
    limits: tuple[float, float] | None,
    title: str,
) -> None:
    for line, style in lines:
        axes.plot(line.x, line.mean, markevery=max(1, len(line.x) // 10), **style)
        if line.n > 1:
            low, high = line.mean - line.error, line.mean + line.error
            axes.fill_between(line.x, low, high, color=style['color'], alpha=0.2, lw=0)
    axes.set_xlabel(x.label)
    axes.set_ylabel(quantity.with_unit)
    axes.set_title(title, fontsize=10)
    if limits:
        axes.set_ylim(*limits)
    if x.key == 'epoch':
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the ends of an axis in percent: all of the lines but how they begin; from 0 where it is near."""
    low, high = _range(lines, 0.0)
    later_low, later_high = _range(lines, WARM_UP)
    if later_high - later_low < (high - low) / 2:
        low, high = later_low, later_high
    lacking = max(0.0, LEAST_POINTS - (high - low))
    low, high = low - lacking / 2, high + lacking / 2
    pad = 0.06 * (high - low)
    if low < 0.3 * high:
        return 0.0, high + pad
    return max(0.0, low - pad), high + pad


def _range(lines: Sequence[Line], beginning: float) -> tuple[float, float]:
    """Return the least and the largest value of the lines and their bands after a share of `beginning`."""
    values = []
    for line in lines:
        later = slice(int(beginning * len(line.x)), None)
        error = numpy.nan_to_num(line.error[later])
        values += [line.mean[later] - error, line.mean[later] + error]
    found = numpy.concatenate(values)
    found = found[numpy.isfinite(found)]
    return (float(found.min()), float(found.max())) if len(found) else (0.0, 100.0)


def _closer(lines: Sequence[Line], limits: tuple[float, float]) -> tuple[float, float] | None:
    """Return the ends of an axis for the lines that end near the best, where it shows more than `limits` do.

    That is where there are three or more, others end far away, and it is no more than half as long.
    """
    ends = [float(line.mean[-1]) for line in lines]
    best = max(ends)
    near = [line for line, end in zip(lines, ends, strict=True) if end >= best - CLOSE]
    if not 3 <= len(near) < len(lines) or min(ends) >= best - 3 * CLOSE:
        return None
    low, high = _limits(near)
    return (low, high) if high - low <= (limits[1] - limits[0]) / 2 else None
