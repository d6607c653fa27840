"""Text that comes from files, made fit to be shown: short, printable, on one line, and never markup."""

LONGEST = 80


def shown(text: str | bytes, longest: int = LONGEST) -> str:
    r"""Return foreign text as people may see it: at most `longest` printable characters on one line.

    Bytes are read as UTF-8. What is not printable (terminals' escape sequences, NUL, line ends, lone
    surrogates, characters that turn the direction of writing, bytes that are no UTF-8) is written as
    Python writes it, ``\x1b``; what is longer loses its middle.

    Args:
        text: a name, a path, a message, of any length.
        longest: characters of the result, 8 or more.

    """
    # Whatever is cut away below need not be decoded or escaped.
    beginning, end = text[: 4 * longest], text[-4 * longest :]
    whole = len(text) <= 4 * longest
    first, last = _printable(beginning), _printable(end)
    if whole and len(first) <= longest:
        return first
    kept = longest - 1
    return f'{first[: kept - kept // 3]}…{last[len(last) - kept // 3 :]}'


def drawn(text: str | bytes, longest: int = LONGEST) -> str:
    """Return `shown` for matplotlib, to which a pair of dollar signs would be mathematics."""
    return shown(text, longest).replace('$', r'\$')


def _printable(text: str | bytes) -> str:
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'backslashreplace')
    if text.isprintable():
        return text
    return ''.join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
