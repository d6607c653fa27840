"""What all figures share: colours, dashes, markers, and files that are the same for the same runs."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from vgg_cifar.atomic import replacing

# Okabe and Ito's colours, which the colour-blind can tell apart, ordered so that neighbours differ in
# lightness too; dashes and markers tell the lines apart in grey.
COLOURS = ('#0072B2', '#E69F00', '#009E73', '#D55E00', '#000000', '#CC79A7', '#56B4E9')
DASHES = ('-', '--', '-.', ':')
MARKERS = 'osD^vP'
# The same runs give the same bytes: no random ids, no date.
STYLE: Any = {
    'svg.hashsalt': 'vgg-cifar',
    'svg.fonttype': 'path',
    'font.size': 10,
    'axes.grid': True,
    'grid.alpha': 0.3,
}
# Neither the date nor matplotlib's version, which PNG has by default.
FORMATS: Any = {
    'png': {'dpi': 150, 'metadata': {'Software': None}},
    'svg': {'metadata': {'Date': None, 'Creator': None}},
}


def line_style(number: int) -> dict[str, Any]:
    """Return how the line with this number is drawn."""
    return {
        'color': COLOURS[number % len(COLOURS)],
        'linestyle': DASHES[number % len(DASHES)],
        'marker': MARKERS[number % len(MARKERS)],
        'markersize': 4,
    }


def save(canvas: Canvas, folder: Path, name: str) -> Path:
    """Write a canvas as PNG and SVG into `folder`, whole or not at all; return the SVG's path."""
    for suffix, options in FORMATS.items():
        path = folder / f'{name}.{suffix}'
        with replacing(path) as partial:
            canvas.savefig(partial, format=suffix, **options)
    return path
