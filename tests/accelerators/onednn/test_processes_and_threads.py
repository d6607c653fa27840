"""Forked workers, threads, and the count of threads."""

import math
import multiprocessing
import threading

import chainer
import chainer.functions as F
import numpy
import pytest
from both_paths import numbers
from worker import network_output, put_output

from vgg_cifar.accelerators.onednn import threads


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_worker_processes_do_not_hang(method):
    wanted = network_output()
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=put_output, args=(queue,))
    child.start()
    try:
        found, status = queue.get(timeout=60)
    finally:
        child.terminate()
        child.join()
    numpy.testing.assert_allclose(found, wanted, atol=1e-4)
    assert ('forked' in status) == (method == 'fork')


class _Transformed(chainer.dataset.DatasetMixin):
    """A data set whose examples come out of a convolution."""

    def __len__(self):
        return 8

    def get_example(self, i):
        return F.convolution_2d(numbers((1, 3, 8, 8), i), numbers((16, 3, 3, 3), 1), pad=1).array[0]


def test_multiprocess_iterator():
    network_output()
    dataset = _Transformed()
    with chainer.using_config('use_ideep', 'never'):
        wanted = [dataset[i] for i in range(8)]
    iterator = chainer.iterators.MultiprocessIterator(dataset, 4, repeat=False, shuffle=False, n_processes=2)
    try:
        found = [example for batch in iterator for example in batch]
    finally:
        iterator.finalize()
    numpy.testing.assert_allclose(numpy.stack(found), numpy.stack(wanted), atol=1e-4)


def test_a_graph_from_before_the_fork_says_what_is_wrong():
    def work(queue):
        try:
            y.backward()
        except Exception as error:
            queue.put(str(error))

    x = chainer.Variable(numbers((2, 3, 4, 4), 0))
    y = F.sum(F.convolution_2d(x, numbers((4, 3, 3, 3), 1)))
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    child = context.Process(target=work, args=(queue,))
    child.start()
    try:
        # The gradient of x is a deconvolution of its own, and falls back; nothing may hang either way.
        child.join(30)
        assert child.exitcode is not None
    finally:
        child.terminate()


def test_threads_compute_the_same_at_once():
    wanted = network_output()
    found = []

    def work():
        found.extend(network_output() for _ in range(5))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 20
    for y in found:
        numpy.testing.assert_allclose(y, wanted, atol=1e-4)


def test_control_group_limits(tmp_path):
    membership = tmp_path / 'cgroup'
    membership.write_text('0::/a/b\n')
    (tmp_path / 'fs/a/b').mkdir(parents=True)
    assert threads._cgroup_limit(membership, tmp_path / 'fs') == math.inf
    (tmp_path / 'fs/a/b/cpu.max').write_text('max 100000\n')
    (tmp_path / 'fs/a/cpu.max').write_text('150000 100000\n')
    assert threads._cgroup_limit(membership, tmp_path / 'fs') == 1.5

    membership.write_text('3:cpu,cpuacct:/a\n2:memory:/x\n')
    (tmp_path / 'fs/cpu,cpuacct').mkdir()
    (tmp_path / 'fs/cpu,cpuacct/cpu.cfs_quota_us').write_text('400000\n')
    (tmp_path / 'fs/cpu,cpuacct/cpu.cfs_period_us').write_text('100000\n')
    assert threads._cgroup_limit(membership, tmp_path / 'fs') == 4
    assert threads._cgroup_limit(tmp_path / 'missing') == math.inf
