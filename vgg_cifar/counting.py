"""Numbers of things, and sizes, as a sentence has them."""


def counted(count: int, one: str, several: str | None = None) -> str:
    """Return `1 image`, `2,000 images`; `several` is for what does not just take an s: `is`, `are`."""
    return f'{count:,} {one if count == 1 else several or f"{one}s"}'


def in_bytes(size: float) -> str:
    """Return a size in the unit, by thousands, that shows it: of 3,000,000 bytes `3.0 MB`."""
    for unit in ('bytes', 'kB', 'MB', 'GB'):
        if abs(size) < 999.95:
            return counted(round(size), 'byte') if unit == 'bytes' else f'{size:.1f} {unit}'
        size /= 1000
    return f'{size:,.1f} TB'
