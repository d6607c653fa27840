"""Prepares Chainer before any test module imports it."""

import os
import signal

# What nohup has the suite ignore, its tests have to hear.
if hasattr(signal, 'SIGHUP'):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The suite runs in as many processes as there are cores. Threads that wait for each other while other
# processes hold the cores would take many times as long; tests of threads set the number themselves.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import hypothesis

from vgg_cifar.compat import chainer7

# No test is timed: the machine may be busy.
hypothesis.settings.register_profile('untimed', deadline=None)
# Where a failure is expected, its smallest example is of no interest.
UNSHRUNK = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
hypothesis.settings.register_profile('no-shrinking', deadline=None, phases=UNSHRUNK)
hypothesis.settings.load_profile('untimed')


def pytest_configure(config):
    """Leave out what Chainer's age makes others say, as for a user; pytest sets filters of its own."""
    for message, category, module in chainer7.AGE_WARNINGS:
        config.addinivalue_line('filterwarnings', f'ignore:{message}:{category.__name__}:{module}')
