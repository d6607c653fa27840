"""Python 2's modules, by their names of then: what translated code imports, through `import_module`."""

import builtins
import codecs
import functools
import importlib
import importlib.util
import io
import itertools
import os
import pickle
import random
import string
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

from vgg_cifar.compat.python2.strings import Bytes, Kind, StringIO, binary

BUILTIN = types.ModuleType('__builtin__')
"""Holds what `meaning` puts there."""

_RENAMED = dict(
    pair.split('=')
    for pair in (
        'ConfigParser=configparser Cookie=http.cookies cookielib=http.cookiejar httplib=http.client '
        'HTMLParser=html.parser htmlentitydefs=html.entities Queue=queue SocketServer=socketserver '
        'BaseHTTPServer=http.server SimpleHTTPServer=http.server Tkinter=tkinter ttk=tkinter.ttk '
        'tkMessageBox=tkinter.messagebox tkFileDialog=tkinter.filedialog copy_reg=copyreg thread=_thread '
        'dummy_thread=_thread commands=subprocess UserDict=collections UserList=collections '
        'UserString=collections anydbm=dbm xmlrpclib=xmlrpc.client repr=reprlib urlparse=urllib.parse '
        'exceptions=builtins md5=hashlib sha=hashlib Image=PIL.Image ImageOps=PIL.ImageOps '
        'ImageDraw=PIL.ImageDraw ImageFilter=PIL.ImageFilter ImageFont=PIL.ImageFont'
    ).split()
)


def _pickle() -> dict[str, Any]:
    """Write what Python 2 can read, and read what it has written; latin1 is what NumPy's arrays need."""

    def binary_file(file: Any) -> Any:
        return getattr(file, 'buffer', file)

    return {
        **vars(pickle),
        'Pickler': lambda file, protocol=2: pickle.Pickler(file, 2),
        'Unpickler': lambda file: pickle.Unpickler(binary_file(file), encoding='latin1'),
        'dump': lambda value, file, protocol=2: pickle.dump(value, file, 2),
        'dumps': lambda value, protocol=2: Bytes(pickle.dumps(value, 2)),
        'load': lambda file: pickle.load(binary_file(file), encoding='latin1'),
        'loads': lambda data: pickle.loads(binary(data), encoding='latin1'),
    }


def _of_bytes(name: str) -> dict[str, Any]:
    """Return what a module holds: functions that take a str for bytes, and give the script a str."""

    def wrap(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*map(binary, args), **kwargs)
            if isinstance(result, tuple):
                return tuple(Bytes(part) if type(part) is bytes else part for part in result)
            return Bytes(result) if type(result) is bytes else result

        return call

    own = vars(importlib.import_module(name))
    is_function = (types.FunctionType, types.BuiltinFunctionType)
    return {k: wrap(value) if isinstance(value, is_function) else value for k, value in own.items()}


def _subprocess() -> dict[str, Any]:
    class Popen(subprocess.Popen):
        def communicate(self, *args: Any, **kwargs: Any) -> Any:
            given = super().communicate(*map(binary, args), **kwargs)
            return tuple(Bytes(part) if type(part) is bytes else part for part in given)

    return {**_of_bytes('subprocess'), 'Popen': Popen}


def _math() -> dict[str, Any]:
    own = vars(importlib.import_module('math'))
    return {**own, **{name: lambda x, of=own[name]: float(of(x)) for name in ('ceil', 'floor')}}


def _urllib() -> dict[str, Any]:
    parts = ('response', 'error', 'parse', 'request')
    return {k: v for part in parts for k, v in vars(importlib.import_module(f'urllib.{part}')).items()}


def _writer(encoding: str) -> Callable:
    """codecs.getwriter, whose writers go into text as well: sys.stdout was binary."""
    make: Any = codecs.lookup(encoding).streamwriter
    return lambda stream, errors='strict': make(getattr(stream, 'buffer', stream), errors)


class _MethodType(metaclass=Kind):
    """The type of methods, called with their class as well."""

    kinds = (types.MethodType,)

    def __new__(cls, function: Any, of: Any, kind: Any = None) -> Any:
        return types.MethodType(function, of)


def _types() -> dict[str, Any]:
    return {
        **vars(types),
        **{f'{kind.__name__.capitalize()}Type': kind for kind in (complex, dict, float, int, list, tuple)},
        'BooleanType': bool,
        'FileType': io.IOBase,
        'LongType': int,
        'MethodType': _MethodType,
        'StringType': str,
        'StringTypes': (str,),
        'UnicodeType': str,
    }


_MADE: dict[str, Callable[[], dict[str, Any]]] = {
    **dict.fromkeys(('pickle', 'cPickle'), _pickle),
    **dict.fromkeys(('urllib', 'urllib2'), _urllib),
    **dict.fromkeys(('StringIO', 'cStringIO'), lambda: {'StringIO': StringIO}),
    **{
        name: functools.partial(_of_bytes, name)
        for name in ('base64', 'binascii', 'hashlib', 'struct', 'zlib')
    },
    'codecs': lambda: {**vars(codecs), 'getwriter': _writer},
    'math': _math,
    'subprocess': _subprocess,
    'sets': lambda: {'Set': set, 'ImmutableSet': frozenset},
    'types': _types,
}


@functools.cache
def _made(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update({k: v for k, v in _MADE[name]().items() if not k.startswith('__')})
    return module


_ADDED: dict[str, dict[str, Any]] = {
    'itertools': {
        'ifilter': filter,
        'ifilterfalse': itertools.filterfalse,
        'imap': map,
        'izip': zip,
        'izip_longest': itertools.zip_longest,
    },
    'os': {'getcwdu': os.getcwd},
    'string': {
        **{name: method for name, method in vars(str).items() if not name.startswith('_')},
        'atof': float,
        'atoi': int,
        'join': lambda words, sep=' ': sep.join(words),
        'letters': string.ascii_letters,
        'lowercase': string.ascii_lowercase,
        'maketrans': str.maketrans,
        'uppercase': string.ascii_uppercase,
    },
    'sys': {'maxint': sys.maxsize, 'setdefaultencoding': lambda name: None},
}
"""What Python 2's modules hold besides; they get it when a translated source imports them."""


def import_module(
    name: str, names: dict | None = None, local: Any = None, wanted: Any = (), level: int = 0
) -> types.ModuleType:
    """Import as `__import__` does in Python 2: first from the package that the importing module lies in."""
    first = name.partition('.')[0]
    package = (names or {}).get('__package__')
    if level == 0:
        if package and 'absolute_import' not in (names or {}):
            beside = f'{package}.{first}'
            if beside in sys.modules or importlib.util.find_spec(beside):
                return builtins.__import__(name, names, local, wanted, 1)
        if name == '__builtin__':
            return BUILTIN
        if name in _MADE:
            return _made(name)
    try:
        module = builtins.__import__(name, names, local, wanted, level)
    except ModuleNotFoundError as error:
        if level or error.name != first or name not in _RENAMED:
            raise
        module = importlib.import_module(_RENAMED[name])
    if module.__name__ in _ADDED:
        for added, value in _ADDED[module.__name__].items():
            vars(module).setdefault(added, value)
    if module is random:
        # Python 2 drew below a number in this way: shuffle, choice, sample and randint give what they gave.
        random.Random._randbelow = lambda self, n: int(self.random() * n)  # type: ignore[attr-defined]
    return module
