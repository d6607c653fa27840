"""Names that Python, NumPy, SciPy, Pillow and matplotlib have dropped: for scripts, in `vgg-cifar run` alone.

A name is made when it is asked for, so that what is not used costs nothing; what a library still has is its
own. What the arrays themselves have lost is in `arrays`, for Python 2 and Chainer 1 only: in others write
array.item() and array.tobytes().
"""

import builtins
import functools
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from vgg_cifar.compat.chainer7 import when_loaded

given: dict[str, None] = {}
"""The names that were asked for, in the order of first use."""

Make = Callable[[types.ModuleType], Any]


def restore(load: Callable[[str, str], types.ModuleType]) -> None:
    """Have the names there when a script asks for them.

    `load(name, path)` loads a module as imp.load_source does.
    """
    for module, names in _NAMES.items():
        when_loaded(module, functools.partial(_give, names))
    for module, repair in _REPAIRS.items():
        when_loaded(module, repair)
    # After all others, which know the modules that are still there.
    MODULES['imp'] = functools.partial(_imp, load)
    sys.meta_path.append(_Modules())


def _give(names: dict[str, Make], module: types.ModuleType) -> None:
    unknown = getattr(module, '__getattr__', None)

    def __getattr__(name: str) -> Any:
        if name in names:
            value = names[name](module)
            given[f'{module.__name__}.{name}'] = None
            setattr(module, name, value)
            return value
        if unknown is None:
            raise AttributeError(f'module {module.__name__!r} has no attribute {name!r}')
        return unknown(name)

    module.__getattr__ = __getattr__  # type: ignore[method-assign]


def _same(**names: str) -> dict[str, Make]:
    """Return makers of other names for what the module has."""
    return {old: lambda module, new=new: getattr(module, new) for old, new in names.items()}  # type: ignore[misc]


def _value(**values: Any) -> dict[str, Make]:
    return {name: lambda module, value=value: value for name, value in values.items()}  # type: ignore[misc]


def _from(module: str, **names: str) -> dict[str, Make]:
    """Return makers of names for what another module has."""
    return {
        old: lambda _, new=new: getattr(importlib.import_module(module), new)  # type: ignore[misc]
        for old, new in names.items()
    }


def _getargspec(inspect: types.ModuleType) -> Callable:
    import collections

    spec = collections.namedtuple('spec', 'args varargs keywords defaults')
    return lambda function: spec(*inspect.getfullargspec(function)[:4])


class _Cast(dict):
    """numpy.cast: a function for each type."""

    def __missing__(self, kind: Any) -> Callable:
        import numpy

        return lambda values: numpy.asarray(values).astype(kind)


def _in1d(numpy: types.ModuleType) -> Callable:
    return lambda a, b, **options: numpy.isin(numpy.ravel(a), b, **options)


def _find_common_type(numpy: types.ModuleType) -> Callable:
    return lambda arrays, scalars: numpy.result_type(*arrays, *scalars)


_NAMES: dict[str, dict[str, Make]] = {
    'numpy': {
        **_value(
            **{name: getattr(builtins, name) for name in ('bool', 'int', 'float', 'complex', 'object', 'str')}
        ),
        **_value(long=int, unicode=str, cast=_Cast(), asscalar=lambda array: array.item()),
        **_same(Inf='inf', Infinity='inf', PINF='inf', infty='inf', NaN='nan', NAN='nan'),
        **_same(float_='float64', complex_='complex128', string_='bytes_', unicode_='str_', bool8='bool_'),
        **_same(
            longfloat='longdouble', longcomplex='clongdouble', clongfloat='clongdouble', cfloat='complex128'
        ),
        **_same(
            singlecomplex='complex64',
            int0='intp',
            uint0='uintp',
            object0='object_',
            str0='str_',
            bytes0='bytes_',
        ),
        **_same(product='prod', cumproduct='cumprod', alltrue='all', sometrue='any', row_stack='vstack'),
        **_same(round_='round', trapz='trapezoid', mat='asmatrix', rank='ndim', issubsctype='issubdtype'),
        'NINF': lambda numpy: -numpy.inf,
        'NZERO': lambda numpy: -0.0,
        'PZERO': lambda numpy: 0.0,
        'in1d': _in1d,
        'msort': lambda numpy: functools.partial(numpy.sort, axis=0),
        'find_common_type': _find_common_type,
    },
    'numpy.random': {
        'random_integers': lambda random: (
            lambda low, high=None, size=None: (
                random.randint(1, low + 1, size) if high is None else random.randint(low, high + 1, size)
            )
        )
    },
    'collections': {
        name: _from('collections.abc', **{name: name})[name]
        for name in (
            'Hashable Iterable Iterator Generator Sized Container Callable Set MutableSet Mapping '
            'MutableMapping MappingView KeysView ItemsView ValuesView Sequence MutableSequence'
        ).split()
    },
    'time': _same(clock='process_time'),
    'inspect': {'getargspec': _getargspec},
    'fractions': _from('math', gcd='gcd'),
    'os': {'errno': lambda _: importlib.import_module('errno')},
    'cgi': _from('html', escape='escape'),
    'base64': _same(encodestring='encodebytes', decodestring='decodebytes'),
    'PIL.Image': {
        'ANTIALIAS': lambda image: image.Resampling.LANCZOS,
        'LINEAR': lambda image: image.Resampling.BILINEAR,
        'CUBIC': lambda image: image.Resampling.BICUBIC,
    },
    'scipy.misc': {
        **{
            name: _from('vgg_cifar.compat.scipy_misc', **{name: name})[name]
            for name in 'bytescale fromimage imread imresize imrotate imsave imshow toimage'.split()
        },
        **_from('scipy.special', comb='comb', factorial='factorial', logsumexp='logsumexp'),
        **_from('scipy.datasets', ascent='ascent', face='face'),
    },
    'scipy.ndimage': _from('vgg_cifar.compat.scipy_misc', imread='imread'),
    'sklearn.externals': {'joblib': lambda _: importlib.import_module('joblib')},
}


def _numpy(numpy: types.ModuleType) -> None:
    """Make arrays of rows of unlike lengths, read numbers from bytes and show scalars as NumPy did."""
    if int(numpy.__version__.partition('.')[0]) > 1:
        # In a list np.float32(1.0) is shown as 1.0.
        numpy.set_printoptions(legacy='1.25')
    for name in ('array', 'asarray'):
        setattr(numpy, name, _ragged(getattr(numpy, name)))
    of_text = numpy.fromstring

    @functools.wraps(of_text)
    def fromstring(string: Any, dtype: Any = float, count: int = -1, sep: str = '', **options: Any) -> Any:
        if sep:
            return of_text(string, dtype, count, sep=sep, **options)
        data = string.encode('utf-8', 'surrogateescape') if isinstance(string, str) else string
        return numpy.frombuffer(data, dtype, count, **options).copy()

    vars(numpy)['fromstring'] = fromstring


def _ragged(make: Callable) -> Callable:
    @functools.wraps(make)
    def array(*args: Any, **options: Any) -> Any:
        try:
            return make(*args, **options)
        except ValueError as error:
            if 'inhomogeneous' not in str(error) or len(args) > 1 or options.get('dtype') is not None:
                raise
            return make(*args, **{**options, 'dtype': object})

    return array


def _pickle(pickle: types.ModuleType) -> None:
    """Read what Python 2 has pickled: where its strings are no ASCII, as latin1, which arrays need."""

    def tolerant(load: Callable, again: Callable[[Any], Any]) -> Callable:
        @functools.wraps(load)
        def of_either(source: Any, **options: Any) -> Any:
            start = again(source)
            try:
                return load(source, **options)
            except UnicodeDecodeError:
                if 'encoding' in options or start is None:
                    raise
            if hasattr(source, 'seek'):
                source.seek(start)
            return load(source, encoding='latin1', **options)

        return of_either

    def position(file: Any) -> int | None:
        return file.tell() if getattr(file, 'seekable', bool)() else None

    pickle.load = tolerant(pickle.load, position)  # type: ignore[attr-defined]
    pickle.loads = tolerant(pickle.loads, len)  # type: ignore[attr-defined]


def _matplotlib(matplotlib: types.ModuleType) -> None:
    use = matplotlib.use
    matplotlib.use = lambda backend, warn=True, force=True: use(backend, force=force)  # type: ignore[attr-defined]


def _threading(threading: types.ModuleType) -> None:
    threading.Thread.isAlive = threading.Thread.is_alive


_REPAIRS: dict[str, Callable[[types.ModuleType], None]] = {
    'numpy': _numpy,
    'pickle': _pickle,
    'matplotlib': _matplotlib,
    'threading': _threading,
}


MODULES: dict[str, Callable[[], types.ModuleType]] = {
    'xml.etree.cElementTree': lambda: copy_of('xml.etree.ElementTree'),
    'scipy.misc': lambda: types.ModuleType('scipy.misc'),
    'sklearn.cross_validation': lambda: copy_of('sklearn.model_selection'),
}
"""Modules that are gone, or not installed, and how they are made."""


class _Modules:
    """Finds them where no one else does."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        is_package = f'{name}.datasets' in MODULES
        return importlib.machinery.ModuleSpec(name, self, is_package=is_package) if name in MODULES else None  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        given[spec.name] = None
        return MODULES[spec.name]()

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: it is made."""


def copy_of(name: str) -> types.ModuleType:
    """Return a module that holds what another one does."""
    module = types.ModuleType(name)
    vars(module).update({k: v for k, v in vars(importlib.import_module(name)).items() if k[:2] != '__'})
    return module


def _imp(load: Callable[[str, str], types.ModuleType]) -> types.ModuleType:
    imp = types.ModuleType('imp', 'The part of imp that scripts use.')

    def find_module(name: str, path: Sequence[str] | None = None) -> tuple:
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None:
            raise ImportError(f'No module named {name!r}', name=name)
        return None, spec.origin, ('.py', 'r', 1)

    vars(imp).update(
        PY_SOURCE=1,
        find_module=find_module,
        load_module=lambda name, file, path, description: load(name, path),
        load_source=lambda name, path, file=None: load(name, path),
        new_module=types.ModuleType,
        reload=importlib.reload,
    )
    return imp
