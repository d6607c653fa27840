"""Runs that are cut, by every signal, and go on; real processes."""

import signal
import subprocess
import sys
import time

import numpy
import pytest

from vgg_cifar.training.run_folder import RunFolder

STEPS = 22  # an epoch: 220 images in batches of 10
TIMES = ('seconds', 'images_per_second', 'elapsed_time')


def command(tiny, folder):
    flags = '-b 10 -e 3 --validation-size 20 --optimizer momentum_sgd --lr 0.001 --lr-schedule linear'
    train = [sys.executable, '-m', 'vgg_cifar', 'train', '--data', str(tiny), *flags.split()]
    return [*train, '-o', str(folder)]


@pytest.fixture(scope='module')
def uninterrupted(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp('uninterrupted')
    subprocess.run(command(tiny, folder), check=True, capture_output=True)
    return folder


def start(tiny, folder, seconds):
    """Start a run and return it some time into its second epoch."""
    process = subprocess.Popen(
        command(tiny, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (folder / f'snapshot_iter_{STEPS}').exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(seconds)
    return process


def assert_same(one, two):
    """The same log, apart from the times, and the same weights, bit for bit."""
    logs = [
        [
            {name: value for name, value in entry.items() if name not in TIMES}
            for entry in RunFolder(folder).log
        ]
        for folder in (one, two)
    ]
    assert logs[0] == logs[1]
    for name in ('model.npz', 'best.npz', 'snapshot_iter_66'):
        with numpy.load(one / name) as a, numpy.load(two / name) as b:
            assert sorted(a.files) == sorted(b.files)
            for key in a.files:
                # The log travels in the snapshot as text, times included.
                if not any(word in key for word in ('_log', 'Throughput', 'elapsed')):
                    numpy.testing.assert_array_equal(a[key], b[key], err_msg=f'{name} {key}')


def test_sigkill_in_the_middle_of_an_epoch(tiny, uninterrupted, tmp_path):
    process = start(tiny, tmp_path, 0.3)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert RunFolder(tmp_path).result is None
    subprocess.run(command(tiny, tmp_path), check=True, capture_output=True)
    assert_same(uninterrupted, tmp_path)


@pytest.mark.parametrize('number, status', [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_stop_with_a_snapshot(tiny, uninterrupted, tmp_path, number, status):
    process = start(tiny, tmp_path, 0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (status, -number)
    assert 'the same command resumes it' in errors
    assert 'Traceback' not in errors
    # In the middle of an epoch, not at its end.
    (snapshot,) = RunFolder(tmp_path).snapshots()
    assert int(snapshot.name.rpartition('_')[2]) % STEPS
    resumed = subprocess.run(command(tiny, tmp_path), check=True, capture_output=True, text=True)
    assert f'goes on after step {snapshot.name.rpartition("_")[2]}' in resumed.stdout
    assert 'finished after 3 epochs' in resumed.stdout
    assert_same(uninterrupted, tmp_path)


def test_second_process_in_one_folder_is_refused(tiny, tmp_path):
    process = start(tiny, tmp_path, 0)
    # It must not end before the second has looked.
    process.send_signal(signal.SIGSTOP)
    second = subprocess.run(command(tiny, tmp_path), capture_output=True, text=True)
    process.kill()
    process.wait()
    assert second.returncode == 2
    assert 'another process is training in this folder' in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_leftovers_of_a_killed_writer_are_removed(tiny, uninterrupted, tmp_path):
    (tmp_path / '.snapshot_iter_22.abc.partial').write_bytes(b'half')
    (tmp_path / 'logabc').mkdir()
    (tmp_path / 'logabc' / 'log.json').write_text('[')
    subprocess.run(command(tiny, tmp_path), check=True, capture_output=True)
    assert not any('partial' in path.name or path.is_dir() for path in tmp_path.iterdir())
    assert_same(uninterrupted, tmp_path)
