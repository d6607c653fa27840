"""A small study to spread: four networks of report R3, on images of noise."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy
import pytest
from processes import ROOT

TIMES = ('seconds', 'images_per_second', 'elapsed_time')


@pytest.fixture(scope='session')
def images(tmp_path_factory):
    """Path of a file of images: a deep network takes a second or two, enough to be cut in the middle."""
    random = numpy.random.RandomState(0)
    path = tmp_path_factory.mktemp('data') / 'noise.hdf5'
    with h5py.File(path, 'w') as file:
        for part, count in (('train', 600), ('test', 200)):
            file[f'X_{part}'] = random.randint(0, 256, (count, 3, 20, 20)).astype('u1')
            file[f'Y_{part}'] = numpy.arange(count, dtype='i4') % 10
    return path


def runs_under_way(out):
    """Return the folders of a study's runs that have an epoch behind them, and another before them."""
    logs = out.glob('runs/*/log')
    return [log.parent for log in logs if not (log.parent / 'result.json').exists()]


@pytest.fixture
def under_way():
    """Tell which runs of a study's folder are under way."""
    return runs_under_way


class Command:
    """`vgg-cifar reproduce` of one figure in a process of its own, which may be waited for or stopped."""

    def __init__(self, images, out, *arguments, prefix=(), **environment):
        command = [*prefix, sys.executable, '-m', 'vgg_cifar', 'reproduce', 'cifar100_vgg38']
        command += ['--scale', 'smoke', '--figure', 'solutions', '--data', images, '-o', out, *arguments]
        self.out = out
        self.process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A process group of its own, as a shell gives to what is typed into it.
            start_new_session=True,
        )

    def until(self, condition, seconds=120):
        """Wait until `condition` holds, while the command goes on."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def until_epoch(self, runs=1):
        """Wait until so many runs have finished their first epoch, and none of them its last."""
        self.until(lambda: len(runs_under_way(self.out)) >= runs)

    def signal(self, number):
        """Send a signal to the command and to all that it has started, as a terminal does for Ctrl-C."""
        os.killpg(self.process.pid, number)

    def end(self, seconds=120):
        """Return the exit status, the output and the errors."""
        try:
            output, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return self.process.returncode, output, errors


@pytest.fixture
def reproduce(images, tmp_path):
    """Start a command into a folder of the test's; what is left of it in the end is killed."""
    started = []

    def start(*arguments, out=None, **options):
        started.append(Command(images, out or tmp_path / 'study', *arguments, **options))
        return started[-1]

    yield start
    for command in started:
        if command.process.poll() is None:
            os.killpg(command.process.pid, signal.SIGKILL)
            command.process.wait()


@pytest.fixture(scope='session')
def serial(images, tmp_path_factory):
    """The folder of the same study, done one run after the other in one process."""
    command = Command(images, tmp_path_factory.mktemp('serial'))
    status, _, errors = command.end()
    assert status == 0, errors
    return command.out


@pytest.fixture
def assert_same(serial):
    """Compare a folder's runs with the serial ones: the same files, settings, logs and weights."""

    def compare(out, runs=4):
        names = sorted(path.name for path in (out / 'runs').iterdir())
        assert len(names) == runs
        for name in names:
            one, two = serial / 'runs' / name, out / 'runs' / name
            assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
            assert (one / 'settings.json').read_text() == (two / 'settings.json').read_text()
            environments = [json.loads((path / 'environment.json').read_text()) for path in (one, two)]
            for each in environments:
                # Midnight may have passed, or a commit have been made.
                each.pop('date')
                each.pop('commit', None)
            assert environments[0] == environments[1]
            logs = [
                re.sub(rf'"({"|".join(TIMES)})": [0-9.e-]+', '', (path / 'log').read_text())
                for path in (one, two)
            ]
            assert logs[0] == logs[1]
            for file in ('model.npz', 'best.npz'):
                with numpy.load(one / file) as a, numpy.load(two / file) as b:
                    assert sorted(a.files) == sorted(b.files)
                    for key in a.files:
                        numpy.testing.assert_array_equal(a[key], b[key], err_msg=f'{name} {file} {key}')

    return compare
