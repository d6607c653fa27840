"""The job array: as bash reads it, and as SLURM would run its tasks."""

import os
import signal
import subprocess

import pytest

from vgg_cifar.cli import main
from vgg_cifar.errors import InputError
from vgg_cifar.sweeps import slurm

# A deep network's task, which takes long enough to be cut in the middle.
CUT = 3


@pytest.fixture
def script(reproduce, tmp_path):
    """The script, as the command prints it."""
    command = reproduce('--print-slurm-array')
    status, output, errors = command.end()
    assert (status, errors) == (0, '')
    path = tmp_path / 'array.sh'
    path.write_text(output)
    return path


def task(script, index, **options):
    """Run what SLURM runs for a task of the array."""
    environment = {**os.environ, 'SLURM_ARRAY_TASK_ID': str(index), 'SLURM_CPUS_PER_TASK': '1', **options}
    return subprocess.Popen(
        ['bash', str(script)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_task_does_its_run_and_the_command_the_rest(script, tmp_path, reproduce, assert_same):
    assert subprocess.run(['bash', '-n', script]).returncode == 0
    lines = script.read_text().splitlines()
    assert '#SBATCH --array=0-3' in lines
    assert (tmp_path / 'study' / 'slurm').is_dir()
    process = task(script, 1)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert output.splitlines()[-1].endswith(': finished')
    _, output, _ = reproduce().end()
    assert '4 runs, 1 finished, 3 to do' in output
    assert_same(tmp_path / 'study')


def test_a_task_whose_time_is_up_is_requeued_and_goes_on(script, tmp_path, assert_same, under_way):
    """SLURM sends SIGUSR1 to the script alone, and is asked to queue the task again."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'scontrol').write_text(f'#!/bin/sh\necho "$@" > {tmp_path / "asked"}\n')
    (tmp_path / 'bin' / 'scontrol').chmod(0o755)
    path = f'{tmp_path / "bin"}:{os.environ["PATH"]}'
    process = task(script, CUT, SLURM_JOB_ID='42', PATH=path)
    while not under_way(tmp_path / 'study'):
        assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert 'stopped by SIGTERM' in errors
    assert (tmp_path / 'asked').read_text() == 'requeue 42\n'
    assert task(script, CUT).wait(120) == 0
    assert_same(tmp_path / 'study', runs=1)


def test_a_cancelled_task_is_not_requeued(script, tmp_path, under_way):
    """Scancel sends SIGTERM to the script and to what it has started."""
    process = subprocess.Popen(
        ['bash', str(script)],
        env={**os.environ, 'SLURM_ARRAY_TASK_ID': str(CUT), 'SLURM_JOB_ID': '42'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not under_way(tmp_path / 'study'):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert len(errors.splitlines()) == 1 and 'holds a snapshot' in errors


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--task', '4'), '--task is 4; expected one of 4 runs, numbered from 0'),
        (('--task', '-1'), '--task is -1'),
        (('--task', '0', '--jobs', '2'), 'leave out --jobs'),
        (('--print-slurm-array', '-d', '0,1'), 'on one -d'),
        (('--print-slurm-array', '--seeds', '400'), '1,600 runs, but SLURM takes 1,001 tasks in an array'),
    ],
)
def test_bad_usage_is_one_line(images, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    command = ['reproduce', 'cifar100_vgg38', '--scale', 'smoke', '--figure', 'solutions', '--data']
    assert main([*command, str(images), '-o', str(tmp_path / 'out'), *arguments]) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count('\n')) == ('', 1)
    assert message in errors
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('name', ['with space', 'per%cent', "quo'te", 'new\nline'])
def test_a_path_that_slurm_cannot_take_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(slurm, 'max_array_size', lambda: 1001)
    with pytest.raises(InputError, match='SLURM cannot take this path'):
        slurm.array_script('title', ['reproduce', 'ie598'], 3, tmp_path / name, gpu=False)
    assert not (tmp_path / name).exists()


def test_a_gpu_is_asked_for_where_the_device_is_one(tmp_path):
    script = slurm.array_script('title', ['reproduce', 'ie598', '-d', '0'], 3, tmp_path / 'out', gpu=True)
    assert '#SBATCH --gres=gpu:1\n' in script
