"""Rebuilds a study's figures, tables, verdicts and page from its folder; trains nothing."""

import base64
import contextlib
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from vgg_cifar.atomic import write_json
from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import drawn, shown
from vgg_cifar.reporting import figures, tables, verdicts, wording
from vgg_cifar.reporting.canvas import pictured, styled
from vgg_cifar.reporting.pages import link, render
from vgg_cifar.reporting.verdicts import Judgement, Verdict, judge
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.training.settings_json import to_json

NO_PART_OF_A_RUN = ('data', 'seed')
INDEX_PAGE = 'index.html'
# Of a picture that was drawn before; the largest here are below 1 MB.
MOST_BYTES = 16 * 2**20


def build(folder: StudyFolder, in_index: bool = False) -> Path:
    """Write figures/, tables/, claims.json, report.md and report.html into `folder`; return the page's path.

    Works in the middle of a sweep: a line is drawn from the runs that there are, and the page says what is
    missing. The page links to the index of the folder above where there is one, or `in_index` says that there
    will be.

    Raises:
        InputError: a run in the folder is of other settings or images, so that a verdict would mix them.

    """
    folder.check_runs()
    judgements = [judge(folder, claim) for claim in folder.study.claims]
    changes = _changes(folder, judgements)
    done = _done(folder)
    write_json(folder.path / 'claims.json', _claims(folder, judgements, changes, done))
    shown_here = [each for each in judgements if folder.shows(each.claim)]
    sections = _sections(folder, judgements)
    timings = _timings(folder)
    content = {
        'folder': folder,
        'study': folder.study,
        'caption': folder.caption(),
        'judgements': shown_here,
        'changes': changes,
        'left_out': len(judgements) - len(shown_here),
        'called': {figure.id: figure.called or figure.id for figure in folder.study.figures},
        'counts': counts(shown_here),
        'in_short': _in_short(folder, shown_here, sections, changes, done),
        'sections': sections,
        'elsewhere': [each for each in judgements if not each.claim.figures],
        'rule': verdicts.RULE,
        'multiple': verdicts.MULTIPLE,
        'added_seeds': _added_seeds(folder),
        'needed': verdicts.NEEDED,
        'more_seeds': _more_seeds(folder),
        'scale': _scale(folder),
        'settings': _settings(folder),
        'timings': timings,
        'runs': _runs(folder),
        'made': _made(folder, timings),
        'index': f'../{INDEX_PAGE}' if in_index or (folder.path.parent / INDEX_PAGE).exists() else None,
    }
    return render(folder.path, 'report', content)


def counts(judgements: list[Judgement]) -> dict[Verdict, int]:
    """Return how many claims have each verdict."""
    return {verdict: sum(each.verdict is verdict for each in judgements) for verdict in Verdict}


def _changes(folder: StudyFolder, judgements: list[Judgement]) -> dict[str, list[dict[str, str]]]:
    """Return, by claim, the verdicts that are others at the other scales beside this folder."""
    changes: dict[str, list[dict[str, str]]] = {}
    for other in folder.at_other_scales():
        # What is wrong there is its own page's to complain about.
        with contextlib.suppress(InputError):
            other.check_runs()
            shared = [here for here in judgements if other.shows(here.claim)]
            verdicts_there = [judge(other, here.claim).verdict for here in shared]
            for here, there in zip(shared, verdicts_there, strict=True):
                if there is not here.verdict and Verdict.NOT_RUN not in (there, here.verdict):
                    change = {'scale': other.scale, 'verdict': there.value, 'link': link(other.path)}
                    changes.setdefault(here.claim.id, []).append(change)
    return changes


def _claims(
    folder: StudyFolder,
    judgements: list[Judgement],
    changes: Mapping[str, list[dict[str, str]]],
    done: Mapping[str, int],
) -> dict[str, Any]:
    return {
        'study': folder.study.id,
        'title': folder.title,
        'caption': folder.caption(),
        'scale': folder.scale,
        'seeds': folder.seeds,
        'more_seeds': dict(folder.more_seeds),
        'compute': folder.compute,
        'data': folder.data,
        'runs': done,
        'left_out': [claim.id for claim in folder.study.claims if not folder.shows(claim)],
        'rule': verdicts.RULE,
        'multiple_comparisons': ' '.join(filter(None, [verdicts.MULTIPLE, _added_seeds(folder)])),
        'central': list(folder.study.central),
        'claims': [
            verdicts.to_json(each) | {'at_other_scales': changes[each.claim.id]}
            if each.claim.id in changes
            else verdicts.to_json(each)
            for each in judgements
        ],
    }


def _sections(folder: StudyFolder, judgements: list[Judgement]) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = []
    there = {figure.id for figure in folder.shown_figures}
    for figure in folder.shown_figures:
        runs = [run for variant in figure.variants for run in folder.runs(variant)]
        rows = tables.rows(folder, figure)
        about = [each for each in judgements if figure.id in each.claim.figures]
        # Under the first of its figures that is shown.
        first = [each for each in about if next(id for id in each.claim.figures if id in there) == figure.id]
        section: dict[str, Any] = {
            'figure': figure,
            'caption': folder.caption(figure),
            'command': command(folder, figure),
            'missing': sum(run.result is None for run in runs),
            'wanted': len(runs),
            'judgements': first,
            'also': [each for each in about if each not in first],
            'picture': picture(folder, figure),
            'table': None,
            'predicted': [],
        }
        if figure.columns and any(run.log for run in runs):
            heads, cells = tables.shown(figure, rows)
            found = [tables.inside(column, row) for column in figure.columns for row in rows]
            section |= {
                'table': tables.write(folder, figure, rows).relative_to(folder.path).as_posix(),
                'heads': heads,
                'cells': cells,
                'predicted': (predicted := [each for each in found if each is not None]),
                'legend': wording.table_legend(figure, bool(predicted)),
            }
        sections.append(section)
    return sections


def picture(folder: StudyFolder, figure: Figure) -> dict[str, Any] | None:
    """Draw `figure` into figures/ and return what the page shows of it; None where there is nothing to draw.

    A figure that was drawn before stays where the files that it was drawn from are gone.
    """
    name = f'figure_{figure.id}'
    with styled():
        drawing = figures.make(folder, figure)
        if drawing is None:
            before = folder.path / 'figures' / f'{name}.svg'
            # The file may come from anyone: no link to another, and an image, in which no script runs.
            if before.is_symlink() or not before.is_file() or before.stat().st_size > MOST_BYTES:
                return None
            image = base64.b64encode(before.read_bytes()).decode()
            return {'image': image, 'note': 'As it was drawn before.'}
        title = f'{figure.name}: {figure.title}\n{drawn(folder.caption(figure), 200)}'
        return pictured(drawing, title, folder.path / 'figures', name)


def command(folder: StudyFolder, figure: Figure) -> str:
    """Return the command that makes a figure from nothing."""
    words = ['vgg-cifar', 'reproduce', folder.study.id, '--figure', figure.id, '--scale', folder.scale]
    # A figure that shares runs shows the seeds that another one has.
    words += ['--seeds', str(max(map(folder.seeds_of, figure.variants)))]
    if folder.compute != 'float32':
        words += ['--compute', folder.compute]
    if not folder.data['synthetic']:
        words += ['--data', shown(PurePath(folder.data['source']).name)]
    return shlex.join(words)


def _in_short(
    folder: StudyFolder,
    judgements: list[Judgement],
    sections: Sequence[Mapping[str, Any]],
    changes: Mapping[str, Any],
    done: Mapping[str, int],
) -> str:
    """Sum the page up in a few sentences."""
    central = counts([each for each in judgements if each.claim.id in folder.study.central])
    sentences = [f'{len(judgements)} claims: {wording.tally(counts(judgements))}']
    if any(central.values()):
        sentences[0] += f'; among the central ones {wording.tally(central)}'
    report, here = folder.study.base, folder.shared
    images = folder.training_images(here)
    share = images * here.epochs / (folder.study.images.training * report.epochs)
    epochs = counted(here.epochs, 'epoch')
    much = f'{100 * share:.2g} % of what' if share < 0.995 else 'as much as' if share < 1.005 else 'more than'
    early = ': the verdicts are about the beginning of training' if share < 0.2 else ''
    sentences.append(
        f'A run here sees {images:,} training images for {epochs}, {much} a run of the report sees{early}'
    )
    runs = f'Each variant has {counted(folder.seeds, "run")}'
    if done['finished'] < done['wanted']:
        missing = counted(done['wanted'] - done['finished'], 'is', 'are')
        runs = f'Of {done["wanted"]} runs, {folder.seeds} of each variant, {missing} missing or unfinished'
    sentences.append('; '.join([runs, *_more_seeds(folder)]))
    predicted = [each for section in sections for each in section['predicted']]
    if predicted:
        inside = sum(predicted) or 'none'
        sentences.append(
            f'Of {len(predicted)} numbers that the report gives, {inside} lie inside the 95 % prediction '
            'interval of the runs here'
        )
    changed = [each.claim.id for each in judgements if each.claim.id in changes]
    if changed:
        sentences.append(f'At another scale the verdict is another on {wording.listed(changed)}')
    return '. '.join(sentences) + '.'


def _done(folder: StudyFolder) -> dict[str, int]:
    """Return how many of the runs that were asked for are ``finished``, and how many are ``wanted``."""
    runs = folder.all_runs(folder.shown_figures)
    finished = sum(folder.run_folder(run.id).result is not None for run in runs)
    return {'finished': finished, 'wanted': len(runs)}


def _more_seeds(folder: StudyFolder) -> list[str]:
    """Say which figures' variants have more runs than the others."""
    found: dict[int, list[str]] = {}
    for figure in folder.shown_figures:
        if figure.id in folder.more_seeds:
            found.setdefault(folder.more_seeds[figure.id], []).append(figure.name)
    return [f'those of {wording.listed(names)} have {number}' for number, names in found.items()]


def _added_seeds(folder: StudyFolder) -> str:
    """Say which seeds were added to those of the beginning, and what that does to p; nothing without any."""
    first = folder.first_seeds or folder.seeds
    figures = folder.shown_figures
    names = [figure.name for figure in figures if folder.seeds_of_figure(figure) > first]
    if not names:
        return ''
    where = 'all figures' if len(names) == len(figures) else wording.listed(names)
    return (
        f'Of {where}, the seeds beyond the first {first} were added after the effects of those were known: '
        'there, p and the 2.5 % are a little too small.'
    )


def _scale(folder: StudyFolder) -> list[tuple[str, ...]]:
    """Return how much of the report's work a run does, as rows (what, in the report, here)."""
    report, here = folder.study.base, folder.shared
    images = folder.study.images.training, folder.training_images(here)
    seen = [count * settings.epochs for count, settings in zip(images, (report, here), strict=True)]
    steps = [count / settings.batch_size for count, settings in zip(seen, (report, here), strict=True)]
    return [
        ('training images', *(f'{count:,}' for count in images)),
        ('epochs', f'{report.epochs:,}', f'{here.epochs:,}'),
        ('images in a batch', f'{report.batch_size:,}', f'{here.batch_size:,}'),
        ('training steps', *(f'{count:,.0f}' for count in steps)),
        ('images seen in training', *(f'{count:,}' for count in seen)),
    ]


def _settings(folder: StudyFolder) -> list[tuple[str, str, str]]:
    """Return each setting with its value in the report and here."""
    report = to_json(folder.study.base)
    return [
        (name, _plain(report[name]), _plain(value))
        for name, value in to_json(folder.shared).items()
        if name not in NO_PART_OF_A_RUN
    ]


def _plain(value: Any) -> str:
    if value in (None, [], {}):
        return wording.NONE
    return str(value)


def _timings(folder: StudyFolder) -> list[dict[str, Any]]:
    found = []
    for timing in folder.study.timings_of(folder.shown_figures):
        content = folder.timing(timing)
        if content:
            path = folder.timing_path(timing).relative_to(folder.path).as_posix()
            found.append({**content, 'path': path, 'variants': list(content['variants'].values())})
    return found


def _runs(folder: StudyFolder) -> list[dict[str, Any]]:
    shown_in = {
        figure.id: {run.path.name for variant in figure.variants for run in folder.runs(variant)}
        for figure in folder.shown_figures
    }
    table = []
    for run in folder.all_runs(folder.shown_figures):
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


def _made(folder: StudyFolder, timings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return on what, when and by which commits runs and timings were made."""
    runs = {
        run.path: environment
        for run in (folder.run_folder(each.id) for each in folder.all_runs(folder.shown_figures))
        if (environment := run.environment)
    }
    machine_of = {path: wording.environment(each) for path, each in runs.items()}
    found = [*runs.values(), *(timing['environment'] for timing in timings)]
    counts = Counter(map(wording.environment, found))
    mixed = len({*machine_of.values()}) > 1
    return {
        'machines': [
            (each, count, _share(folder, machine_of, each) if mixed else '') for each, count in counts.items()
        ],
        'dates': _noted(found, 'date'),
        'commits': _noted(found, 'commit'),
    }


def _share(folder: StudyFolder, machine_of: Mapping[Path, str], machine: str) -> str:
    """Say how many runs of each figure a machine has done: processors differ in the last digits."""
    shares = []
    for figure in folder.shown_figures:
        machines = [
            machine_of.get(run.path)
            for run in dict.fromkeys(run for variant in figure.variants for run in folder.runs(variant))
        ]
        if machine in machines:
            shares.append(f'{figure.name}: {machines.count(machine)} of {len(machines)}')
    return f' ({"; ".join(shares)})' if shares else ''


def _noted(environments: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return the different values of a field, in order."""
    return sorted({shown(str(each[name])) for each in environments if each.get(name)})
