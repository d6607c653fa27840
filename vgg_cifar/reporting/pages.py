"""Renders the templates beside this file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from vgg_cifar.atomic import replacing
from vgg_cifar.reporting import tables, wording


def render(folder: Path, name: str, content: Mapping[str, Any], template: str | None = None) -> Path:
    """Write NAME.md and NAME.html into `folder`, from templates of the same name or the one given.

    Returns:
        Path: of the HTML page.

    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader('vgg_cifar.reporting', '.'),
        autoescape=jinja2.select_autoescape(('html',)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.globals |= {'wording': wording, 'tables': tables}
    for suffix in ('md', 'html'):
        path = folder / f'{name}.{suffix}'
        with replacing(path) as partial:
            partial.write_text(
                templates.get_template(f'{template or name}.{suffix}').render(content), encoding='utf-8'
            )
    return path
