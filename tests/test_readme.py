"""What the README tells a user to type."""

import os
import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from processes import ROOT, python

from augment.__main__ import main as augment
from vgg_cifar.cli import main

README = (ROOT / 'README.md').read_text()
COMMANDS = [
    shlex.split(line.partition(' > ')[0])
    for block in re.findall(r'```sh\n(.*?)```', README, re.S)
    for line in block.splitlines()
]
NUMBER = re.compile(r'0\.\d\d')
# Run by .ci/run.
BY_CI = ('make', 'source', 'PIP_CONSTRAINT=constraints.txt')
# Made small: of a flag that is given twice, the last counts.
SMALL = {
    'train': ['-b', '10', '-e', '1', '--train-size', '20', '--test-size', '20'],
    'data': ['--train-size', '40', '--test-size', '20'],
}


def test_commands_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'docs').symlink_to(ROOT / 'docs')
    assert main(['data', 'shapes10', '-o', 'CIFAR10.hdf5', *SMALL['data']]) == 0
    ran = []
    for program, *words in COMMANDS:
        if program in BY_CI or words[:2] in (['data', 'cifar10'], ['reproduce', 'ie598']):
            # The latter two are run by their own tests: they need an archive, or an hour.
            continue
        if words[0] == 'run':
            result = python('-m', 'vgg_cifar', *words, cwd=tmp_path)
            printed = f'```\n{result.stderr}{result.stdout}```'
            assert NUMBER.sub('', printed) in NUMBER.sub('', README)
            # Their last digit depends on the processor.
            said = README[README.index('running it translated') :]
            found, wanted = NUMBER.findall(printed), NUMBER.findall(said)[: len(NUMBER.findall(printed))]
            assert [*map(float, found)] == pytest.approx([*map(float, wanted)], abs=0.03)
        elif program == 'python':
            assert words[:2] == ['-m', 'augment']
            assert augment(words[2:]) == 0
        else:
            assert program == 'vgg-cifar'
            status = main(words + SMALL.get(words[0], []))
            error = capsys.readouterr().err
            # Where there is no GPU, a command for one says so.
            assert status == 0 or ('-d' in words and 'use -d -1 for the CPU' in error), error
        ran.append(words[0])
    assert ran == ['train', 'train', 'data', '-m', 'run', 'export', 'export', 'predict']


def test_links_lead_somewhere():
    for target in re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', README):
        path = ''.join(target)
        assert path.startswith('https://') or (ROOT / path).exists(), path


def test_an_environment_that_is_active_is_not_made_anew(tmp_path):
    venv.create(tmp_path / 'active', with_pip=False)

    def wanted(*path):
        environment = {**os.environ, 'PATH': os.pathsep.join([*path, os.environ['PATH']])}
        told = ['make', '--no-print-directory', '--eval', 'wanted: ; @echo $(WANTED)', 'wanted']
        told.append(f'PYTHON={Path(sys.base_prefix) / "bin" / "python3"}' if not path else 'PYTHON=python3')
        return subprocess.run(
            told, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert wanted(str(tmp_path / 'active' / 'bin')) == wanted()
