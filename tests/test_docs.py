"""What the documentation tells a user to type: every command is one that there is."""

import re
import shlex

import pytest
from processes import ROOT

from augment.__main__ import _merge_parser as merge_parser
from augment.__main__ import _parser as augment_parser
from vgg_cifar.cli import VERBS, parser

PAGES = [*sorted((ROOT / 'docs').glob('*.md')), ROOT / 'CIFAR10.hdf5.md']
COMMANDS = {'vgg-cifar': lambda: parser(VERBS), 'python -m augment merge': merge_parser}
COMMANDS['python -m augment'] = augment_parser


def commands(page):
    """Yield the name and the words of each command of ours in the page's blocks."""
    blocks = '\n'.join(re.findall(r'```sh\n(.*?)```', page.read_text(), re.S))
    for line in blocks.replace('\\\n', ' ').splitlines():
        for name in COMMANDS:
            _, found, words = re.split(r'[>&|;]', line)[0].partition(f'{name} ')
            if found:
                yield name, shlex.split(words, comments=True)
                break


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_commands_are_taken_by_their_parsers(page, capsys):
    for name, words in commands(page):
        try:
            COMMANDS[name]().parse_args(words)
        except SystemExit as end:
            assert end.code == 0, (name, words, capsys.readouterr().err)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_have_a_text_and_lead_somewhere(page):
    """Where the page is read in the repository, too, in which nothing is filled in."""
    for text, target in re.findall(r'(?<!!)\[([^]]*)\]\(([^)#]+)[^)]*\)', page.read_text()):
        assert text, target
        assert target.startswith('https://') or (page.parent / target).exists(), target


def test_the_site_has_the_table_of_claims_where_the_repository_has_a_link():
    (link,) = re.findall(r"^INDEX = '(.*)'", (ROOT / 'docs' / 'conf.py').read_text(), re.M)
    assert link in (ROOT / 'docs' / 'results.md').read_text()


def test_commands_are_found():
    assert sum(len([*commands(page)]) for page in PAGES) > 40
