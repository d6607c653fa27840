"""Renders the templates beside this file."""

import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from vgg_cifar.atomic import replacing
from vgg_cifar.counting import counted
from vgg_cifar.foreign_text import shown
from vgg_cifar.reporting import tables, wording

ROOM = 'vgg_cifar.reporting'


def render(folder: Path, name: str, content: Mapping[str, Any], room: str = ROOM, template: str = '') -> Path:
    """Write NAME.md and NAME.html into `folder`, from templates of the same name or the one given.

    The templates lie in the package `room`; those that all pages share lie beside this file.

    Returns:
        Path: of the HTML page.

    """
    rooms = dict.fromkeys((room, ROOM))
    templates = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(each, '.') for each in rooms]),
        autoescape=jinja2.select_autoescape(('html',)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.globals |= {'wording': wording, 'tables': tables, 'counted': counted}
    templates.filters |= {'shown': shown, 'cell': cell}
    for suffix in ('md', 'html'):
        path = folder / f'{name}.{suffix}'
        with replacing(path) as partial:
            partial.write_text(
                templates.get_template(f'{template or name}.{suffix}').render(content), encoding='utf-8'
            )
    return path


def link(folder: Path) -> str:
    """Return a folder's name as part of an address, whatever its bytes are."""
    return urllib.parse.quote(os.fsencode(folder.name))


def cell(text: str) -> str:
    """Return foreign text that ends no cell of a Markdown table and starts no HTML in it."""
    return text.replace('|', '\\|').replace('<', '&lt;')
