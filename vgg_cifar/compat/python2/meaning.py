"""What Python 2's operators, attributes and built-in functions did, for code that `translation` has made."""

import builtins
import contextlib
import decimal
import functools
import importlib
import itertools
import operator
import sys
import types
from collections import abc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vgg_cifar.compat import arrays
from vgg_cifar.compat.python2 import modules, strings, translation
from vgg_cifar.compat.python2.strings import Bytes, text

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict, set, type})
"""Types whose objects have an order to each other in Python 2."""

# Operators


def _integral(value: Any) -> bool:
    if isinstance(value, int):
        return True
    # Arrays and their scalars, which have a size of items as well: a Variable's division is its own.
    return hasattr(value, 'itemsize') and getattr(getattr(value, 'dtype', None), 'kind', 'f') in 'iub'


def divide(a: Any, b: Any) -> Any:
    """Divide as `/` did: integers, and arrays of them, to the integer below."""
    return a // b if _integral(a) and _integral(b) else a / b


def divide_in_place(a: Any, b: Any) -> Any:
    return (operator.ifloordiv if _integral(a) and _integral(b) else operator.itruediv)(a, b)


def compare(a: Any, b: Any) -> int:
    """Compare as `cmp` did: None below numbers, numbers below all else, unlike types by their names."""
    try:
        return int((a > b) - (a < b))
    except TypeError:
        if not {type(a), type(b)} <= _PLAIN:
            raise
    if type(a) is type(b) and isinstance(a, list | tuple):
        unequal = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
        return compare(*unequal[0]) if unequal else compare(len(a), len(b))
    return compare(_rank(a), _rank(b))


def _rank(value: Any) -> tuple[int, str]:
    if value is None:
        return 0, ''
    return (1, '') if isinstance(value, int | float) else (2, type(value).__name__)


def ordered(name: str, a: Any, b: Any) -> Any:
    """Compare as `<`, `<=`, `>` and `>=` did, whose names these are in operator."""
    by = getattr(operator, name)
    try:
        return by(a, b)
    except TypeError:
        if not {type(a), type(b)} <= _PLAIN:
            raise
        return by(compare(a, b), 0)


def raised(kind: type[BaseException], value: Any) -> BaseException:
    return value if isinstance(value, kind) else kind(value)


# Attributes


def _sort(values: list) -> Callable:
    def sort(*args: Any, **options: Any) -> None:
        values[:] = sorted(values, *args, **options)

    return sort


_GONE: dict[str, Callable[[Any], Any]] = {
    **{f'view{kind}': operator.attrgetter(kind) for kind in ('keys', 'values', 'items')},
    **{
        f'iter{kind}': lambda of, kind=kind: lambda: iter(getattr(of, kind)())  # type: ignore[misc]
        for kind in ('keys', 'values', 'items')
    },
    **{
        f'func_{kind}': operator.attrgetter(f'__{kind}__')
        for kind in 'name code defaults globals doc dict'.split()
    },
    'im_func': lambda method: getattr(method, '__func__', method),
    'im_self': operator.attrgetter('__self__'),
    'im_class': lambda method: type(method.__self__),
    'has_key': operator.attrgetter('__contains__'),
    'next': operator.attrgetter('__next__'),
    'xreadlines': operator.attrgetter('__iter__'),
    'message': lambda error: error.args[0] if len(error.args) == 1 else '',
    'decode': lambda value: functools.partial(strings.decode, value),
}


def attribute(of: Any, name: str) -> Any:
    """Return an attribute, also where Python 3 or a library has dropped it, with what it meant."""
    if name == 'encode' and isinstance(of, str):
        return functools.partial(strings.encode, of)
    if name == 'sort' and isinstance(of, list):
        return _sort(of)
    if name == 'tostring' and hasattr(of, 'tobytes'):
        return lambda *arguments, **options: Bytes(of.tobytes(*arguments, **options))
    try:
        found = getattr(of, name)
    except AttributeError:
        if name not in _GONE:
            raise
        return _GONE[name](of)
    if name not in ('keys', 'values', 'items') or isinstance(of, type) or not callable(found):
        return found
    return lambda *arguments, **options: _listed(found(*arguments, **options))


def _listed(result: Any) -> Any:
    return list(result) if isinstance(result, abc.MappingView) else result


# Built-in functions


def map(function: Any, *iterables: Iterable) -> list:
    """Return a list; shorter arguments are filled up with None, and None takes what it is given."""
    if len(iterables) == 1:
        return list(iterables[0] if function is None else builtins.map(function, iterables[0]))
    together = itertools.zip_longest(*iterables)
    return list(together if function is None else itertools.starmap(function, together))


def filter(function: Any, values: Any) -> Any:
    """Return what a sequence of that type is left with."""
    kept = [*builtins.filter(function, values)]
    if isinstance(values, str | bytes):
        return text(''.join(builtins.map(str, kept)))
    return tuple(kept) if isinstance(values, tuple) else kept


def _by_order(by: Callable, values: Iterable, key: Any, cmp: Any = None, **options: Any) -> Any:
    values = list(values)
    if cmp is None:
        with contextlib.suppress(TypeError):
            return by(values, key=key, **options)
    order = functools.cmp_to_key(cmp or compare)
    return by(values, key=lambda value: order(key(value) if key else value), **options)


def sorted(values: Iterable, cmp: Any = None, key: Any = None, reverse: bool = False) -> list:
    return _by_order(builtins.sorted, values, key, cmp, reverse=reverse)


def max(*values: Any, key: Any = None) -> Any:
    return _by_order(builtins.max, values[0] if len(values) == 1 else values, key)


def min(*values: Any, key: Any = None) -> Any:
    return _by_order(builtins.min, values[0] if len(values) == 1 else values, key)


def round(value: Any, digits: int = 0) -> Any:
    """Round a half away from zero, to a float."""
    value = arrays.number(float, value)
    if value - value != 0:
        return value
    # A float's digits are 1,100 at most.
    exact = decimal.Decimal(value).quantize(
        decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP, decimal.Context(prec=1100)
    )
    return float(exact)


def print(*values: Any, sep: str = ' ', end: str = '\n', file: Any = None) -> None:
    """Print as Python 2 did: a float with twelve digits."""
    shown = [_twelve_digits(value) if type(value) is float else value for value in values]
    if end == ' ' and isinstance(shown[-1], str) and shown[-1].endswith('\n'):
        end = ''
    builtins.print(*shown, sep=sep, end=end, file=file)


def _twelve_digits(number: float) -> str:
    shown = f'{number:.12g}'
    return shown + '.0' if shown.lstrip('-').isdigit() else shown


def isinstance(value: Any, kinds: Any) -> bool:
    """Return whether it is one; NumPy's int64 was an int, and bytes were a str."""
    kinds = kinds if type(kinds) is tuple else (kinds,)
    return (
        builtins.isinstance(value, kinds)
        or (int in kinds and type(value).__name__ == 'int64' and hasattr(value, 'itemsize'))
        or (str in kinds and builtins.isinstance(value, bytes))
    )


def _run(mode: str, code: Any, names: dict | None, local: Any, path: str = '<string>') -> Any:
    frame = sys._getframe(2)
    if names is None:
        names, local = frame.f_globals, frame.f_locals
    names.setdefault('__builtins__', BUILTINS)
    if builtins.isinstance(code, str | bytes):
        code = translation.translated(strings.binary(code), path, mode)
    return builtins.eval(code, names, local)


def exec(code: Any, names: dict | None = None, local: Any = None) -> None:
    if builtins.isinstance(code, tuple):
        code, names, local = (*code, None)[:3]
    _run('exec', code, names, local)


def eval(code: Any, names: dict | None = None, local: Any = None) -> Any:
    return _run('eval', code.lstrip() if builtins.isinstance(code, str) else code, names, local)


def execfile(path: str, names: dict | None = None, local: Any = None) -> None:
    _run('exec', Path(path).read_bytes(), names, local, path)


def input(prompt: str = '') -> Any:
    return _run('eval', builtins.input(prompt), None, None)


def reload(module: types.ModuleType) -> types.ModuleType:
    """Load a module again; sys, which scripts reload for setdefaultencoding, stays as it is."""
    return module if module is sys else importlib.reload(module)


_RENAMED_METHODS = {
    '__nonzero__': '__bool__',
    'next': '__next__',
    '__div__': '__truediv__',
    '__rdiv__': '__rtruediv__',
    '__idiv__': '__itruediv__',
    '__unicode__': '__str__',
}


def build_class(body: Callable, name: str, *bases: Any, **options: Any) -> Any:
    """Make a class whose special methods work under their names of today."""
    made = builtins.__build_class__(body, name, *bases, **options)
    own = vars(made)
    for old, new in _RENAMED_METHODS.items():
        if old in own and new not in own:
            setattr(made, new, own[old])
    if '__cmp__' in own:
        for order in ('lt', 'le', 'gt', 'ge', 'eq', 'ne'):
            if f'__{order}__' not in own:
                by = getattr(operator, order)
                setattr(made, f'__{order}__', lambda self, other, by=by: by(self.__cmp__(other), 0))
    if own.get('__hash__', made) is None:
        made.__hash__ = object.__hash__
    return made


_CALLED = (Bytes, attribute, divide, divide_in_place, ordered, raised)
_CHANGED = (
    eval, exec, execfile, filter, input, isinstance, map, max, min, print, reload, round, sorted,
    strings.basestring, strings.chr, strings.open, strings.ord, strings.unicode,
)  # fmt: skip

BUILTINS: dict[str, Any] = vars(modules.BUILTIN)
BUILTINS |= {
    **vars(builtins),
    **{arrays.CALL.format(call.__name__): call for call in _CALLED},
    **{call.__name__: call for call in _CHANGED},
    '__build_class__': build_class,
    '__import__': modules.import_module,
    'StandardError': Exception,
    'apply': lambda function, arguments=(), options={}: function(*arguments, **options),
    'buffer': memoryview,
    'cmp': compare,
    'file': strings.open,
    'intern': sys.intern,
    'long': int,
    'oct': lambda number: builtins.oct(number).replace('o', '', 1),
    'range': lambda *limits: list(builtins.range(*limits)),
    'raw_input': builtins.input,
    'reduce': functools.reduce,
    'unichr': builtins.chr,
    'xrange': builtins.range,
    'zip': lambda *iterables: list(builtins.zip(*iterables, strict=False)),
}
"""The built-in names of Python 2, for the globals of translated code."""
