"""Forked workers, threads, and the count of threads."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading

import chainer
import chainer.functions as F
import numpy
import pytest
from both_paths import numbers
from worker import network_output, put_output

from vgg_cifar import machine
from vgg_cifar.accelerators.onednn import library, linear, matrices, threads


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
    """The gradient of the weights would be oneDNN's, as the forward pass was; it must not hang."""

    def work(queue):
        try:
            F.sum(y).backward()
        except Exception as error:
            queue.put(str(error))
        else:
            queue.put('done')

    x, weights = numbers((2, 3, 4, 4), 0), chainer.Variable(numbers((4, 3, 3, 3), 1))
    y = F.convolution_2d(x, weights)
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    child = context.Process(target=work, args=(queue,))
    child.start()
    try:
        assert 'this process was forked; start workers by spawn' in queue.get(timeout=60)
    finally:
        child.terminate()
        child.join()


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


@pytest.mark.parametrize(
    'cores, given, number', [(1.5, None, 2), (0.5, None, 1), (1, '', 1), (1, 'abc', 1), (1, '2,1', 2)]
)
def test_threads_are_limited_to_the_cores_of_the_process(cores, given, number):
    code = f"""
from vgg_cifar import machine
machine.cores = lambda: {cores}
import os
from vgg_cifar.accelerators.onednn import library, threads
library.load()
print([threads.used(), os.environ.get('OMP_NUM_THREADS')])
"""
    environment = {**os.environ, 'VGG_CIFAR_ACCELERATOR': 'off'}
    environment.pop('OMP_NUM_THREADS', None)
    environment |= {} if given is None else {'OMP_NUM_THREADS': given}
    result = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True)
    assert result.stdout == f'{[number, given]}\n', result.stderr
    assert result.stderr == ''


@pytest.mark.parametrize(
    'given, spins',
    [({}, '20000'), ({'GOMP_SPINCOUNT': '7'}, '7'), ({'OMP_WAIT_POLICY': 'passive'}, '0')],
)
def test_threads_soon_sleep_unless_told_otherwise(given, spins):
    code = """
import os
from vgg_cifar.accelerators.onednn import library
before = dict(os.environ)
library.load()
assert before == dict(os.environ)
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('GOMP_', 'OMP_'))}
    environment |= {'VGG_CIFAR_ACCELERATOR': 'off', 'OMP_DISPLAY_ENV': 'verbose', **given}
    result = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"GOMP_SPINCOUNT = '{spins}'" in result.stderr


@pytest.mark.parametrize('small', [True, False])
def test_small_products_wake_no_other_threads(small, monkeypatch):
    seen = []
    dnnl = library.load()
    sgemm = dnnl.sgemm

    def watched(*given):
        seen.append(threads.used())
        return sgemm(*given)

    monkeypatch.setattr(dnnl, 'sgemm', watched)
    monkeypatch.setattr(matrices, 'SMALL', matrices.SMALL if small else 0)
    before = threads.used()
    threads._openmp().omp_set_num_threads(2)
    try:
        x, weights = numbers((3, 4), 0), numbers((5, 4), 1)
        y = linear.forward(x, weights, None)
        linear.backward_data(weights, y)
        linear.backward_weights(x, y)
        assert seen == [1 if small else 2] * 3
        assert threads.used() == 2
    finally:
        threads._openmp().omp_set_num_threads(before)


def test_work_alone_does_not_end_the_spreading(monkeypatch):
    monkeypatch.setattr(threads, '_places', threads._Places())
    before = threads.used()
    threads._openmp().omp_set_num_threads(2)
    try:
        threads.alone(threads.spread)
        assert threads._places.processors is None
        threads.spread()
        assert threads._places.processors is not None
    finally:
        threads._openmp().omp_set_num_threads(before)


SPREAD = """
import json, os, subprocess, sys, threading
import numpy, vgg_cifar
import chainer.functions as F
from vgg_cifar.accelerators.onednn import threads

def where(number=0):
    return sorted(os.sched_getaffinity(number))

def convolved(n=8):
    F.convolution_2d(numpy.ones((n, 16, 32, 32), 'f'), numpy.ones((16, 16, 3, 3), 'f'))

def masks():
    return {'main': where(), 'workers': [where(worker) for worker in threads._places.workers]}

before = where()
convolved()
found = {'before': before, 'spread': masks()}
child = subprocess.check_output([sys.executable, '-c', 'import os; print(sorted(os.sched_getaffinity(0)))'])
found['child'] = json.loads(child)
# Somebody takes all processors but one away, and gives them back.
os.sched_setaffinity(0, {before[-1]})
convolved()
found['narrow'] = masks()
os.sched_setaffinity(0, before)
convolved()
found['again'] = masks()
# OpenMP has ended its threads, and made others.
threads._places.workers = [2**22 - 1 for _ in threads._places.workers]
threads._places.around = None
convolved()
convolved()
found['others'] = masks()
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    'told', [{}, {'OMP_PROC_BIND': 'false'}, {'OMP_NUM_THREADS': '1'}, {'OMP_THREAD_LIMIT': '1'}]
)
def test_openmps_threads_keep_each_to_a_processor_and_nothing_else_does(told):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('GOMP_', 'OMP_'))} | told
    result = subprocess.run([sys.executable, '-c', SPREAD], env=environment, capture_output=True, text=True)
    found = json.loads(result.stdout or pytest.fail(result.stderr))
    processors = found.pop('before')
    assert found.pop('child') == processors
    narrow = found.pop('narrow')
    assert narrow == {'main': processors[-1:], 'workers': []}
    for masks in found.values():
        assert masks['main'] == processors
        if told or len(processors) != machine.cores():
            assert masks['workers'] == []
        else:
            (free,) = {*processors} - {processor for (processor,) in masks['workers']}
            assert sorted([[free], *masks['workers']]) == [[processor] for processor in processors]
