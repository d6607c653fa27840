"""The commands that --help and docs/augment.md show."""

import re
import shlex

import h5py
import numpy
import pytest
from processes import ROOT

from augment.__main__ import EXAMPLES, MERGE_EXAMPLES, main

DOCUMENT = (ROOT / 'docs' / 'augment.md').read_text()
SOURCES = {
    'help': EXAMPLES,
    'document': ''.join(re.findall(r'```sh\n(.*?)```', DOCUMENT, re.S)),
}


def commands(text):
    """Return the arguments of each command, without what explains it on the same line."""
    lines = [line.strip() for line in text.splitlines() if 'python -m augment ' in line]
    return [shlex.split(re.split(r' {3,}|#', line)[0])[3:] for line in lines]


@pytest.mark.parametrize('where', SOURCES)
def test_the_examples_run_one_after_another(where, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    random = numpy.random.RandomState(0)
    with h5py.File('CIFAR10.hdf5', 'w') as file:
        # A row for every thousand that the examples speak of.
        file['X_train'] = random.randint(0, 256, (50, 3, 8, 8)).astype('uint8')
        file['X_test'] = file['X_train'][:10]
        file['Y_train'], file['Y_test'] = numpy.arange(50) % 10, numpy.arange(10)
    examples = commands(SOURCES[where])
    assert len(examples) >= 5
    # A cluster has a test of its own.
    for command in (each for each in examples if '--scheduler' not in each):
        small = [argument.replace('25000', '25') for argument in command]
        assert main([*small, '--overwrite']) == 0, capsys.readouterr().err


def test_the_examples_of_merge_run(tmp_path, monkeypatch, source):
    for start, stop in ((0, 40), (40, 90)):
        assert (
            main([str(source), str(tmp_path / f'part{start // 40}.hdf5'), '--rows', f'{start}:{stop}']) == 0
        )
    monkeypatch.chdir(tmp_path)
    for command in commands(MERGE_EXAMPLES):
        # As the shell would do it.
        shards = sorted(path.name for path in tmp_path.glob('part*.hdf5'))
        names = [name for text in command for name in (shards if '*' in text else [text])]
        assert main([*names, '--overwrite']) == 0


def test_the_documents_python_runs():
    for block in re.findall(r'```python\n(.*?)```', DOCUMENT, re.S):
        names = {}
        exec(block, names)
        assert names['copies'].shape == (70, 3, 32, 32)
        assert names['smooth'].dtype == 'uint8'


def test_links_of_the_document_lead_somewhere():
    targets = re.findall(r'\]\(([^)]+)\)', DOCUMENT)
    assert targets
    for target in targets:
        assert (ROOT / 'docs' / target).exists(), target
