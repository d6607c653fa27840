"""Rebuilds a study's figures, tables, verdicts and page from its folder; trains nothing."""

import base64
from pathlib import Path
from typing import Any

from vgg_cifar.atomic import write_json
from vgg_cifar.reporting import figures, tables, verdicts, wording
from vgg_cifar.reporting.pages import render
from vgg_cifar.reporting.verdicts import Judgement, Verdict, judge
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.settings_json import to_json

NO_PART_OF_A_RUN = ('data', 'seed')


def build(folder: StudyFolder) -> Path:
    """Write figures/, tables/, claims.json, report.md and report.html into `folder`; return the page's path.

    Works in the middle of a sweep: a line is drawn from the runs that there are, and the page says what is
    missing.

    Raises:
        InputError: a run in the folder is of other settings or images, so that a verdict would mix them.

    """
    folder.check_runs()
    judgements = [judge(folder, claim) for claim in folder.study.claims]
    write_json(folder.path / 'claims.json', _claims(folder, judgements))
    content = {
        'folder': folder,
        'study': folder.study,
        'caption': folder.caption(),
        'judgements': judgements,
        'called': {figure.id: figure.called or figure.id for figure in folder.study.figures},
        'counts': {verdict: sum(each.verdict is verdict for each in judgements) for verdict in Verdict},
        'sections': _sections(folder, judgements),
        'elsewhere': [each for each in judgements if not each.claim.figures],
        'rule': verdicts.RULE,
        'multiple': verdicts.MULTIPLE,
        'settings': _settings(folder),
        'timings': _timings(folder),
        'runs': _runs(folder),
        'environments': _environments(folder),
    }
    return render(folder.path, 'report', content)


def _claims(folder: StudyFolder, judgements: list[Judgement]) -> dict[str, Any]:
    return {
        'study': folder.study.id,
        'title': folder.study.title,
        'caption': folder.caption(),
        'scale': folder.scale,
        'seeds': folder.seeds,
        'compute': folder.compute,
        'data': folder.data,
        'rule': verdicts.RULE,
        'multiple_comparisons': verdicts.MULTIPLE,
        'claims': [verdicts.to_json(each) for each in judgements],
    }


def _sections(folder: StudyFolder, judgements: list[Judgement]) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    for figure in folder.study.figures:
        runs = [run for variant in figure.variants for run in folder.runs(variant)]
        rows = tables.rows(folder, figure)
        section: dict[str, Any] = {
            'figure': figure,
            'missing': sum(run.result is None for run in runs),
            'judgements': [each for each in judgements if each.claim.figures[:1] == (figure.id,)],
            'also': [each for each in judgements if figure.id in each.claim.figures[1:]],
            'image': None,
            'table': None,
        }
        svg = figures.draw(folder, figure)
        if svg is not None:
            section['image'] = base64.b64encode(svg.read_bytes()).decode()
        if figure.columns and any(run.log for run in runs):
            heads, cells = tables.shown(figure, rows)
            section |= {
                'table': tables.write(folder, figure, rows).relative_to(folder.path).as_posix(),
                'heads': heads,
                'cells': cells,
            }
        sections.append(section)
    return sections


def _settings(folder: StudyFolder) -> list[tuple[str, str, str]]:
    """Return each setting with its value in the report and here."""
    report = to_json(folder.study.base)
    here = folder.study.base.replace(**folder.study.scales[folder.scale].settings, compute=folder.compute)
    return [
        (name, _plain(report[name]), _plain(value))
        for name, value in to_json(here).items()
        if name not in NO_PART_OF_A_RUN
    ]


def _plain(value: Any) -> str:
    if value in (None, [], {}):
        return wording.NONE
    return str(value)


def _timings(folder: StudyFolder) -> list[dict[str, Any]]:
    found = []
    for timing in folder.study.timings_of(folder.study.figures):
        content = folder.timing(timing)
        if content:
            path = folder.timing_path(timing).relative_to(folder.path).as_posix()
            found.append({**content, 'path': path, 'variants': list(content['variants'].values())})
    return found


def _runs(folder: StudyFolder) -> list[dict[str, Any]]:
    shown_in = {
        figure.id: {run.path.name for variant in figure.variants for run in folder.runs(variant)}
        for figure in folder.study.figures
    }
    table = []
    for run in folder.all_runs(folder.study.figures):
        there = folder.run_folder(run.id)
        log, result = there.log, there.result
        status = result['status'] if result else f'in epoch {len(log) + 1}' if there.settings else 'not run'
        table.append(
            {
                'id': run.id,
                'figures': ', '.join(figure for figure, ids in shown_in.items() if run.id in ids),
                'seed': run.settings.seed,
                'status': status,
                'epochs': f'{len(log)} of {run.settings.epochs}',
                'last': log[-1] if log else {},
                'seconds': sum(entry['seconds'] for entry in log) if log else None,
                'path': f'runs/{run.id}' if there.settings else None,
            }
        )
    return table


def _environments(folder: StudyFolder) -> list[tuple[dict[str, Any], int]]:
    """Return each environment that runs or timings were made in, and how many."""
    found: list[dict[str, Any]] = []
    for run in folder.all_runs(folder.study.figures):
        environment = folder.run_folder(run.id).environment
        if environment:
            found.append({name: value for name, value in environment.items() if name != 'data'})
    found += [timing['environment'] for timing in _timings(folder)]
    distinct = [each for number, each in enumerate(found) if each not in found[:number]]
    return [(each, found.count(each)) for each in distinct]
