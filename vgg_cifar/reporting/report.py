"""Rebuilds a study's figures, tables and page from its run folders; trains nothing."""

import base64
from pathlib import Path
from typing import Any

import jinja2

from vgg_cifar.atomic import replacing
from vgg_cifar.errors import InputError
from vgg_cifar.reporting import figures, tables
from vgg_cifar.studies.study_folder import StudyFolder


def build(folder: StudyFolder) -> Path:
    """Write figures/, tables/ and report.html into `folder`; return the page's path.

    Works in the middle of a sweep: a line is drawn from the runs that there are, the tables say how
    many of how many.

    Raises:
        InputError: no run has been logged yet.

    """
    sections: list[dict[str, Any]] = []
    drawn = folder.figures()
    for figure in drawn:
        png, _ = figures.draw(folder, figure)
        rows = tables.rows(folder, figure)
        sections.append(
            {
                'figure': figure,
                'image': base64.b64encode(png.read_bytes()).decode(),
                'table': tables.write(folder, figure, rows).relative_to(folder.path),
                'rows': rows,
            }
        )
    if not sections:
        raise InputError(f'{folder.path}: no run has finished an epoch yet; run `vgg-cifar reproduce` first')
    environment = next(
        run.environment
        for figure in drawn
        for variant in figure.variants
        for run in folder.runs(variant)
        if run.environment
    )
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader('vgg_cifar.reporting', '.'),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = templates.get_template('report.html').render(
        folder=folder, caption=folder.caption(), sections=sections, environment=environment
    )
    path = folder.path / 'report.html'
    with replacing(path) as partial:
        partial.write_text(page)
    return path
