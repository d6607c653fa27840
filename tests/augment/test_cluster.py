"""The work spread over a real cluster: a scheduler and two workers, each a process of its own."""

import collections
import concurrent.futures
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy
import pytest
from distributed import Client
from processes import ROOT, scheduler_address

from augment import cluster, transforms
from augment.__main__ import EXAMPLES, main
from augment.journal import Journal, stamp
from augment.pipeline import Paths
from augment.provenance import version
from augment.recipe import Recipe
from vgg_cifar import dask_connection
from vgg_cifar.errors import InputError, InUse, WorkFailed

BLOCK = 16 * 4 * 768

# Cuts into pieces as small as the other tests' fixture. Notes each block before it is written, and waits
# there while a file `hold` names this row and this block, or ones before. A file `unseen` hides the source.
PRELOAD = """
import time
from pathlib import Path
from augment import cluster, layout, pipeline, skeleton, targets

layout.CHUNK_BYTES, layout.BLOCK_BYTES, skeleton.PIECE_BYTES = 16 * 768, 64 * 768, 4096
pipeline.SECONDS_BETWEEN_SYNCS = 0
folder, write, stamp = Path(FOLDER), targets.Target.write, cluster.stamp

def noted(self, number, *images):
    row = int(self._path.name[:9])
    with (folder / 'blocks').open('a') as file:
        file.write(f'{row} {number}\\n')
    while (folder / 'hold').exists():
        first_row, first_number = map(int, (folder / 'hold').read_text().split())
        if row < first_row or number < first_number:
            break
        time.sleep(0.02)
    return write(self, number, *images)

def seen(path):
    return stamp(path / 'nothing' if (folder / 'unseen').exists() else path)

def dask_setup(worker):
    targets.Target.write, cluster.stamp = noted, seen
"""


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, 'waited in vain'
        time.sleep(0.02)


class Processes:
    """A scheduler and its workers, in `folder`."""

    def __init__(self, folder):
        self.folder, self.running, self.workers = folder, [], []
        (folder / 'preload.py').write_text(PRELOAD.replace('FOLDER', repr(str(folder))))
        self._start('scheduler', '--port', '0')

    def start_worker(self):
        options = ['--nthreads', '1', '--no-nanny', '--memory-limit', '0', '--local-directory', self.folder]
        self.workers.append(self._start('worker', *options, '--preload', self.folder / 'preload.py'))

    def _start(self, name, *options):
        process = subprocess.Popen(
            [sys.executable, '-m', f'distributed.cli.dask_{name}', '--host', '127.0.0.1']
            + ['--dashboard-address', '127.0.0.1:0', '--scheduler-file', str(self.folder / 'scheduler.json')]
            + [str(option) for option in options],
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
            stderr=(self.folder / f'{name}{len(self.running)}.log').open('w'),
            stdout=subprocess.DEVNULL,
        )
        self.running.append(process)
        return process

    @property
    def address(self):
        return scheduler_address(self.folder / 'scheduler.json')

    @contextlib.contextmanager
    def held(self, row, block):
        """Keep workers from writing blocks from that row and number on."""
        (self.folder / 'blocks').write_text('')
        (self.folder / 'hold').write_text(f'{row} {block}')
        try:
            yield
        finally:
            (self.folder / 'hold').unlink()

    def blocks(self):
        """Return the (row of the shard, number) of each block that was begun since `held`."""
        return [tuple(map(int, line.split())) for line in (self.folder / 'blocks').read_text().splitlines()]

    def stop(self):
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait(30)


@pytest.fixture(scope='module')
def processes(tmp_path_factory):
    """Give a scheduler with two workers."""
    started = Processes(tmp_path_factory.mktemp('cluster'))
    try:
        started.start_worker()
        started.start_worker()
        assert started.address
        yield started
    finally:
        started.stop()


@pytest.fixture
def two_workers(processes):
    """Give it with two workers, though another test may have killed one."""
    import distributed

    while sum(process.poll() is None for process in processes.workers) < 2:
        processes.start_worker()
    with distributed.Client(processes.address, set_as_default=False) as client:
        wait_for(lambda: len(client.nthreads()) == 2)
    return processes


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Make a shard of each block."""
    monkeypatch.setattr(cluster, 'SHARD_BYTES', BLOCK)


def contents(path):
    """Return all values and attributes that a file holds, by name."""
    found = {}

    def add(name, item):
        found.update({f'{name}@{key}': numpy.asarray(value).tolist() for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype, item.chunks, item.compression, numpy.asarray(item[()]).tobytes())

    with h5py.File(path) as file:
        add('', file)
        file.visititems(add)
    return found


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def one_line(capsys):
    """Return what the command said: one line."""
    error = capsys.readouterr().err
    assert error.count('\n') == 1, error
    return error


@pytest.mark.parametrize('options', [[], ['--gzip', '1', '--rotate', '90', '--copies', 'flip', 'median']])
def test_the_output_is_that_of_one_machine(source, tmp_path, two_workers, options, capfd):
    whole, out = tmp_path / 'WHOLE.hdf5', tmp_path / 'OUT.hdf5'
    assert main([str(source), str(whole), *options]) == 0
    one = capfd.readouterr().out
    assert main([str(source), str(out), '--scheduler', two_workers.address, *options]) == 0
    other, errors = capfd.readouterr()
    assert errors == ''
    assert one.partition(': ')[2].partition('), ')[0] in other
    assert ('1 of one constant value' in other) == (not options)
    expected, found = contents(whole), contents(out)
    assert '--scheduler' in found.pop('@augment_command')
    expected.pop('@augment_command')
    assert found == expected
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5', 'WHOLE.hdf5']
    for log in two_workers.folder.glob('worker*.log'):
        assert all(' - distributed' in line for line in log.read_text().splitlines()), 'workers are silent'


def test_a_killed_worker_loses_nothing(source, tmp_path, two_workers, images, monkeypatch):
    monkeypatch.setattr(cluster, 'SHARD_BYTES', 3 * BLOCK)
    out = tmp_path / 'OUT.hdf5'
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with two_workers.held(0, 2):
            result = pool.submit(main, [str(source), str(out), '--scheduler', two_workers.address])
            wait_for(lambda: {(0, 2), (48, 2)} <= set(two_workers.blocks()))
            two_workers.workers[0].kill()
        assert result.result(60) == 0
    assert contents(out)['X_train'][3] == transforms.apply_copies(images).tobytes()
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5']
    # Only the block is written twice at which the worker was killed, and one that was not recorded yet.
    blocks = collections.Counter(two_workers.blocks())
    assert len(blocks) == 6
    twice = [block for block, count in blocks.items() if count > 1]
    assert twice in ([(0, 2)], [(48, 2)], [(0, 1), (0, 2)], [(48, 1), (48, 2)])


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_goes_on(source, tmp_path, two_workers, images, number):
    out = tmp_path / 'OUT.hdf5'
    code = f"""if True:
        import sys
        from augment import cluster, layout
        layout.CHUNK_BYTES, layout.BLOCK_BYTES, cluster.SHARD_BYTES = 16 * 768, 64 * 768, {BLOCK}
        from augment.__main__ import main
        sys.exit(main(sys.argv[1:]))"""
    arguments = [str(source), str(out), '--scheduler', two_workers.address]
    journal = Paths(out).journal
    with two_workers.held(32, 0):
        client = subprocess.Popen(
            [sys.executable, '-c', code, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda: len(two_workers.blocks()) == 4 and journal.read_text().count('\n') == 3)
        client.send_signal(number)
        _, error = client.communicate(timeout=60)
        assert client.returncode == 128 + number
        assert error.count('\n') == 1
        assert 'the same command goes on' in error
        assert not out.exists()
    assert main(arguments) == 0
    assert contents(out)['X_train'][3] == transforms.apply_copies(images).tobytes()
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5']
    # Two shards were finished, and two were being written, which a worker does to the end; one that the next
    # command asks for at the very moment at which it ends is written once more.
    blocks = two_workers.blocks()
    assert set(blocks) == {(row, 0) for row in range(0, 90, 16)}
    assert blocks.count((0, 0)) == blocks.count((16, 0)) == 1


def test_a_bad_image_is_one_line_and_finished_shards_stay(source, tmp_path, two_workers, images, capsys):
    with h5py.File(source, 'r+') as file:
        del file['X_train']
        file['X_train'] = images.astype('float32')
        file['X_train'][85, 0, 0, 0] = float('nan')
    arguments = [str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler', two_workers.address]
    assert main(arguments) == 2
    error = one_line(capsys)
    assert 'NaN or infinity' in error
    assert 'row 85' in error
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5.partial.journal', 'OUT.hdf5.shards']
    with h5py.File(source, 'r+') as file:
        file['X_train'][85] = images[85]
    assert main(arguments) == 2
    assert '--fresh to start anew' in one_line(capsys)
    wait_for(lambda: not list((tmp_path / 'OUT.hdf5.shards').glob('*.journal')))
    assert main([*arguments, '--fresh']) == 0
    assert contents(tmp_path / 'OUT.hdf5')['X_train'][3] == transforms.apply_copies(images).tobytes()
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5']


def test_killed_while_it_removes_the_shards_it_goes_on(source, tmp_path, two_workers, monkeypatch):
    arguments = [str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler', two_workers.address]

    def killed(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr('shutil.rmtree', killed)
        with pytest.raises(RuntimeError):
            main(arguments)
    before = (tmp_path / 'OUT.hdf5').read_bytes()
    assert len(names(tmp_path)) == 4
    assert main(arguments) == 0
    assert (tmp_path / 'OUT.hdf5').read_bytes() == before
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5']


def test_a_source_that_a_worker_does_not_see_is_one_line(source, tmp_path, two_workers, capsys):
    unseen = two_workers.folder / 'unseen'
    unseen.touch()
    try:
        assert main([str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler', two_workers.address]) == 2
    finally:
        unseen.unlink()
    error = one_line(capsys)
    assert 'worker on ' in error
    assert f'{source}: not readable' in error
    assert names(tmp_path) == ['IN.hdf5']


def test_what_cannot_begin_is_one_line(source, tmp_path, processes, monkeypatch, capsys):
    monkeypatch.setattr(dask_connection, 'SECONDS_TO_CONNECT', 0.5)
    monkeypatch.setattr(cluster, 'SECONDS_FOR_WORKERS', 0.5)
    arguments = [str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler']
    assert main([*arguments, 'tcp://127.0.0.1:1']) == 2
    assert 'tcp://127.0.0.1:1: no connection' in one_line(capsys)
    # One that is collected later can keep the next one from starting.
    assert not [each for each in gc.get_objects() if isinstance(each, Client) and each.status != 'running']
    assert main([*arguments, 'nonsense://x']) == 2
    assert 'nonsense://x: no connection' in one_line(capsys)
    assert main([*arguments, processes.address, '--rows', '0:10']) == 2
    assert '--rows, --scheduler' in one_line(capsys)
    assert main([*arguments, processes.address, '-d', '99']) == 2
    assert '--device 99' in one_line(capsys)
    with contextlib.closing(Journal(Paths(tmp_path / 'OUT.hdf5').journal)) as journal:
        assert main([*arguments, processes.address]) == 2
        assert 'another process is writing' in one_line(capsys)
        journal.delete()
    (tmp_path / 'OUT.hdf5').write_text('precious')
    assert main([*arguments, processes.address]) == 2
    assert 'exists already' in one_line(capsys)
    assert (tmp_path / 'OUT.hdf5').read_text() == 'precious'
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5']


def test_a_cluster_without_workers_or_scheduler_is_one_line(source, tmp_path, monkeypatch, capfd):
    (tmp_path / 'cluster').mkdir()
    other = Processes(tmp_path / 'cluster')
    try:
        arguments = [str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler', other.address]
        with monkeypatch.context() as patched:
            patched.setattr(cluster, 'SECONDS_FOR_WORKERS', 0.5)
            assert main(arguments) == 2
        assert 'has no workers' in one_line(capfd)
        assert names(tmp_path) == ['IN.hdf5', 'cluster']
        other.start_worker()
        with concurrent.futures.ThreadPoolExecutor() as pool, other.held(32, 0):
            result = pool.submit(main, arguments)
            wait_for(lambda: (32, 0) in other.blocks())
            other.running[0].kill()
            assert result.result(60) == 1
        assert 'the connection to the Dask scheduler is lost' in one_line(capfd)
        assert not (tmp_path / 'OUT.hdf5').exists()
    finally:
        other.stop()


def test_without_dask_it_says_how_to_get_it(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    assert main([str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler', 'tcp://127.0.0.1:1']) == 2
    assert 'pip install ".[distributed]"' in one_line(capsys)


def test_an_unfinished_output_of_one_machine_is_not_touched(source, tmp_path, two_workers, capsys):
    partial = tmp_path / 'OUT.hdf5.partial'
    partial.write_text('somebody else')
    arguments = [str(source), str(tmp_path / 'OUT.hdf5'), '--scheduler', two_workers.address]
    assert main(arguments) == 2
    assert f'{partial}: holds an unfinished output' in one_line(capsys)
    assert names(tmp_path) == ['IN.hdf5', partial.name]
    assert main([*arguments, '--fresh']) == 0
    assert names(tmp_path) == ['IN.hdf5', 'OUT.hdf5']


def test_the_example_runs(tmp_path, two_workers, monkeypatch, source):
    source.rename(tmp_path / 'CIFAR10.hdf5')
    monkeypatch.chdir(tmp_path)
    document = (ROOT / 'docs' / 'augment.md').read_text()
    for text in (EXAMPLES, document):
        (line,) = [
            line for line in text.splitlines() if 'python -m augment' in line and '--scheduler' in line
        ]
        command = line.split()[3:7]
        assert command[2] == '--scheduler'
        assert main([*command[:3], two_workers.address, '--overwrite']) == 0


@pytest.fixture
def job(source, tmp_path):
    """Give a job whose client is waiting."""
    out = tmp_path / 'OUT.hdf5'
    with h5py.File(source) as file:
        count = len(file['X_train'])
    sha256 = subprocess.run(['sha256sum', source], capture_output=True, text=True, check=True).stdout.split()[
        0
    ]
    identity = {'source_sha256': sha256, 'rows': [0, count], 'version': version('vgg-cifar')}
    made = cluster.Job(source, {source: stamp(source)}, out, Recipe(), '-1', '', identity)
    made.folder.mkdir()
    with contextlib.closing(Journal(Paths(out).journal)):
        yield made


def test_a_shard_in_use_is_waited_for(job, monkeypatch):
    shard = job.shard(slice(0, 32))
    monkeypatch.setattr(cluster, 'SECONDS_OF_PATIENCE', 0)
    with contextlib.closing(Journal(Paths(shard).journal)), pytest.raises(InUse, match='another process'):
        cluster.write_shard(job, slice(0, 32))
    monkeypatch.setattr(cluster, 'SECONDS_OF_PATIENCE', 60)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with contextlib.closing(Journal(Paths(shard).journal)):
            second = pool.submit(cluster.write_shard, job, slice(0, 32))
            time.sleep(0.2)
            assert not second.done()
            assert not Paths(shard).partial.exists()
        assert second.result(30) == 1
    written = stamp(shard)
    assert cluster.write_shard(job, slice(0, 32)) == 1, 'counted in the finished shard'
    assert stamp(shard) == written
    assert names(job.folder) == [shard.name]


def test_a_copy_of_the_source_will_do_but_no_other_file(job):
    os.utime(job.source, (1, 1))
    cluster.check_here(job)
    with job.source.open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        file.write(b'x')
    with pytest.raises(InputError, match='found another file'):
        cluster.check_here(job)


def test_a_folder_that_is_not_shared_is_refused(job, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(InputError, match='the lock on it is not seen'):
        patched.setattr('fcntl.flock', lambda *_: None)
        cluster.check_here(job)
    job.folder.rmdir()
    with pytest.raises(InputError, match='that all workers share'):
        cluster.check_here(job)


def test_a_file_that_does_not_come_to_be_seen_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, 'SECONDS_OF_PATIENCE', 0)
    with pytest.raises(WorkFailed, match='not seen here'):
        cluster._wait_for_files([tmp_path / 'x'])
