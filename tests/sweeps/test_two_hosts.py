"""A scheduler with a worker on one host, a worker on another, and the wire between them cut."""

import os
import shutil
import subprocess
import sys
import time

import pytest

FIRST, SECOND = 'vgg-cifar-a', 'vgg-cifar-b'
ADDRESS = '10.77.0.1'
# So that a test notices in seconds what Dask by default notices in minutes.
IMPATIENT = {
    'DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL': '10s',
    'DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP': '13s',
    'DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT': '5s',
}


def ip(*arguments):
    return subprocess.run(['ip', *arguments], capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Two hosts (network namespaces) that a wire connects, gone in the end with all that runs on them."""
    if shutil.which('ip') is None or ip('netns', 'add', FIRST).returncode:
        pytest.skip('two hosts are two network namespaces: run as root, and apt-get install iproute2')
    processes = []
    try:
        ip('netns', 'add', SECOND)
        ip('link', 'add', 'wire-a', 'netns', FIRST, 'type', 'veth', 'peer', 'name', 'wire-b', 'netns', SECOND)
        for host, device, address in ((FIRST, 'wire-a', ADDRESS), (SECOND, 'wire-b', '10.77.0.2')):
            ip('-n', host, 'address', 'add', f'{address}/24', 'dev', device)
            for each in ('lo', device):
                assert ip('-n', host, 'link', 'set', 'dev', each, 'up').returncode == 0
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for host in (FIRST, SECOND):
            ip('netns', 'delete', host)


def on(host):
    return ('ip', 'netns', 'exec', host)


def test_a_worker_that_loses_the_network_loses_nothing(hosts, reproduce, assert_same, under_way, tmp_path):
    def start(host, *command):
        log = (tmp_path / 'dask.log').open('a')
        environment = {**os.environ, **IMPATIENT, 'OMP_NUM_THREADS': '1'}
        command = [*on(host), sys.executable, '-m', 'dask', *command, '--no-dashboard']
        hosts.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    start(FIRST, 'scheduler', '--host', ADDRESS, '--port', '8786')
    for host in (FIRST, SECOND):
        # Without a nanny, so that no process of another group is left when the test ends.
        start(
            host,
            'worker',
            f'tcp://{ADDRESS}:8786',
            '--nthreads',
            '1',
            '--no-nanny',
            '--local-directory',
            str(tmp_path),
        )
    deadline = time.monotonic() + 60
    while (tmp_path / 'dask.log').read_text().count('Registered to') < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    command = reproduce('--scheduler', f'tcp://{ADDRESS}:8786', prefix=on(FIRST), **IMPATIENT)
    command.until(lambda: len(under_way(command.out)) == 2)
    ip('-n', SECOND, 'link', 'set', 'dev', 'wire-b', 'down')
    status, output, errors = command.end()
    assert (status, errors) == (0, ''), output
    assert_same(command.out)
