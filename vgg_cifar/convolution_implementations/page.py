"""The figures, the table, the verdicts and the page of the study of convolutions, from its costs.json."""

import csv
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from vgg_cifar import json_file
from vgg_cifar.atomic import replacing, write_json
from vgg_cifar.convolution_implementations import study
from vgg_cifar.convolution_implementations.study import Cost, CostRatio, Ranges, Size
from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import drawn, shown
from vgg_cifar.json_file import Record
from vgg_cifar.reporting import verdicts
from vgg_cifar.reporting.canvas import Drawing, Panel, line_style, pictured, styled
from vgg_cifar.reporting.pages import render
from vgg_cifar.reporting.report import INDEX_PAGE, counts
from vgg_cifar.reporting.verdicts import Judgement, Measured
from vgg_cifar.studies.study import Claim
from vgg_cifar.studies.study_folder import INDEX

COSTS = 'costs.json'
ADVICE = f'`vgg-cifar reproduce {study.ID}` measures anew'
FORMULA: dict[str, Any] = {'color': 'black', 'linewidth': 3, 'alpha': 0.45}
THEORY: dict[str, dict[str, Any]] = {
    'R3: time B F F T, through scipy.signal': FORMULA | {'linestyle': (0, (1, 1))},
    'R3: storage of the result': FORMULA | {'linestyle': (0, (1, 1))},
    "im2col's columns": FORMULA | {'linestyle': (0, (4, 1))},
}
NOTE = (
    "The dotted and dashed grey lines are the reports' formulas; time's goes through scipy.signal's middle "
    'point. Memory is what NumPy held at once, the result included; what oneDNN allocates for itself is not '
    'seen.'
)
Costs = dict[Cost, dict[str, Any]]


def build(folder: Path, in_index: bool = False) -> Path:
    """Write figures/, tables/, claims.json, report.md and report.html into `folder`; return the page's path.

    Raises:
        InputError: costs.json or study.json is not there or not readable.

    """
    scale = scale_of(folder)
    ranges = study.SCALES[scale]
    content = _read(folder / COSTS)
    rounds = content.whole('rounds', 1, 10_000)
    environment = content.mapping('environment')
    costs = dict(_cost(each, rounds) for each in content.records('costs'))
    judgements = [_judge(costs, claim) for claim in study.claims(ranges)]
    processor = shown(str(environment.get('processor', 'an unknown processor')))
    caption = f'{counted(rounds, "round")} in turn on {processor} ({scale} scale)'
    facts = {
        'study': study.ID,
        'title': study.TITLE,
        'caption': caption,
        'scale': scale,
        'seeds': 1,
        'data': {'name': 'random numbers', 'synthetic': True, 'source': 'generated', 'fingerprint': ''},
        'central': [],
    }
    write_json(folder / 'claims.json', {**facts, 'claims': [verdicts.to_json(each) for each in judgements]})
    _write_table(folder / 'tables' / 'costs.csv', costs)
    pictures = [_picture(folder, ranges, costs, backward, caption) for backward in (False, True)]
    page = {
        **facts,
        'source': study.SOURCE,
        'doc': study.__doc__,
        'pictures': pictures,
        'judgements': judgements,
        'counts': counts(judgements),
        'rule': verdicts.RULE,
        'needed': verdicts.NEEDED,
        'environment': environment,
        'command': f'vgg-cifar reproduce {study.ID} --scale {scale}',
        'index': f'../{INDEX_PAGE}' if in_index or (folder.parent / INDEX_PAGE).exists() else None,
    }
    return render(folder, 'report', page, room=__package__, template='convolutions')


def scale_of(folder: Path) -> str:
    """Return the scale at which the folder's costs were measured."""
    return _read(folder / INDEX).text('scale', study.SCALES)


def _read(path: Path) -> Record:
    try:
        return json_file.record(path, ADVICE)
    except FileNotFoundError:
        raise InputError(f'{path}: not there; {ADVICE}') from None


def _cost(each: Record, rounds: int) -> tuple[Cost, dict[str, Any]]:
    """Return an entry of costs.json, checked."""
    size = Size(*(each.whole(axis, 1, 10_000) for axis in study.AXES))
    cost = Cost(each.text('implementation', study.IMPLEMENTATIONS), size, each.truth('backward'))
    seconds, peaks = each.numbers('seconds', 1e-12, 1e6), each.numbers('peak_bytes', 1, 2**60)
    if len(seconds) != rounds or not peaks:
        raise each.wrong(
            'seconds' if peaks else 'peak_bytes', f'a number for each of the {counted(rounds, "round")}'
        )
    return cost, {'seconds': seconds, 'peak_bytes': peaks}


def _judge(costs: Costs, claim: Claim) -> Judgement:
    measured = tuple(_measure(costs, each) for each in claim.comparisons if isinstance(each, CostRatio))
    return Judgement(claim, verdicts.verdict(measured), measured)


def _measure(costs: Costs, comparison: CostRatio) -> Measured:
    sides = comparison.of, comparison.against
    missing = tuple(side.label for side in sides if side not in costs)
    if missing:
        return Measured(comparison, None, missing)
    name = 'seconds' if comparison.what == 'time' else 'peak_bytes'
    pairs = zip(*(costs[side][name] for side in sides), strict=False)
    return Measured(comparison, verdicts.estimate(comparison, [a / b for a, b in pairs]), ())


def _write_table(path: Path, costs: Costs) -> None:
    with replacing(path) as partial, partial.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(('implementation', *study.AXES, 'backward', 'median_seconds', 'peak_bytes'))
        for cost, measured in costs.items():
            size = [getattr(cost.size, axis) for axis in study.AXES]
            median = f'{numpy.median(measured["seconds"]):.6g}'
            peak = max(measured['peak_bytes'])
            writer.writerow((cost.implementation, *size, cost.backward, median, peak))


def _picture(folder: Path, ranges: Ranges, costs: Costs, backward: bool, caption: str) -> dict[str, Any]:
    """Draw time and memory into figures/ and return what the page shows of it."""
    name, way = ('figure_backward', 'backwards') if backward else ('figure_forward', 'forwards')
    with styled():
        drawing = _drawing(ranges, costs, backward)
        title = f'A convolution {way}, around {ranges.base.label}, float32\n{drawn(caption, 200)}'
        return {'way': way, **pictured(drawing, title, folder / 'figures', name)}


def _drawing(ranges: Ranges, costs: Costs, backward: bool) -> Drawing:
    """Return time above and memory below, against each axis, with the reports' formulas laid over."""
    there = {cost.implementation for cost in costs}
    looks = {name: line_style(number) for number, name in enumerate(study.IMPLEMENTATIONS) if name in there}
    panels = [
        Panel(
            functools.partial(draw, ranges=ranges, costs=costs, backward=backward, axis=axis, looks=looks),
            width=3.6,
            height=3.3,
        )
        for draw in (_draw_times, _draw_memory)
        for axis in study.AXES
    ]
    return Drawing(tuple(panels), len(study.AXES), looks | THEORY, NOTE)


def _draw_times(
    axes: Axes, ranges: Ranges, costs: Costs, backward: bool, axis: str, looks: dict[str, dict[str, Any]]
) -> None:
    sizes = ranges.sizes(axis)
    places = _places(axes, axis, sizes)
    for name, style in looks.items():
        seconds = _numbers(costs, name, sizes, backward, 'seconds')
        if seconds is not None:
            axes.plot(places, numpy.median(seconds, axis=1), **style)
            low, high = seconds.min(axis=1), seconds.max(axis=1)
            axes.fill_between(places, low, high, color=style['color'], alpha=0.2, lw=0)
    middle = costs.get(Cost(study.SCIPY, ranges.base, backward))
    if middle is not None:
        base = numpy.median(middle['seconds']) / study.expected_time(ranges.base)
        model = [base * study.expected_time(size) for size in sizes]
        axes.plot(places, model, **THEORY['R3: time B F F T, through scipy.signal'])
    axes.yaxis.set_major_formatter(EngFormatter('s'))
    axes.set_ylabel('time of a call: median, range')


def _draw_memory(
    axes: Axes, ranges: Ranges, costs: Costs, backward: bool, axis: str, looks: dict[str, dict[str, Any]]
) -> None:
    sizes = ranges.sizes(axis)
    places = _places(axes, axis, sizes)
    for name, style in looks.items():
        peaks = _numbers(costs, name, sizes, backward, 'peak_bytes')
        if peaks is not None:
            axes.plot(places, peaks.max(axis=1), **style)
    storage = [study.expected_storage(size, backward) for size in sizes]
    axes.plot(places, storage, **THEORY['R3: storage of the result'])
    axes.plot(places, [study.columns_storage(size) for size in sizes], **THEORY["im2col's columns"])
    axes.yaxis.set_major_formatter(EngFormatter('B'))
    axes.set_ylabel('peak memory')


def _numbers(
    costs: Costs, name: str, sizes: Iterable[Size], backward: bool, what: str
) -> numpy.ndarray | None:
    """Return a row of numbers for each size; None where a size was not measured."""
    found = [costs.get(Cost(name, size, backward)) for size in sizes]
    return None if None in found else numpy.array([each[what] for each in found if each])


def _places(axes: Axes, axis: str, sizes: Iterable[Size]) -> list[int]:
    places = [getattr(size, axis) for size in sizes]
    axes.set_xscale('log', base=2)
    axes.set_yscale('log')
    axes.set_xticks(places, [str(place) for place in places])
    axes.minorticks_off()
    axes.set_xlabel(study.AXES[axis])
    return places
