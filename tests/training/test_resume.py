"""Runs that are cut, by every signal, and go on; real processes."""

import io
import signal
import subprocess
import sys
import time

import pytest
from processes import python
from training.same_runs import assert_same, step

from vgg_cifar.training.run_folder import SNAPSHOT, RunFolder
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import train

STEPS = 22  # an epoch: 220 images in batches of 10


@pytest.fixture
def command(tiny, tmp_path):
    flags = '-b 10 -e 3 --validation-size 20 --optimizer momentum_sgd --lr 0.001 --lr-schedule linear'
    words = [sys.executable, '-m', 'vgg_cifar', 'train', '--data', str(tiny), *flags.split()]
    return [*words, '-o', str(tmp_path)]


@pytest.fixture(scope='module')
def settings(tiny):
    return Settings(
        data=str(tiny), batch_size=10, epochs=3, validation_size=20, optimizer='momentum_sgd', lr=0.001,
        lr_schedule='linear',
    )  # fmt: skip


@pytest.fixture(scope='module')
def uninterrupted(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp('uninterrupted')
    train(settings, folder)
    return folder


def start(command, folder, seconds):
    """Start a run and return it some time into its second epoch."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (folder / SNAPSHOT).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(seconds)
    return process


def test_sigkill_in_the_middle_of_an_epoch(command, settings, uninterrupted, tmp_path):
    process = start(command, tmp_path, 0.3)
    # Meanwhile it must not end.
    process.send_signal(signal.SIGSTOP)
    second = subprocess.run(command, capture_output=True, text=True)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert second.returncode == 2
    assert 'another process is training in this folder' in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert RunFolder(tmp_path).result is None
    train(settings, tmp_path)
    assert_same(uninterrupted, tmp_path)


@pytest.mark.parametrize('number, status', [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_stop_with_a_snapshot(command, settings, uninterrupted, tmp_path, number, status):
    process = start(command, tmp_path, 0.3)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors.endswith(
        f'stopped by {number.name}; {tmp_path} holds a snapshot, the same command resumes it\n'
    )
    assert 'stopping after this step' in printed
    # In the middle of an epoch, not at its end.
    stopped = step(tmp_path)
    assert stopped % STEPS
    output = io.StringIO()
    train(settings, tmp_path, output=output)
    assert f'goes on after step {stopped}' in output.getvalue()
    assert_same(uninterrupted, tmp_path)


LATE = """
import os, signal, sys
from pathlib import Path

from vgg_cifar.errors import Interrupted
from vgg_cifar.training import run_folder
from vgg_cifar.training.extensions import Evaluation, Throughput
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.train import train

settings = Settings(
    data=sys.argv[1], batch_size=20, epochs=2, model='mlp', model_options={'hidden': 1, 'units': 2},
)
reference = train(settings, Path(sys.argv[2], 'reference'))
last = reference['iteration']


def interrupt(where, wanted):
    # Sends a signal when `where` is called, and once only.
    owner, name = where
    original = getattr(owner, name)

    def called(*arguments, **options):
        if wanted(*arguments):
            setattr(owner, name, original)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments, **options)

    setattr(owner, name, called)


MOMENTS = {
    'step': ((Throughput, '__call__'), lambda self, trainer: trainer.updater.iteration == last),
    'evaluation': ((Evaluation, '__call__'), lambda self, trainer: trainer.updater.iteration == last),
    'snapshot': (
        (run_folder.RunFolder, 'replacing'),
        lambda self, name: name == 'snapshot.npz' and len(self.log) == 2,
    ),
    'weights': ((run_folder.RunFolder, 'replacing'), lambda self, name: name == 'model.npz'),
    'result': ((run_folder.RunFolder, 'write'), lambda self, name, _: name == 'result.json'),
}
for moment, (where, wanted) in MOMENTS.items():
    interrupt(where, wanted)
    folder = Path(sys.argv[2], moment)
    try:
        train(settings, folder, output=sys.stdout)
    except Interrupted as error:
        print(f'{moment}: {error}; exit {error.exit_status}')
    assert run_folder.RunFolder(folder).result['test/main/accuracy'] == reference['test/main/accuracy']
"""


def test_a_signal_in_a_runs_last_moments_is_not_lost(tiny, tmp_path):
    """The run is finished, and whoever has called for it is told to stop."""
    script = tmp_path / 'late.py'
    script.write_text(LATE)
    result = python(script, tiny, tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    for moment in ('step', 'evaluation', 'snapshot', 'weights', 'result'):
        assert f'{moment}: stopped by SIGTERM; {tmp_path / moment} is finished; exit 143' in lines
    assert lines.count('stopping after this step') == 5
