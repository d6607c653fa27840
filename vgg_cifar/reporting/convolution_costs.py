"""The figures, the table, the verdicts and the page of the study of convolutions, from its costs.json."""

import base64
import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy
from matplotlib.figure import Figure as Canvas

from vgg_cifar.atomic import replacing, write_json
from vgg_cifar.errors import InputError
from vgg_cifar.reporting import verdicts
from vgg_cifar.reporting.canvas import STYLE, line_style, save
from vgg_cifar.reporting.pages import render
from vgg_cifar.reporting.statistics import estimate_ratio
from vgg_cifar.reporting.verdicts import Judgement, Measured, Verdict
from vgg_cifar.studies import convolution_implementations as study
from vgg_cifar.studies.study import Claim, Cost, CostRatio, Size

COSTS = 'costs.json'
Costs = dict[Cost, dict[str, Any]]


def build(folder: Path) -> Path:
    """Write figures/, tables/, claims.json, report.md and report.html into `folder`; return the page's path.

    Raises:
        InputError: costs.json or study.json is not there or not readable.

    """
    scale = _read(folder / 'study.json')['scale']
    content = _read(folder / COSTS)
    sweep = study.SCALES[scale]
    costs: Costs = {
        Cost(each['implementation'], Size(*(each[axis] for axis in study.AXES)), each['backward']): each
        for each in content['costs']
    }
    judgements = [_judge(costs, claim) for claim in study.claims(sweep)]
    caption = f'{content["rounds"]} rounds in turn on {content["environment"]["processor"]} ({scale} scale)'
    facts = {
        'study': study.ID,
        'title': study.TITLE,
        'caption': caption,
        'scale': scale,
        'seeds': 1,
        'data': {'name': 'random numbers', 'synthetic': True, 'source': 'generated', 'fingerprint': ''},
    }
    write_json(folder / 'claims.json', {**facts, 'claims': [verdicts.to_json(each) for each in judgements]})
    _write_table(folder / 'tables' / 'costs.csv', content['costs'])
    figures = [_figure(folder, sweep, costs, backward, caption) for backward in (False, True)]
    page = {
        **facts,
        'source': study.SOURCE,
        'doc': study.__doc__,
        'figures': [(svg.stem, base64.b64encode(svg.read_bytes()).decode()) for svg in figures],
        'judgements': judgements,
        'counts': {verdict: sum(each.verdict is verdict for each in judgements) for verdict in Verdict},
        'rule': verdicts.RULE,
        'environment': content['environment'],
    }
    return render(folder, 'report', page, template='convolutions')


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f'{path}: not readable ({error}); `vgg-cifar reproduce {study.ID}` measures anew'
        ) from None


def _judge(costs: Costs, claim: Claim) -> Judgement:
    measured = tuple(_measure(costs, each) for each in claim.comparisons if isinstance(each, CostRatio))
    return Judgement(claim, verdicts.verdict(measured), measured)


def _measure(costs: Costs, comparison: CostRatio) -> Measured:
    sides = comparison.of, comparison.against
    missing = tuple(side.label for side in sides if side not in costs)
    if missing:
        return Measured(comparison, None, missing)
    of, against = (costs[side] for side in sides)
    if comparison.what == 'time':
        pairs = zip(of['seconds'], against['seconds'], strict=True)
    else:
        pairs = zip(of['peak_bytes'], against['peak_bytes'], strict=True)
    ratios = [a / b for a, b in pairs]
    return Measured(comparison, estimate_ratio(ratios, (comparison.low, comparison.high)), ())


def _write_table(path: Path, costs: Iterable[dict[str, Any]]) -> None:
    with replacing(path) as partial, partial.open('w', newline='', encoding='utf-8') as file:
        heads = ('implementation', *study.AXES, 'backward', 'median_seconds', 'peak_bytes')
        writer = csv.DictWriter(file, heads, extrasaction='ignore')
        writer.writeheader()
        for each in costs:
            median = f'{numpy.median(each["seconds"]):.6g}'
            writer.writerow({**each, 'median_seconds': median, 'peak_bytes': max(each['peak_bytes'])})


def _figure(folder: Path, sweep: study.Sweep, costs: Costs, backward: bool, caption: str) -> Path:
    """Draw time above and memory below, against each axis, with the reports' formulas laid over."""
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(14, 7), layout='constrained')
        all_axes = canvas.subplots(2, len(study.AXES), sharey='row', sharex='col')
        for column, (axis, label) in enumerate(study.AXES.items()):
            sizes = sweep.sizes(axis)
            places = [getattr(size, axis) for size in sizes]
            times, memory = all_axes[:, column]
            for number, name in enumerate(study.IMPLEMENTATIONS):
                here = [costs.get(Cost(name, size, backward)) for size in sizes]
                if None in here:
                    continue
                seconds = numpy.array([each['seconds'] for each in here if each])
                style = line_style(number)
                times.plot(places, numpy.median(seconds, axis=1), label=name, **style)
                low, high = seconds.min(axis=1), seconds.max(axis=1)
                times.fill_between(places, low, high, color=style['color'], alpha=0.2, lw=0)
                memory.plot(places, [max(each['peak_bytes']) for each in here if each], **style)
            base = numpy.median(costs[Cost(study.SCIPY, sweep.base, backward)]['seconds'])
            model = [base * study.expected_time(size) / study.expected_time(sweep.base) for size in sizes]
            formula = {'color': 'black', 'linestyle': (0, (1, 1)), 'linewidth': 3, 'alpha': 0.45}
            times.plot(places, model, label='R3: time B F F T, through scipy.signal', **formula)
            storage = [study.expected_storage(size, backward) for size in sizes]
            words = 'B F H W' if backward else "B F H' W'"
            memory.plot(places, storage, label=f'R3: storage {words}', **formula)
            columns = [study.columns_storage(size) for size in sizes]
            memory.plot(places, columns, label="im2col's columns", **{**formula, 'linestyle': (0, (4, 1))})
            for axes in (times, memory):
                axes.set_xscale('log', base=2)
                axes.set_yscale('log')
                axes.set_xticks(places, [str(place) for place in places])
                axes.minorticks_off()
            memory.set_xlabel(label)
        all_axes[0, 0].set_ylabel('seconds of a call: median, least to most')
        all_axes[1, 0].set_ylabel('peak memory (bytes)')
        pairs = [axes.get_legend_handles_labels() for axes in all_axes[:, 0]]
        handles, labels = (first + second for first, second in zip(*pairs, strict=True))
        canvas.legend(handles, labels, loc='outside lower center', ncols=4, frameon=False)
        way = 'backwards' if backward else 'forwards'
        canvas.suptitle(f'A convolution {way}, around {sweep.base.label}, float32\n{caption}', fontsize=10)
        return save(canvas, folder / 'figures', 'figure_backward' if backward else 'figure_forward')
