"""Builds the documentation: `make docs`."""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ['COLUMNS'] = '96'

import vgg_cifar  # noqa: E402
from vgg_cifar.cli import VERBS, parser  # noqa: E402

project = 'vgg-cifar'
copyright = 'the vgg-cifar authors, MIT licence'
version = release = vgg_cifar.__version__

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
exclude_patterns = ['_build', 'install']
myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 3

# A name in single quotes is what it names, where that is documented here.
default_role = 'py:obj'
napoleon_use_ivar = True
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_typehints_format = 'short'
autodoc_default_options = {'members': True, 'undoc-members': False, 'show-inheritance': False}

html_theme = 'furo'
html_title = f'vgg-cifar {version}'
html_copy_source = False
html_show_sphinx = False


class Commands(Directive):
    """A section for each verb of `vgg-cifar`, with what its --help prints."""

    def run(self):
        """Return the sections."""
        whole = parser(VERBS)
        verbs = next(each.choices for each in whole._actions if isinstance(each.choices, dict))
        return [self._section(f'vgg-cifar {name}', verb.format_help()) for name, verb in verbs.items()]

    def _section(self, title, text):
        section = nodes.section(ids=[nodes.make_id(title)])
        self.state.document.note_implicit_target(section)
        section += nodes.title(text=title)
        section += nodes.literal_block(text=text, language='text')
        return section


# Leads to the tables where the page is read in the repository.
INDEX = '[Every claim with its verdict](../results/index.md)'


def add_recorded(app, name, source):
    """Put the index of the recorded runs, whose pages are not in the site, where the page links to it."""
    if name == 'results':
        index = (ROOT / 'results' / 'index.md').read_text()
        _, _, tables = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', index).partition('\n')
        source[0] = source[0].replace(INDEX, tables)


# What axe-core finds in the theme: headings without a level, what scrolls but not by keys, a part without
# a name.
ACCESSIBLE = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<pre>': '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
}


def make_accessible(app, error):
    """Mend the pages that were built."""
    for page in Path(app.outdir).rglob('*.html') if error is None else ():
        text = page.read_text()
        for found, better in ACCESSIBLE.items():
            text = text.replace(found, better)
        page.write_text(text)


def setup(app):
    """Add the directive, and what is filled in."""
    app.add_directive('commands', Commands)
    app.connect('source-read', add_recorded)
    app.connect('build-finished', make_accessible)
    return {'parallel_read_safe': True}
