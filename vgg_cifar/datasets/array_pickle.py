"""Pickles of plain arrays, read without trusting them.

A pickle is a program: it names functions and has them called. Here every name stands for an inert class of
this file that only remembers what it was given, so no function of NumPy's or of anyone else's ever runs.
An array is built afterwards, here, from what was remembered.
"""

import io
import pickle
from typing import Any

import numpy

from vgg_cifar.errors import InputError, first_line


class _Inert:
    __slots__ = ('arguments', 'state')

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Inert):
    """What numpy's _reconstruct makes."""

    __slots__ = ()


class _ArrayType(_Inert):
    """What is called numpy.ndarray; only ever passed to _reconstruct."""

    __slots__ = ()


class _Dtype(_Inert):
    """What is called numpy.dtype."""

    __slots__ = ()


class _Encoded(_Inert):
    """What Python 3 writes for bytes in Python 2's protocols: _codecs.encode(text, 'latin1')."""

    __slots__ = ()

    @property
    def content(self) -> bytes:
        text, encoding = self.arguments
        if encoding not in ('latin1', b'latin1') or not isinstance(text, str):
            raise ValueError('text in an unknown encoding')
        return text.encode('latin1')


_STANDS_FOR = {
    ('numpy.core.multiarray', '_reconstruct'): _Array,
    ('numpy._core.multiarray', '_reconstruct'): _Array,
    ('numpy', 'ndarray'): _ArrayType,
    ('numpy', 'dtype'): _Dtype,
    ('_codecs', 'encode'): _Encoded,
}


# The one written in Python: where a hostile stream claims sizes, the one written in C allocates them.
class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STANDS_FOR[module, name]
        except (KeyError, TypeError):
            raise pickle.UnpicklingError(f'it asks for {module}.{name}, expected only arrays') from None


def read_pickle(content: bytes, what: str) -> dict[str, Any]:
    """Return the pickled dict with its arrays as uint8 arrays; strings of Python 2 come as text (latin-1).

    `what` names the content in messages. Raises InputError for anything but a dict whose top-level arrays
    are uint8, and for a pickle that asks for anything else than arrays, before it could have it.
    """
    try:
        found = _Unpickler(io.BytesIO(content), encoding='latin1').load()
        if not isinstance(found, dict):
            raise ValueError(f'it holds a {type(found).__name__}, expected a dict')
        return {str(name): _built(value) for name, value in found.items()}
    # Bytes from outside can make an unpickler raise anything.
    except Exception as error:
        raise InputError(f'{what}: refused as a pickle ({first_line(error)}); get the file again') from error


def _built(value: Any) -> Any:
    if not isinstance(value, _Inert):
        return value
    if not isinstance(value, _Array):
        raise ValueError('it holds a type where data was expected')
    _, shape, dtype, fortran_order, content = value.state
    if isinstance(content, _Encoded):
        content = content.content
    elif isinstance(content, str):
        content = content.encode('latin1')
    if not isinstance(dtype, _Dtype) or dtype.arguments[0] not in ('u1', b'u1', '|u1'):
        raise ValueError('it holds an array that is not of bytes')
    return numpy.frombuffer(content, numpy.uint8).reshape(shape, order='F' if fortran_order else 'C')
