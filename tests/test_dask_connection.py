"""Clusters in which not everybody can take part: real ones, of processes."""

import functools
import logging
import os
import subprocess
import sys
import time

import distributed
import pytest
from processes import ROOT, scheduler_address

from vgg_cifar import dask_connection
from vgg_cifar.dask_connection import Team, connected
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.stop_signals import StopSignals


def accept(worker):
    """Any worker can take part."""


def refuse(error, worker):
    """No worker can."""
    raise error


@pytest.fixture
def start(tmp_path):
    """Start a scheduler or a worker by Dask's own commands, where wanted without this package."""
    started = []
    hide = tmp_path / 'hide.py'
    hide.write_text("import sys\nsys.modules['vgg_cifar'] = None\n")
    file = tmp_path / 'scheduler.json'

    def start(kind, package=True):
        options = ['--no-dashboard', '--scheduler-file', file, *([] if package else ['--preload', hide])]
        options += ['--host', '127.0.0.1']
        options += ['--port', '0'] if kind == 'scheduler' else ['--nthreads', '1', '--no-nanny']
        process = subprocess.Popen(
            [sys.executable, '-m', 'dask', kind, *map(str, options)],
            env={**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}'},
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        started.append(process)
        return scheduler_address(file, process)

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_late_worker_is_asked_and_left_out_where_it_has_not_the_package(start, caplog):
    address = start('scheduler')
    start('worker')
    # Its import has set it.
    level = logging.getLogger(distributed.__name__).level
    with connected(address) as client, StopSignals('nothing') as signals:
        team = Team(client, accept, patience=60)
        answers = dict(team.answers(shown, [f'{number}' for number in range(20)], signals))
        assert answers == {f'{number}': f'{number}' for number in range(20)}
        start('worker', package=False)
        for _ in team.answers(time.sleep, [0.2] * 300, signals):
            if 'left out: ' in caplog.text:
                break
        assert caplog.text.count('left out: worker at tcp://127.0.0.1:') == 1
        assert team.size == 1
        start('worker')
        for _ in team.answers(time.sleep, [0.2] * 300, signals):
            if team.size == 2:
                break
        assert team.size == 2
    assert logging.getLogger(distributed.__name__).level == level


def test_a_worker_without_the_package_is_one_line(start):
    address = start('scheduler')
    start('worker', package=False)
    with connected(address) as client, pytest.raises(InputError) as caught:
        Team(client, accept, patience=60)
    assert '\n' not in str(caught.value)
    assert 'worker at tcp://127.0.0.1:' in str(caught.value) and 'install vgg-cifar' in str(caught.value)


def test_a_scheduler_without_the_package_is_one_line(start):
    with connected(start('scheduler', package=False)) as client:
        start('worker')
        with pytest.raises(InputError) as caught:
            Team(client, accept, patience=60)
    assert str(caught.value).startswith('scheduler at tcp://127.0.0.1:')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('address', ['tcp://127.0.0.1:1', 'nowhere', 'nonsense://x'])
def test_no_scheduler_is_one_line(address, monkeypatch):
    monkeypatch.setattr(dask_connection, 'SECONDS_TO_CONNECT', 0.5)
    with pytest.raises(InputError) as caught, connected(address):
        pass
    assert str(caught.value).startswith(f'--scheduler {address}: no connection (')
    assert '\n' not in str(caught.value)


def test_versions_and_what_a_check_says_are_told_with_the_host(start, monkeypatch):
    address = start('scheduler')
    with connected(address) as client:
        with pytest.raises(InputError, match='has no workers; start some with `dask worker tcp:'):
            Team(client, accept, patience=0.1)
        start('worker')
        client.wait_for_workers(1)
        with pytest.raises(InputError, match=r'worker on \S+: no room here'):
            Team(client, functools.partial(refuse, InputError('no room here')), patience=60)
        monkeypatch.setattr(dask_connection, 'own_version', lambda: '0.0.1')
        monkeypatch.setattr(Team, '_check_scheduler', lambda self: None)
        with pytest.raises(InputError, match=r'found vgg-cifar \S+, expected 0.0.1 as here'):
            Team(client, accept, patience=60)
