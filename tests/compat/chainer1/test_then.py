"""Chainer 1's calls and whole trainings against what Chainer 1.24 itself gave on Python 2.7 (record.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from processes import python

HERE = Path(__file__).parent
THEN = json.loads((HERE / 'then.json').read_text())


@pytest.fixture(scope='module')
def now():
    # One thread: the networks are small.
    result = python('-m', 'vgg_cifar', 'run', HERE / 'then.py2', environment={'OMP_NUM_THREADS': '1'})
    assert result.stderr == 'then.py2: Python 2, Chainer 1: running it translated\n'
    return [json.loads(line) for line in result.stdout.splitlines()]


def numbers(value):
    return [number for part in value for number in numbers(part)] if isinstance(value, list) else [value]


def test_calls_and_losses_are_those_of_chainer_1(now):
    assert [name for name, _ in now] == [name for name, _ in THEN]
    for (name, then), (_, value) in zip(THEN, now, strict=True):
        # Losses of 20 steps to float32's rounding; of a gradient there are sums, in which much cancels.
        tolerance = 1e-5 if name.isidentifier() else 1e-4
        np.testing.assert_allclose(numbers(value), numbers(then), tolerance, tolerance, err_msg=name)


def test_arrays_can_what_they_could_in_python_3_too(tmp_path):
    (tmp_path / 'script.py').write_text(
        'import numpy as np\n'
        'from chainer import FunctionSet, functions as F\n'
        "assert float(np.array([[1.5]])) == 1.5 and int(np.array([2])) == 2 and int('1', 10) == 1\n"
        "assert np.array([1, 2], np.uint8).tostring() == b'\\1\\2'\n"
        '# Up to Chainer 1.4 parameters were arrays.\n'
        'model = FunctionSet(l=F.Linear(2, 2))\n'
        'for row in model.l.W:\n'
        '    for i in range(2): row[i] = i\n'
        "print([' '.join('%.1f' % x for x in row) for row in model.l.W], model.l.W.data.sum())\n"
    )
    result = python('-m', 'vgg_cifar', 'run', tmp_path / 'script.py')
    assert result.stdout == "['0.0 1.0', '0.0 1.0'] 2.0\n", result.stderr


def test_modules_are_found_where_they_were(tmp_path):
    (tmp_path / 'script.py').write_text(
        'import chainer, pickle\n'
        'import chainer.links.connection.n_step_lstm as n_step\n'
        'from chainer.functions.activation import lstm\n'
        'from chainer.functions.connection.n_step_gru import n_step_gru\n'
        'from chainer.functions import caffe\n'
        'from chainer.training.triggers.interval import IntervalTrigger\n'
        'from chainer import flag, function_set\n'
        'assert n_step.NStepLSTM is chainer.links.NStepLSTM and caffe.CaffeFunction and lstm.lstm\n'
        'assert flag.Flag(True) is chainer.ON and flag.Flag("off") is chainer.OFF\n'
        'assert function_set.FunctionSet is chainer.FunctionSet\n'
        'assert pickle.loads(pickle.dumps(chainer.functions.relu)) is chainer.functions.relu\n'
    )
    result = python('-m', 'vgg_cifar', 'run', tmp_path / 'script.py')
    assert result.returncode == 0, result.stderr
