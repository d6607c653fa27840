"""Sweeps over processes: real Dask clusters on this machine, real signals, workers that die."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from distributed import Client
from processes import run_code, scheduler_address

from vgg_cifar.errors import InputError
from vgg_cifar.stop_signals import STOP_SIGNALS
from vgg_cifar.sweeps.assignment import Assignment
from vgg_cifar.training.build import load_data
from vgg_cifar.training.settings import Settings


@pytest.fixture(scope='module')
def scheduler(tmp_path_factory):
    """The address of a scheduler with two workers, each a process of its own."""
    folder = tmp_path_factory.mktemp('dask')
    with Hosts(folder) as hosts:
        for name in ('one', 'two'):
            hosts.start_worker(name)
        with Client(hosts.address) as client:
            client.wait_for_workers(2, timeout=60)
        yield hosts.address


class Hosts:
    """A Dask scheduler and workers, started by their own commands."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        file = folder / 'scheduler.json'
        self._start('scheduler', '--host', '127.0.0.1', '--port', '0', '--scheduler-file', file)
        self.address = scheduler_address(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def start_worker(self, name, *options):
        """Start a worker, which has one thread unless `options` say otherwise."""
        options = options or ('--nthreads', '1')
        self._start('worker', self.address, '--name', name, '--local-directory', self.folder, *options)

    def _start(self, *arguments):
        command = [sys.executable, '-m', 'dask', *map(str, arguments), '--no-dashboard']
        with (self.folder / 'dask.log').open('a') as log:
            self.processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, 'OMP_NUM_THREADS': '1'})
            )


def none_left(group):
    """Wait until a process group has ended: Python's own helper processes do a moment later."""
    with contextlib.suppress(ProcessLookupError):
        for _ in range(500):
            os.killpg(group, 0)
            time.sleep(0.02)
        pytest.fail('a process is left')


def test_ctrl_c_stops_all_with_snapshots_and_leaves_no_process(reproduce, assert_same, under_way):
    command = reproduce('--jobs', '2')
    command.until_epoch(runs=2)
    command.signal(signal.SIGINT)
    status, _, errors = command.end()
    assert status == 130
    assert len(errors.splitlines()) == 1 and 'the same command goes on' in errors
    none_left(command.process.pid)
    assert under_way(command.out)
    for folder in under_way(command.out):
        assert (folder / 'snapshot.npz').exists()
    # In this process, with no Dask: what is left is the same work.
    status, _, errors = reproduce().end()
    assert status == 0, errors
    assert_same(command.out)


def test_sigterm_to_the_group_ends_no_worker(reproduce, under_way):
    """As scancel, systemd and a terminal that closes send it; no worker is started anew."""
    command = reproduce('--jobs', '2')
    command.until_epoch(runs=2)
    command.signal(signal.SIGTERM)
    # Less than a run that goes on to its end would take, and than Dask gives a worker that has died.
    status, _, errors = command.end(seconds=60)
    assert status == 128 + signal.SIGTERM
    assert len(errors.splitlines()) == 1 and 'stopped by SIGTERM' in errors
    none_left(command.process.pid)
    assert all((folder / 'snapshot.npz').exists() for folder in under_way(command.out))


def test_a_worker_heeds_no_stop_signal():
    code = f"""if True:
        import os
        from vgg_cifar.sweeps.dask_cluster import local_client
        if __name__ == '__main__':
            with local_client(1) as client:
                for number in {[int(number) for number in STOP_SIGNALS]}:
                    (before,) = client.run(os.getpid).values()
                    os.kill(before, number)
                    (after,) = client.run(os.getpid).values()
                    print(number, before == after)"""
    assert run_code(code) == ''.join(f'{int(number)} True\n' for number in STOP_SIGNALS)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_the_command_stops_the_workers_of_a_cluster(reproduce, scheduler, under_way, number):
    command = reproduce('--scheduler', scheduler)
    command.until_epoch()
    command.process.send_signal(number)
    status, _, errors = command.end()
    assert status == 128 + number
    assert len(errors.splitlines()) == 1 and f'stopped by {number.name}' in errors
    assert all((folder / 'snapshot.npz').exists() for folder in under_way(command.out))


def test_a_killed_workers_run_goes_on_with_another(reproduce, scheduler, assert_same):
    command = reproduce('--scheduler', scheduler)
    command.until_epoch()
    with Client(scheduler) as client:
        pids = client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
    status, output, errors = command.end()
    assert (status, errors) == (0, ''), output
    assert_same(command.out)


def test_a_killed_command_leaves_runs_that_the_next_one_gathers(reproduce, scheduler, assert_same):
    command = reproduce('--scheduler', scheduler)
    command.until_epoch()
    command.process.kill()
    command.process.communicate()
    status, output, errors = reproduce('--scheduler', scheduler).end()
    assert (status, errors) == (0, ''), output
    assert_same(command.out)


def test_a_failed_run_is_named_and_the_others_are_done(reproduce, scheduler, serial, assert_same, tmp_path):
    first = sorted(path.name for path in (serial / 'runs').iterdir())[0]
    broken = tmp_path / 'study' / 'runs' / first / 'settings.json'
    broken.parent.mkdir(parents=True)
    shutil.copy(serial / 'study.json', tmp_path / 'study')
    there = json.loads((serial / 'runs' / first / 'settings.json').read_text())
    broken.write_text(json.dumps({**there, 'batch_size': 7}))
    command = reproduce('--scheduler', scheduler)
    status, output, errors = command.end()
    assert status == 1
    assert len(errors.splitlines()) == 1
    assert f'1 of 4 runs failed, the same command tries again: {command.out}/runs/{first}' in errors
    assert 'this folder holds a run with batch_size 7' in errors
    assert len(list(command.out.glob('runs/*/result.json'))) == 3
    assert (command.out / 'report.html').exists()
    broken.unlink()
    status, output, errors = reproduce('--scheduler', scheduler).end()
    assert status == 0, errors
    assert '4 runs, 3 finished, 1 to do' in output
    assert_same(command.out)


def test_each_of_several_devices_has_a_worker(reproduce, assert_same):
    command = reproduce('-d', '@numpy,@numpy')
    status, output, errors = command.end()
    assert (status, errors) == (0, '')
    lines = [line for line in output.splitlines() if line.startswith('[')]
    assert ['2 running' in line for line in lines] == [True, True, False, False]
    assert_same(command.out)
    # The shallow network, the first of the figure, is the shortest run and is begun last.
    runs = sorted(
        (command.out / 'runs').iterdir(), key=lambda run: (run / 'settings.json').stat().st_mtime_ns
    )
    options = [json.loads((run / 'settings.json').read_text())['model_options'] for run in runs]
    assert [each.get('blocks') for each in options] == [None, None, None, 0]


def test_lost_scheduler_is_one_line(reproduce, tmp_path):
    with Hosts(tmp_path) as hosts:
        hosts.start_worker('one')
        command = reproduce('--scheduler', hosts.address)
        command.until_epoch()
        hosts.processes[0].kill()
        status, _, errors = command.end()
    assert status == 1
    assert 'the connection to the Dask scheduler is lost' in errors.splitlines()[-1]
    assert 'Traceback' not in errors


def test_a_refused_worker_leaves_nothing(reproduce, tmp_path):
    with Hosts(tmp_path) as hosts:
        hosts.start_worker('wide', '--nthreads', '2')
        with Client(hosts.address) as client:
            client.wait_for_workers(1, timeout=60)
        command = reproduce('--scheduler', hosts.address)
        status, _, errors = command.end()
    assert status == 2
    assert len(errors.splitlines()) == 1 and 'has 2 threads, expected 1' in errors
    assert not command.out.exists()


def test_without_dask_the_command_says_how_to_get_it(reproduce, serial, tmp_path):
    (tmp_path / 'hidden' / 'distributed').mkdir(parents=True)
    (tmp_path / 'hidden' / 'distributed' / '__init__.py').write_text('raise ImportError("none here")')
    command = reproduce('--jobs', '2', PYTHONPATH=f'{tmp_path / "hidden"}')
    status, _, errors = command.end()
    assert status == 2
    assert 'pip install ".[distributed]"' in errors
    assert not command.out.exists()
    # One run after the other imports no Dask.
    status, _, errors = reproduce(out=serial, PYTHONPATH=f'{tmp_path / "hidden"}').end()
    assert status == 0, errors


class OneThread:
    """What of a worker is looked at."""

    class state:
        nthreads = 1


@pytest.mark.parametrize(
    'change, found',
    [
        ({}, None),
        ({'fingerprint': 'another'}, 'all workers need the same file'),
        ({'folder': 'elsewhere'}, 'the workers must share this folder'),
    ],
)
def test_a_worker_that_cannot_take_part_says_why(tmp_path, change, found):
    (tmp_path / 'study.json').write_text('{}')
    images = Settings(train_size=20, test_size=10)
    given = {'folder': tmp_path, 'fingerprint': load_data(images).fingerprint, **change}
    given['folder'] = tmp_path / given['folder']
    assignment = Assignment('sweep', images=images, source='generated', devices=('-1',), **given)
    expected = contextlib.nullcontext() if found is None else pytest.raises(InputError, match=found)
    with expected:
        assignment.check(OneThread())
    assert found or assignment.data() is assignment.data(), 'loaded and hashed once'
