"""Sources whose dialect is found, and others that only look like it."""

import pytest

from vgg_cifar.compat import dialect

CHAINER = 'import chainer, chainer.functions as F, chainer.links as L\nfrom chainer import Variable\n'

PYTHON_2 = (
    'print "a"',
    'print (a), b',
    'print >>f, "a"',
    'print >> f',
    'print("a"), b',
    'print ("%d %d") % (1, 2)',
    'import cPickle',
    'import urllib2 as u',
    'x = xrange(3)',
    'd.iteritems()',
    'd.has_key(1)',
    'raw_input("?")',
    'x = 0777',
    'x = `1`',
    'raise A, "b"',
    'try: pass\nexcept A, e: pass',
    'exec "a = 1"',
    'x = a[n / 2:]',
    'for i in range(n / 2): pass',
    'x = zip(a, b)[0]',
    'x = d.keys()[0]',
    'x = filter(f, a)\nx[0]',
    'class A: pass\nA.x = map(f, a)\nlen(A.x)',
    'x = np.array(map(f, a))\nimport numpy as np',
    'from itertools import izip',
    'import sys; reload(sys); sys.setdefaultencoding("utf8")',
    'if 1:\n\tx = 1\n        y = 1',
    'from types import MethodType\nx = MethodType(f, a, A)',
)
PYTHON_3 = (
    'print("a")',
    '"""print a"""  # xrange(3)',
    'try:\n    import cPickle as pickle\nexcept ImportError:\n    import pickle',
    'try: xrange\nexcept NameError: xrange = range\nx = xrange(3)',
    'import sys\nif sys.version_info[0] == 2: x = unicode("a")',
    'import six; six.iteritems(d)',
    'import pandas as pd; df.iteritems()',
    'def f(reduce): return reduce(1)',
    'def f():\n    x = ',
    'print "a"\nasync def f(): pass',
    'x = a[n // 2]',
    'from types import MethodType\nx = MethodType(f, a)',
    'x = list(zip(a, b))[0]',
    'def f():\n    x = zip(a, b)\ndef g(x): return x[0]',
    'x = zip(a, b)\nx = list(x)\nx[0]',
    'for x in zip(a, b): x[0]\nx = map(a, b)',
)
CHAINER_1 = (
    'h = F.dropout(x, 0.5, train)',
    'h = F.dropout(x, train=train)',
    'x = Variable(a, volatile=True)',
    'x = chainer.Variable(a, "on")',
    'L.Linear(1, 2, wscale=2)',
    'L.Linear(1, 2, bias=2)',
    'F.relu(x, use_cudnn=False)',
    'm = chainer.FunctionSet(l=F.Linear(1, 2))',
    'from chainer import FunctionSet',
    'm.l = F.Linear(1, 2)',
    'o.zero_grads()',
    'o.weight_decay(0.1)',
    'm.bn = L.BatchNormalization(1)\nm.bn(x, True)',
    'C(bn=L.BatchNormalization(1))\nm.bn(x, test=True)',
    'from chainer.functions import caffe',
)
CHAINER_7 = (
    'F.dropout(x, 0.5)',
    'L.Linear(1, 2)',
    '# F.dropout(x, train=True)',
    'def dropout(x, train): pass\ndropout(x, train=True)',
    'try: L.Linear(1, 2, wscale=2)\nexcept TypeError: L.Linear(1, 2)',
    'from chainer.utils import type_check\ntype_check.Variable(1, "on")',
    'if chainer.__version__ < "2": x = Variable(a, volatile=True)',
    'def f(self):\n    with self.init_scope(): self.l = L.Linear(1, 2)\nx = Variable(a, volatile=True)',
    'with chainer.using_config("train", False): F.relu(x, use_cudnn=False)',
    'chainer.config.train = False\no.zero_grads()',
)


def found(tmp_path, source):
    path = tmp_path / 'a.py'
    path.write_text(source + '\n')
    result = dialect.find(path, tmp_path)
    return result.python, result.chainer


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        *((source, (2, 7)) for source in PYTHON_2),
        *((source, (3, 7)) for source in PYTHON_3),
        *((CHAINER + source, (3, 1)) for source in CHAINER_1),
        *((CHAINER + source, (3, 7)) for source in CHAINER_7),
    ],
    ids=lambda value: repr(value.removeprefix(CHAINER)) if isinstance(value, str) else None,
)
def test_the_dialect_of_a_source(tmp_path, source, expected):
    assert found(tmp_path, source) == expected


def test_a_programs_other_sources_count(tmp_path):
    (tmp_path / 'net').mkdir()
    (tmp_path / 'net' / '__init__.py').write_text('from net.deep import f\n')
    (tmp_path / 'net' / 'deep.py').write_text(
        CHAINER + 'def f(x): return F.dropout(x, train=True)\nprint 1\n'
    )
    (tmp_path / 'unused.py').write_text('this is no Python')
    assert found(tmp_path, 'import net') == (2, 1)


def test_a_program_that_one_file_shows_to_be_chainer_2_is_not_chainer_1(tmp_path):
    (tmp_path / 'net.py').write_text('import chainer\nchainer.config.train = True\n')
    assert found(tmp_path, 'import net\n' + CHAINER + CHAINER_1[0]) == (3, 7)
    assert dialect.find(tmp_path / 'a.py', tmp_path, chainer=1).chainer == 1
