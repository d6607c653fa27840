"""What Python 2's operators, attributes and built-in functions did, for code that `translation` has made."""

import builtins
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

from vgg_cifar.compat.python2 import modules, translation
from vgg_cifar.compat.python2.strings import (
    Bytes,
    basestring,
    binary,
    chr,
    decode,
    encode,
    open,
    ord,
    text,
    unicode,
)

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
    if _integral(a) and _integral(b):
        a //= b
    else:
        a /= b
    return a


def divide_attribute(of: Any, name: str, by: Any) -> None:
    setattr(of, name, divide_in_place(getattr(of, name), by))


def divide_item(of: Any, index: Any, by: Any) -> None:
    of[index] = divide_in_place(of[index], by)


def compare(a: Any, b: Any) -> int:
    """Compare as `cmp` did: None below numbers, numbers below all else, unlike types by their names."""
    try:
        return int((a > b) - (a < b))
    except TypeError:
        if type(a) not in _PLAIN or type(b) not in _PLAIN:
            raise
    if type(a) is type(b) and isinstance(a, list | tuple):
        unequal = ((x, y) for x, y in zip(a, b, strict=False) if x != y)
        for x, y in unequal:
            return compare(x, y)
        return compare(len(a), len(b))
    if type(a) is type(b) is dict:
        return compare(len(a), len(b)) or compare(*(sorted(d.items(), key=_order) for d in (a, b)))
    return compare(_rank(a), _rank(b))


def _rank(value: Any) -> tuple[int, str]:
    if value is None:
        return 0, ''
    return (1, '') if isinstance(value, int | float) else (2, type(value).__name__)


_order = functools.cmp_to_key(compare)


class _Ordered:
    """An operand of `<`, `<=`, `>` or `>=` that has an order to everything."""

    __array_ufunc__ = None
    __slots__ = ('value',)

    def __init__(self, value: Any) -> None:
        self.value = value


def _in_order(name: str) -> Callable:
    by = getattr(operator, name)

    def method(self: _Ordered, other: Any) -> Any:
        if isinstance(other, _Ordered):
            other = other.value
        try:
            return by(self.value, other)
        except TypeError:
            if type(other) not in _PLAIN:
                raise
            return by(compare(self.value, other), 0)

    return method


for _name in ('__lt__', '__le__', '__gt__', '__ge__'):
    setattr(_Ordered, _name, _in_order(_name))


def ordered(value: Any) -> Any:
    """Give an operand of a comparison Python 2's order, unless it is of a class with an order of its own."""
    return _Ordered(value) if type(value) in _PLAIN else value


def number(kind: Callable, value: Any) -> Any:
    """Make a number, of an array with one element in brackets too, as NumPy did."""
    return kind(value.item() if getattr(value, 'size', 0) == 1 and hasattr(value, 'item') else value)


def raised(kind: type[BaseException], value: Any) -> BaseException:
    return value if isinstance(value, kind) else kind(value)


# Attributes


def _view(name: str) -> Callable:
    return lambda of: lambda: iter(getattr(of, name)())


def _sort(values: list) -> Callable:
    def sort(cmp: Any = None, key: Any = None, reverse: bool = False) -> None:
        values[:] = sorted(values, cmp, key, reverse)

    return sort


_GONE: dict[str, Callable[[Any], Any]] = {
    **{f'iter{kind}': _view(kind) for kind in ('keys', 'values', 'items')},
    **{f'view{kind}': operator.attrgetter(kind) for kind in ('keys', 'values', 'items')},
    **{
        f'func_{kind}': operator.attrgetter(f'__{kind}__')
        for kind in 'name code defaults globals doc dict'.split()
    },
    'im_func': lambda method: getattr(method, '__func__', method),
    'im_self': operator.attrgetter('__self__'),
    'im_class': lambda method: type(method.__self__),
    'has_key': operator.attrgetter('__contains__'),
    # CuPy's, where NumPy stands in for it.
    'get': lambda of: of.copy if hasattr(of, 'itemsize') else of.get,
    'next': operator.attrgetter('__next__'),
    'xreadlines': operator.attrgetter('__iter__'),
    'message': lambda error: error.args[0] if len(error.args) == 1 else '',
    'decode': lambda value: functools.partial(decode, value),
}


def attribute(of: Any, name: str) -> Any:
    """Return an attribute, also where Python 3 or a library has dropped it, with what it meant."""
    if name == 'encode' and isinstance(of, str):
        return functools.partial(encode, of)
    if name == 'sort' and isinstance(of, list):
        return _sort(of)
    if name == 'tostring' and hasattr(of, 'tobytes'):
        return lambda *arguments, **options: Bytes(of.tobytes(*arguments, **options))
    try:
        found = getattr(of, name)
    except AttributeError:
        if name not in _GONE:
            raise
        try:
            return _GONE[name](of)
        except AttributeError:
            pass
        raise
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
    kept = builtins.filter(function, values)
    return (
        text(''.join(builtins.map(str, kept)))
        if isinstance(values, str | bytes)
        else (tuple(kept) if isinstance(values, tuple) else list(kept))
    )


def sorted(values: Iterable, cmp: Any = None, key: Any = None, reverse: bool = False) -> list:
    order = functools.cmp_to_key(cmp or compare)
    try:
        if cmp is None:
            return builtins.sorted(values, key=key, reverse=reverse)
    except TypeError:
        pass
    return builtins.sorted(values, key=lambda value: order(key(value) if key else value), reverse=reverse)


def _extreme(name: str) -> Callable:
    by = getattr(builtins, name)

    def extreme(*values: Any, **options: Any) -> Any:
        values = tuple(values[0]) if len(values) == 1 else values
        try:
            return by(values, **options)
        except TypeError:
            key = options.pop('key', lambda value: value)
            return by(values, key=lambda value: _order(key(value)), **options)

    extreme.__name__ = name
    return extreme


def round(value: Any, digits: int = 0) -> Any:
    """Round a half away from zero, to a float."""
    value = number(float, value)
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


def compile(source: Any, path: str, mode: str, *flags: Any) -> types.CodeType:
    if builtins.isinstance(source, str | bytes):
        return translation.translated(binary(source), path, mode)
    return builtins.compile(source, path, mode, *flags)


def _run(mode: str, code: Any, names: dict | None, local: Any, path: str = '<string>') -> Any:
    frame = sys._getframe(2)
    if names is None:
        names, local = frame.f_globals, frame.f_locals
    names.setdefault('__builtins__', BUILTINS)
    if not builtins.isinstance(code, types.CodeType):
        code = compile(code, path, mode)
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
    if '__metaclass__' in own:
        kept = {key: value for key, value in own.items() if key not in ('__dict__', '__weakref__')}
        made = own['__metaclass__'](name, bases or (object,), kept)
        own = vars(made)
    for old, new in _RENAMED_METHODS.items():
        if old in own and new not in own:
            setattr(made, new, own[old])
    if '__cmp__' in own:
        for order in ('lt', 'le', 'gt', 'ge', 'eq', 'ne'):
            if f'__{order}__' not in own:
                setattr(made, f'__{order}__', _by_cmp(getattr(operator, order)))
    if own.get('__hash__', made) is None:
        made.__hash__ = object.__hash__
    return made


def _by_cmp(by: Callable) -> Callable:
    return lambda self, other: by(self.__cmp__(other), 0)


_CHANGED = (
    basestring, chr, compile, eval, exec, execfile, filter, input, isinstance, map, open, ord, print, reload,
    round, sorted, unicode,
)  # fmt: skip

BUILTINS: dict[str, Any] = vars(modules.BUILTIN)
BUILTINS |= {
    **vars(builtins),
    **{
        translation.CALL.format(call.__name__): call
        for call in (
            Bytes,
            attribute,
            divide,
            divide_in_place,
            divide_attribute,
            divide_item,
            number,
            ordered,
            raised,
        )
    },
    **{call.__name__: call for call in _CHANGED},
    '__build_class__': build_class,
    '__import__': modules.import_module,
    'StandardError': Exception,
    'apply': lambda function, arguments=(), options={}: function(*arguments, **options),
    'buffer': memoryview,
    'cmp': compare,
    'file': open,
    'intern': sys.intern,
    'long': int,
    'oct': lambda number: builtins.oct(number).replace('o', '', 1),
    'max': _extreme('max'),
    'min': _extreme('min'),
    'range': lambda *limits: list(builtins.range(*limits)),
    'raw_input': builtins.input,
    'reduce': functools.reduce,
    'unichr': builtins.chr,
    'xrange': builtins.range,
    'zip': lambda *iterables: list(builtins.zip(*iterables, strict=False)),
}
"""The built-in names of Python 2, for the globals of translated code."""
