"""Chainer on this Python and NumPy: each repair by the feature that needs it, each in a fresh process."""

import pytest
from processes import python, run_code

# For the modules that some Pythons lack, so that all of them see the same.
WITHOUT_OLD_MODULES = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ('pkg_resources', 'numpy.distutils'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Missing())
"""


def test_importing_the_package_first_is_enough():
    assert run_code('import vgg_cifar, chainer; print(chainer.__version__)') == '7.8.1\n'


def test_importing_the_package_does_not_import_chainer():
    assert run_code("import vgg_cifar, sys; print('chainer' in sys.modules)") == 'False\n'


def test_chainer_imports_without_numpy_distutils_and_pkg_resources():
    code = WITHOUT_OLD_MODULES + (
        'import vgg_cifar, chainer, chainer.gradient_check\n'
        "print('pkg_resources' in sys.modules, 'numpy.distutils' in sys.modules)"
    )
    assert run_code(code) == 'False False\n'


def test_requirements_of_chainer_testing_are_checked_without_pkg_resources():
    code = WITHOUT_OLD_MODULES + (
        'import vgg_cifar\n'
        'from chainer import testing\n'
        'def skipped(decorator):\n'
        "    return getattr(decorator(lambda self: None), '__unittest_skip__', False)\n"
        "print(skipped(testing.with_requires('numpy>=1.20')), skipped(testing.with_requires('numpy<1.20')),\n"
        "      skipped(testing.with_requires('no-such-package')), skipped(testing.without_requires('numpy')))"
    )
    assert run_code(code) == 'False True True True\n'


def test_as_strided_forward_and_backward():
    code = (
        'import vgg_cifar, chainer, numpy\n'
        "x = chainer.Variable(numpy.arange(6, dtype='f'))\n"
        'y = chainer.functions.as_strided(x, (3, 2), (1, 1), 1)\n'
        'chainer.functions.sum(y).backward()\n'
        'print(y.array.tolist(), x.grad.tolist())'
    )
    assert run_code(code) == '[[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]] [0.0, 1.0, 2.0, 2.0, 1.0, 0.0]\n'


def test_resize_images():
    code = (
        'import vgg_cifar, chainer, numpy\n'
        "x = numpy.array([[[[0, 2]]]], dtype='f')\n"
        'print(chainer.functions.resize_images(x, (1, 3)).array.tolist())'
    )
    assert run_code(code) == '[[[[0.0, 1.0, 2.0]]]]\n'


def test_log_probability_of_a_categorical_distribution():
    code = (
        'import vgg_cifar, chainer, numpy\n'
        "p = numpy.array([[0.25, 0.75], [0.5, 0.5]], dtype='f')\n"
        'log_p = chainer.distributions.Categorical(p).log_prob(numpy.array([0, 1]))\n'
        'print(numpy.exp(log_p.array).round(6).tolist())'
    )
    assert run_code(code) == '[0.25, 0.5]\n'


def test_a_caffe_model_is_written_and_read(tmp_path):
    pytest.importorskip('google.protobuf', reason='CaffeFunction needs pip install protobuf')
    code = (
        'import os, vgg_cifar, chainer, numpy\n'
        'from chainer import exporters, links\n'
        'class Net(chainer.Chain):\n'
        '    def __init__(self):\n'
        '        super().__init__()\n'
        '        with self.init_scope():\n'
        '            self.fc = links.Linear(3, 2)\n'
        '    def forward(self, x):\n'
        '        return self.fc(x)\n'
        'net = Net()\n'
        "x = numpy.ones((1, 3), dtype='f')\n"
        "with chainer.using_config('train', False):\n"
        "    exporters.caffe.export(net, [chainer.Variable(x)], directory='.', export_params=True)\n"
        'from chainer.links.caffe import CaffeFunction\n'
        "loaded = CaffeFunction('chainer_model.caffemodel')\n"
        'layer = next(loaded.children())\n'
        'print(numpy.array_equal(layer.W.array, net.fc.W.array))\n'
        "print('PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION' in os.environ)"
    )
    assert run_code(code, cwd=tmp_path) == 'True\nFalse\n'


def test_protobuf_imported_too_early_is_a_clear_error():
    pytest.importorskip('google.protobuf', reason='CaffeFunction needs pip install protobuf')
    code = (
        'import vgg_cifar\n'
        'from google.protobuf.internal import api_implementation\n'
        "if api_implementation.Type() != 'python':\n"
        '    import chainer.links.caffe'
    )
    result = python('-c', code)
    assert result.returncode == 0 or 'ImportError: Chainer reads Caffe models only with' in result.stderr


def test_the_order_of_imports_does_not_matter():
    code = (
        'try:\n'
        '    import chainer\n'
        'except Exception:\n'
        '    pass\n'
        'import vgg_cifar, chainer, numpy\n'
        'F = chainer.functions\n'
        "F.resize_images(numpy.ones((1, 1, 2, 2), dtype='f'), (3, 3))\n"
        "x = chainer.Variable(numpy.ones(4, dtype='f'))\n"
        'F.sum(F.as_strided(x, (2,), (1,), 0)).backward()\n'
        'chainer.distributions.Categorical(numpy.ones((1, 1), dtype="f")).log_prob(numpy.zeros(1))\n'
        "print(chainer.utils is __import__('sys').modules['chainer.utils'], x.grad.sum())"
    )
    assert run_code(code) == 'True 2.0\n'


def test_scipy_is_imported_when_it_is_used():
    code = (
        'import sys, numpy, vgg_cifar, chainer\n'
        "parts = [f'scipy.{part}' for part in ('io', 'linalg', 'sparse', 'special')]\n"
        'print([name in sys.modules for name in parts])\n'
        'F = chainer.functions\n'
        "x = numpy.full(1, 0.5, 'f')\n"
        'print(*(round(float(f(x).array[0]), 4) for f in (F.ndtri, F.erfinv, F.erfcinv, F.erfcx)))\n'
        "eye = numpy.eye(2, dtype='f')\n"
        'print(F.sparse_matmul(chainer.utils.to_coo(eye), eye).array.tolist())\n'
        "normal = chainer.distributions.MultivariateNormal(numpy.zeros(2, 'f'), scale_tril=eye)\n"
        "print(round(float(normal.log_prob(numpy.zeros(2, 'f')).array), 4), chainer.datasets.svhn.io.loadmat)"
    )
    first, *numbers, last = run_code(code).splitlines()
    assert first == '[False, False, False, False]'
    # erfcx(1/2) = exp(1/4) erfc(1/2); the density of the plane at its middle is 1 / (2 pi).
    assert numbers == ['0.0 0.4769 0.4769 0.6157', '[[1.0, 0.0], [0.0, 1.0]]']
    assert last.startswith('-1.8379 <function loadmat')


def test_preparing_again_changes_nothing():
    code = (
        'import sys, warnings, vgg_cifar\n'
        'from vgg_cifar.compat import chainer7\n'
        'before = sys.meta_path[:], warnings.filters[:]\n'
        'chainer7.prepare()\n'
        'print(before == (sys.meta_path, warnings.filters))'
    )
    assert run_code(code) == 'True\n'


def test_a_patch_leaves_alone_what_is_there():
    code = (
        'import numpy\n'
        "numpy.float, numpy.sctypes = 'mine', {'int': [numpy.int64], 'float': []}\n"
        'import vgg_cifar, chainer\n'
        'from vgg_cifar.compat import chainer7\n'
        'states = {patch.modules[0]: chainer7.state(patch) for patch in chainer7.PATCHES}\n'
        "print(numpy.float, len(numpy.sctypes['int']), states['chainer.functions.array.resize_images'],\n"
        "      states['chainer.functions.array.as_strided'], states['chainer.testing.helper'])"
    )
    assert run_code(code) == 'mine 1 not needed not needed not used\n'


TRAINING = """
import vgg_cifar, chainer, numpy
from chainer import iterators, training
from chainer import gradient_check, testing
def main():
    data = [(numpy.zeros(3, dtype='f'), numpy.int32(0))] * 8
    model = chainer.links.Classifier(chainer.links.Linear(3, 2))
    optimizer = chainer.optimizers.Adam()
    optimizer.setup(model)
    iterator = iterators.MultiprocessIterator(data, 4, n_processes=1)
    training.Trainer(training.StandardUpdater(iterator, optimizer), (1, 'epoch')).run()
    iterator.finalize()
    chainer.dataset.concat_examples([numpy.zeros(2), numpy.zeros(3)], padding=0)
    initializer = chainer.initializers.Normal()
    chainer.links.Maxout(3, 2, 2, initialW=initializer, initial_bias=initializer)
"""


def test_chainers_age_makes_no_warnings():
    result = python('-W', 'default', '-c', TRAINING + "if __name__ == '__main__': main()")
    assert (result.returncode, result.stderr) == (0, '')


@pytest.mark.parametrize('message', ['mine', 'pkg_resources is deprecated', 'setDaemon() is deprecated'])
def test_the_users_own_warnings_are_let_through(message):
    code = f'import vgg_cifar, warnings; warnings.warn({message!r}, DeprecationWarning)'
    assert f'DeprecationWarning: {message}' in python('-W', 'default', '-c', code).stderr
