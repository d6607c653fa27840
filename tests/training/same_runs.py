"""What two runs must have in common to be the same."""

import numpy

from vgg_cifar.training.run_folder import BEST, MODEL, SNAPSHOT, RunFolder

TIMES = ('seconds', 'images_per_second', 'elapsed_time')


def scores(folder):
    """The log without its times."""
    return [
        {name: value for name, value in entry.items() if name not in TIMES} for entry in RunFolder(folder).log
    ]


def step(folder):
    """The step at which the snapshot was taken."""
    with numpy.load(folder / SNAPSHOT) as arrays:
        return int(arrays['updater/iteration'])


def assert_same(one, two):
    """The same log, apart from the times, and the same weights and state, bit for bit."""
    assert scores(one) == scores(two)
    for name in (MODEL, BEST, SNAPSHOT):
        with numpy.load(one / name) as a, numpy.load(two / name) as b:
            assert sorted(a.files) == sorted(b.files)
            for key in a.files:
                # The log travels in the snapshot as text, times included.
                if not any(word in key for word in ('_log', 'Throughput', 'elapsed')):
                    numpy.testing.assert_array_equal(a[key], b[key], err_msg=f'{name} {key}')
