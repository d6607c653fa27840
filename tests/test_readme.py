"""What the README tells a user to type."""

import re

import h5py
import numpy
import pytest
from processes import ROOT, python

COMMANDS = [
    line
    for block in re.findall(r'```sh\n(.*?)```', (ROOT / 'README.md').read_text(), re.S)
    for line in block.splitlines()
]
# Run by .ci/run.
BY_CI = ('make ', 'PIP_CONSTRAINT=', 'uv ')
# Run by the tests of these commands: they need an archive, a script, an earlier command's folder, a cluster.
ELSEWHERE = ('vgg-cifar data ', 'vgg-cifar run ', 'vgg-cifar report ', 'vgg-cifar reproduce ', 'mpiexec ')


@pytest.fixture
def here(tmp_path):
    """A folder with the data files that the README speaks of: small, of noise."""
    random = numpy.random.RandomState(0)
    for name in ('CIFAR10.hdf5', 'MINE.hdf5'):
        with h5py.File(tmp_path / name, 'w') as file:
            for part, count in (('train', 300), ('test', 100)):
                file[f'X_{part}'] = random.randint(0, 256, (count, 3, 8, 8)).astype('u1')
                file[f'Y_{part}'] = numpy.arange(count, dtype='i4') % 10
    return tmp_path


@pytest.mark.parametrize('command', [line for line in COMMANDS if not line.startswith(BY_CI + ELSEWHERE)])
def test_command_runs(here, command):
    program, *arguments = command.split()
    start = ['-m', 'vgg_cifar'] if program == 'vgg-cifar' else []
    if program == 'python' and arguments[0].startswith('scripts/'):
        start = [ROOT / arguments.pop(0)]
    # The command as it stands, made small: of a flag that is given twice, the last counts.
    if 'train' in arguments:
        arguments += ['-b', '50', '-e', '1', '--train-size', '100', '--test-size', '20']
    elif start and program == 'python':
        arguments += ['--scale', 'smoke']
    result = python(*start, *arguments, cwd=here)
    if '-d' in arguments and result.returncode == 2:
        # Where there is no GPU, a command for one says what is missing.
        assert 'or use -d -1 for the CPU' in result.stderr
    else:
        assert result.returncode == 0, result.stderr


def test_commands_are_known():
    assert len(COMMANDS) > 10
    programs = {line.split()[0] for line in COMMANDS if not line.startswith(BY_CI)}
    assert programs == {'vgg-cifar', 'python', 'mpiexec'}


def test_links_lead_somewhere():
    for target in re.findall(r'\]\(([^)]+)\)', (ROOT / 'README.md').read_text()):
        assert target.startswith('https://') or (ROOT / target).exists(), target


def test_python_blocks_run():
    for block in re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.S):
        assert python('-c', block).returncode == 0
