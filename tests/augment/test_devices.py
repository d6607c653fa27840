"""What computes elsewhere than in NumPy.

Nothing here has a GPU. A stand-in for CuPy, whose arrays NumPy can neither take nor give, shows that the
transforms leave every array where it is.
"""

import sys
import types

import numpy
import pytest

from augment import transforms
from augment.__main__ import main
from augment.device import applier
from augment.recipe import Recipe


class Array:
    """A NumPy array behind glass: only with its own kind, and only what CuPy can do and is used."""

    __array_ufunc__ = None

    def __init__(self, values):
        self._values = values

    def __array__(self, *_, **__):
        raise TypeError('implicit conversion to a NumPy array')

    def __len__(self):
        return len(self._values)

    def __getattr__(self, name):
        found = getattr(self._values, name)
        return wrapped(found) if name == 'T' or not callable(found) else device_function(found)

    def __getitem__(self, key):
        return Array(self._values[opened(key)])

    def __setitem__(self, key, value):
        self._values[opened(key)] = opened(value)

    def get(self, out):
        out[...] = self._values


def opened(value):
    """Take an array out; refuse NumPy's own, as CuPy does."""
    if isinstance(value, Array):
        return value._values
    if isinstance(value, tuple):
        return tuple(opened(part) for part in value)
    assert not isinstance(value, numpy.ndarray), 'a NumPy array among arrays of the device'
    return value


def wrapped(value):
    return Array(value) if isinstance(value, numpy.ndarray) else value


def device_function(function):
    def call(*arguments, **options):
        options = {name: opened(value) for name, value in options.items()}
        return wrapped(function(*map(opened, arguments), **options))

    return call


for name in ('add', 'radd', 'mul', 'sub', 'isub', 'itruediv', 'eq', 'rsub'):
    method = f'__{name}__'

    def operate(self, other, method=method):
        result = wrapped(getattr(self._values, method)(opened(other)))
        return self if method.startswith('__i') else result

    setattr(Array, method, operate)


@pytest.fixture
def cupy(monkeypatch):
    module = types.ModuleType('cupy')
    for name in ('empty', 'zeros', 'minimum', 'maximum'):
        setattr(module, name, device_function(getattr(numpy, name)))
    module.asarray = lambda values: values if isinstance(values, Array) else Array(numpy.asarray(values))

    class Device:
        def __init__(self, number):
            self.number = number

        def __enter__(self):
            assert self.number == 3

        def __exit__(self, *_):
            pass

    module.cuda = types.SimpleNamespace(Device=Device)
    monkeypatch.setitem(sys.modules, 'cupy', module)
    return module


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
@pytest.mark.parametrize('window', transforms.WINDOWS)
def test_every_copy_stays_on_the_device_and_has_the_same_values(cupy, dtype, window):
    images = numpy.random.RandomState(0).randint(0, 256, (70, 3, 9, 7)).astype(dtype)
    images[4] = 1
    found = transforms.apply_copies(cupy.asarray(images), rotate=30, median_window=window)
    assert isinstance(found, Array)
    numpy.testing.assert_array_equal(
        found._values, transforms.apply_copies(images, rotate=30, median_window=window)
    )
    for function in (transforms.flip, transforms.normalize, transforms.median_filter, transforms.rotate):
        numpy.testing.assert_array_equal(function(cupy.asarray(images))._values, function(images))


@pytest.mark.parametrize('name', ['3', '@cupy:3'])
def test_a_device_is_used_by_its_number(cupy, name):
    images = numpy.random.RandomState(0).randint(0, 256, (7, 3, 9, 7)).astype('uint8')
    out = numpy.empty((28, 3, 9, 7), 'float32')
    applier(Recipe(), name)(images, out)
    numpy.testing.assert_array_equal(out, transforms.apply_copies(images))


def test_a_device_that_is_not_there_is_refused(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cupy', None)
    assert main([str(source), str(tmp_path / 'OUT.hdf5'), '-d', '0']) == 2
    assert 'CuPy is not installed' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['IN.hdf5']
