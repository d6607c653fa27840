"""Python 2's strings and files.

A str of Python 2 is a str of Python 3: its bytes as UTF-8, each that is not UTF-8 as a surrogate of
`surrogateescape`, so that nothing is lost. What a script reads from a binary file is `Bytes`, a str to the
script and bytes to the libraries that it hands them to.
"""

import builtins
import codecs
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any


def text(value: Any) -> Any:
    """Return bytes as the str that they are in Python 2, and all else as it is."""
    return codecs.decode(value, 'utf-8', 'surrogateescape') if isinstance(value, bytes | bytearray) else value


def binary(value: Any) -> Any:
    """Return a str as the bytes that it is in Python 2, and all else as it is."""
    return value.encode('utf-8', 'surrogateescape') if isinstance(value, str) else value


class Bytes(bytes):
    """What a script has read from a binary file."""

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return bytes.__repr__(self)[1:]

    def __hash__(self) -> int:
        return hash(text(self))

    def __eq__(self, other: object) -> bool:
        return bytes(self) == binary(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, part: Any) -> bool:
        return bytes.__contains__(self, binary(part))

    def __getitem__(self, index: Any) -> 'Bytes':  # type: ignore[override]
        part = bytes.__getitem__(self, index)
        return Bytes((part,) if isinstance(part, int) else part)

    def __iter__(self) -> Iterator['Bytes']:  # type: ignore[override]
        return (Bytes((byte,)) for byte in bytes.__iter__(self))

    def __add__(self, other: Any) -> 'Bytes':
        return Bytes(bytes.__add__(self, binary(other)))

    def __radd__(self, other: Any) -> 'Bytes':
        return Bytes(binary(other) + bytes(self))

    def __mod__(self, values: Any) -> str:  # type: ignore[override]
        return text(self) % values


def _method_of_bytes(name: str) -> Callable:
    def method(self: Bytes, *arguments: Any) -> Any:
        if name in ('find', 'index', 'rfind', 'rindex', 'count'):
            return getattr(bytes, name)(self, *map(binary, arguments))
        return getattr(text(self), name)(*map(text, arguments))

    return method


for _name in dir(str):
    if not _name.startswith('_') and hasattr(bytes, _name):
        setattr(Bytes, _name, _method_of_bytes(_name))


def ord(character: Any) -> int:
    """Return the byte that a character of one byte is, or a character's number."""
    number = builtins.ord(text(character))
    return number - 0xDC00 if 0xDC80 <= number <= 0xDCFF else number


def chr(number: int) -> str:
    """Return a byte as a str."""
    return builtins.chr(number + 0xDC00 if 0x80 <= number <= 0xFF else number)


def encode(value: str, encoding: str = 'ascii', errors: str = 'strict') -> str:
    """Encode a str by any of Python 2's codecs, to a str."""
    given = value if codecs.lookup(encoding)._is_text_encoding else binary(value)
    return text(codecs.encode(given, encoding, errors))


def decode(value: str, encoding: str = 'ascii', errors: str = 'strict') -> str:
    """Decode a str by any of Python 2's codecs, to a str."""
    return text(codecs.decode(binary(value), encoding, errors))


class Kind(type):
    """A class that other classes' objects are instances of."""

    kinds: tuple[type, ...]

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, cls.kinds)


class basestring(metaclass=Kind):
    kinds = (str, bytes)


class unicode(str, metaclass=Kind):
    kinds = (str,)

    def __new__(cls, value: Any = '', encoding: str = 'ascii', errors: str = 'strict') -> str:  # type: ignore[misc]
        if isinstance(value, bytes) or encoding != 'ascii':
            return decode(value, encoding, errors)
        return value.__unicode__() if hasattr(value, '__unicode__') else str(value)


def _script_reads() -> bool:
    """Whether the caller's caller is the script, and not a library."""
    from vgg_cifar.compat.python2.meaning import BUILTINS

    return sys._getframe(2).f_builtins is BUILTINS


def _reads(name: str, give: Callable) -> Any:
    def method(self: Any, *size: int) -> Any:
        data = getattr(super(_Lines, self), name)(*size)
        return give(data) if _script_reads() else data

    return method


class _Lines:
    """The lines of a binary file are a str to the script, which the csv module asks for."""

    __next__ = _reads('__next__', text)
    read = _reads('read', Bytes)
    readline = _reads('readline', Bytes)
    readlines = _reads('readlines', lambda lines: [*map(text, lines)])


class _Writes:
    """Takes bytes and str alike."""

    def write(self, data: Any) -> int:
        return super().write(text(data) if isinstance(self, io.TextIOBase) else binary(data))  # type: ignore[misc]


class _Reader(_Lines, io.BufferedReader):
    pass


class _Writer(_Writes, io.BufferedWriter):
    pass


class _Random(_Lines, _Writes, io.BufferedRandom):
    pass


class _Text(_Writes, io.TextIOWrapper):
    pass


class _StringOfText(_Writes, io.StringIO):
    pass


class _StringOfBytes(_Lines, _Writes, io.BytesIO):
    pass


def open(name: Any, mode: str = 'r', buffering: int = -1) -> Any:
    """Open a file as Python 2 did: no line end is changed, except by the mode U."""
    raw = io.FileIO(name, mode.translate({builtins.ord(letter): None for letter in 'btU'}) or 'r')
    kind = _Random if '+' in mode else _Reader if raw.readable() else _Writer
    if 'b' in mode:
        return kind(raw)
    return _Text(
        kind(raw),
        encoding='utf-8',
        errors='surrogateescape',
        newline=None if 'U' in mode else '\n',
        line_buffering=buffering == 1,
        write_through=buffering == 0,
    )


def StringIO(value: Any = '') -> Any:
    """Return a file in memory, of bytes if it starts with bytes."""
    return _StringOfBytes(value) if isinstance(value, bytes) else _StringOfText(value, newline='\n')
