"""JSON files, which may come from anyone: read within limits, and asked for by type and bounds."""

import json
import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from vgg_cifar import foreign_text
from vgg_cifar.errors import InputError
from vgg_cifar.file_kind import kind

MOST_BYTES = 64 * 2**20
MOST_DEPTH = 20
# Half of a pair that UTF-16 makes one character of: no text, and nothing that can be printed.
SURROGATE = re.compile(r'\\u[dD][89abAB]|\\u[dD][c-fC-F]')


class NotJSON(InputError):
    """A file is not JSON, or beyond the limits."""


def read(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        FileNotFoundError: there is none, or a file where its folder should be.
        NotJSON: it cannot be read, is no JSON in UTF-8, is larger than `MOST_BYTES` or nested deeper than
            `MOST_DEPTH`.

    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f'found {kind(path)}, expected a file')
        with path.open('rb') as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise ValueError(f'larger than {MOST_BYTES // 2**20} MiB')
        text = raw.decode()
        content = json.loads(text)
        _check_depth(content)
        if SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(*error.args) from None
    except RecursionError:
        raise NotJSON(f'{path}: not readable as JSON (nested too deep)') from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NotJSON(f'{path}: not readable as JSON ({reason})') from None
    return content


class Record:
    """An object of a JSON file: what is asked of it is of the type and within the bounds, or an InputError.

    Args:
        content: the object.
        path: the file, for messages.
        advice: what to do where something is wrong, the end of each message.
        place: where in the file the object is, such as ``data.``.

    """

    def __init__(self, content: Any, path: Path, advice: str, place: str = '') -> None:
        self._path = path
        self._advice = advice
        self._place = place
        if not isinstance(content, dict):
            raise self._refused(place.rstrip('.') or 'the content', content, 'an object')
        self.content: dict[str, Any] = content

    def __contains__(self, name: str) -> bool:
        return name in self.content

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def text(self, name: str, choices: Collection[str] | None = None) -> str:
        """Return a text, one of `choices`."""
        value = self.content.get(name)
        if not isinstance(value, str) or (choices is not None and value not in choices):
            raise self.wrong(name, 'a text' if choices is None else f'one of {", ".join(choices)}')
        return value

    def truth(self, name: str) -> bool:
        """Return true or false."""
        value = self.content.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, 'true or false')
        return value

    def whole(self, name: str, low: int = 0, high: int = 2**53) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.content.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(name, f'a whole number from {low} to {high}')
        return value

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number from `low` to `high`."""
        value: Any = self.content.get(name)
        if not is_number(value) or not low <= value <= high:
            raise self.wrong(name, f'a number from {low:g} to {high:g}')
        return value

    def numbers(self, name: str, low: float = -math.inf, high: float = math.inf) -> list[float]:
        """Return a list of finite numbers from `low` to `high`."""
        values = self.content.get(name)
        if not isinstance(values, list) or not all(is_number(v) and low <= v <= high for v in values):
            raise self.wrong(name, f'a list of numbers from {low:g} to {high:g}')
        return values

    def image_shape(self, name: str, longest: int) -> tuple[int, int, int]:
        """Return (C, H, W), each from 1 to `longest`."""
        sides = self.numbers(name, 1, longest)
        if len(sides) != 3 or not all(isinstance(side, int) for side in sides):
            raise self.wrong(name, 'three whole numbers')
        channels, height, width = map(int, sides)
        return channels, height, width

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        values = self.content.get(name)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.wrong(name, 'a list of texts')
        return values

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object as it is: of its content no more is known than that it is JSON."""
        value = self.content.get(name)
        if not isinstance(value, dict):
            raise self.wrong(name, 'an object')
        return value

    def record(self, name: str) -> 'Record':
        """Return an object within this one."""
        if name not in self.content:
            raise self.wrong(name, 'an object')
        return Record(self.content[name], self._path, self._advice, f'{self._place}{name}.')

    def records(self, name: str) -> list['Record']:
        """Return a list of objects."""
        values = self.content.get(name)
        if not isinstance(values, list):
            raise self.wrong(name, 'a list of objects')
        return [
            Record(each, self._path, self._advice, f'{self._place}{name}[{number}].')
            for number, each in enumerate(values)
        ]

    def wrong(self, name: str, expected: str) -> InputError:
        """Return the error that says what was found under a name, and what was expected."""
        if name not in self.content:
            return InputError(f'{self._path}: no {self._place}{name}; expected {expected}; {self._advice}')
        return self._refused(f'{self._place}{foreign_text.shown(name, 60)}', self.content[name], expected)

    def _refused(self, what: str, found: Any, expected: str) -> InputError:
        return InputError(f'{self._path}: {what} is {shown(found)}, expected {expected}; {self._advice}')


def record(path: Path, advice: str) -> Record:
    """Return the object that a JSON file holds; a missing file raises FileNotFoundError, see `read`."""
    try:
        return Record(read(path), path, advice)
    except NotJSON as error:
        raise NotJSON(f'{error}; {advice}') from None


def is_number(value: Any) -> bool:
    """Return whether a value from JSON is a finite number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def shown(value: Any) -> str:
    """Show a value in a message, printable and short."""
    return foreign_text.shown(json.dumps(value), 60)


def _check_depth(content: Any) -> None:
    level = [content]
    for _ in range(MOST_DEPTH + 1):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise RecursionError
