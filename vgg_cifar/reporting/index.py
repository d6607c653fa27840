"""One page over several studies: all their claims with their verdicts."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vgg_cifar import json_file
from vgg_cifar.counting import counted
from vgg_cifar.errors import InputError
from vgg_cifar.json_file import Record
from vgg_cifar.reporting.pages import link, render
from vgg_cifar.reporting.verdicts import Verdict
from vgg_cifar.studies import STUDIES
from vgg_cifar.studies.study_folder import INDEX, study_id

CLAIMS = 'claims.json'


def study_folders(path: Path) -> list[Path]:
    """Return the folders in `path` that hold a study, in the order of the reports."""
    order = list(STUDIES)

    def place(folder: Path) -> tuple[int, Path]:
        study = study_id(folder)
        return (order.index(study) if study in order else len(order)), folder

    return sorted((index.parent for index in path.glob(f'*/{INDEX}')), key=place)


def build(path: Path) -> Path:
    """Write index.html and index.md into `path` from the claims.json of each study's folder in it.

    Returns:
        Path: of the page.

    Raises:
        InputError: there is no study, or a claims.json is not readable.

    """
    studies = [_study(folder) for folder in study_folders(path)]
    if not studies:
        raise InputError(f'{path}: no study in it; expected folders made by `vgg-cifar reproduce`')
    claims = [{**claim, 'study': study} for study in studies for claim in study['claims']]
    # A study may have several folders, of other scales, with some of its figures each.
    judged = {_key(claim) for claim in claims if claim['verdict'] is not Verdict.NOT_RUN}
    claims = [
        claim for claim in claims if claim['verdict'] is not Verdict.NOT_RUN or _key(claim) not in judged
    ]
    verdicts = [claim['verdict'] for claim in claims]
    content = {
        'studies': studies,
        'claims': claims,
        'counts': {verdict: verdicts.count(verdict) for verdict in Verdict},
        'of': _of,
        'extent': _extent(claims),
    }
    return render(path, 'index', content)


def _extent(claims: Iterable[dict[str, Any]]) -> str:
    """Say how many claims there are, each of them once, however many folders judge it."""
    scales: dict[tuple[str, str], set[str]] = {}
    for claim in claims:
        scales.setdefault(_key(claim), set()).add(claim['study']['scale'])
    numbers = sorted(Counter(map(len, scales.values())).items())
    studies = len({study for study, _ in scales})
    texts = [f'{counted(len(scales), "claim")} of {counted(studies, "study", "studies")}']
    texts += [f'{count} of them at {number} scales' for number, count in numbers if number > 1]
    return ', '.join(texts)


def _key(claim: dict[str, Any]) -> tuple[str, str]:
    return claim['study']['study'], claim['id']


def _study(folder: Path) -> dict[str, Any]:
    path = folder / CLAIMS
    advice = f'`vgg-cifar report {folder}` writes it anew'
    try:
        content = json_file.record(path, advice)
    except FileNotFoundError:
        raise InputError(f'{path}: not there; {advice}') from None
    data = content.record('data')
    # What the folder's page does not show cannot be linked to.
    left_out = content.texts('left_out') if 'left_out' in content else []
    claims = [
        {
            'id': claim.text('id'),
            'statement': claim.text('statement'),
            'verdict': Verdict(claim.text('verdict', [verdict.value for verdict in Verdict])),
        }
        for claim in content.records('claims')
        if claim.text('id') not in left_out
    ]
    return {
        **{name: content.text(name) for name in ('study', 'title', 'caption', 'scale')},
        'seeds': _seeds(content),
        'data': {'name': data.text('name'), 'synthetic': data.truth('synthetic')},
        'central': content.texts('central'),
        'link': link(folder),
        'claims': claims,
    }


def _seeds(content: Record) -> str:
    """Say how many seeds there are, and how many runs where some are missing."""
    seeds = [content.whole('seeds', 1)]
    if 'more_seeds' in content:
        more = content.record('more_seeds')
        seeds += [more.whole(figure, 1) for figure in more]
    text = ' to '.join(map(str, sorted({min(seeds), max(seeds)})))
    if 'runs' in content:
        runs = content.record('runs')
        finished, wanted = runs.whole('finished'), runs.whole('wanted')
        if finished < wanted:
            text += f', {finished} of {wanted} runs'
    return text


def _of(study: dict[str, Any], verdict: Verdict) -> int:
    """Count a study's claims that have this verdict."""
    return sum(claim['verdict'] is verdict for claim in study['claims'])
