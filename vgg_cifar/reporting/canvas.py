"""What all figures share: panels and their legend, put together in a file or one by one into a page."""

import io
import itertools
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

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
TITLE_SIZE = 10
INK = '#000000'


@dataclass(frozen=True)
class Panel:
    """One pair of axes: who draws into them, and their width and height in inches."""

    draw: Callable[[Axes], None]
    width: float = 4.6
    height: float = 3.6


@dataclass(frozen=True)
class Drawing:
    """What a figure consists of.

    Attributes:
        panels: row by row.
        columns: panels in a row.
        keys: the legend, the style of each line by its label.
        note: how the figure is to be read.

    """

    panels: tuple[Panel, ...]
    columns: int
    keys: Mapping[str, Mapping[str, Any]]
    note: str


def line_style(number: int) -> dict[str, Any]:
    """Return how the line with this number is drawn."""
    return {
        'color': COLOURS[number % len(COLOURS)],
        'linestyle': DASHES[number % len(DASHES)],
        'marker': MARKERS[number % len(MARKERS)],
        'markersize': 4,
    }


def compose(drawing: Drawing, title: str) -> Canvas:
    """Return all panels on one canvas, under a title and over a legend that fits its width.

    A title with names from files must have gone through `foreign_text.drawn`.
    """
    rows = [
        drawing.panels[start : start + drawing.columns]
        for start in range(0, len(drawing.panels), drawing.columns)
    ]
    widths = [panel.width for panel in rows[0]]
    heights = [row[0].height for row in rows]
    canvas = Canvas(figsize=(max(7.2, sum(widths)), sum(heights)), layout='constrained')
    grid = canvas.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths, height_ratios=heights)
    for axes, panel in itertools.zip_longest(grid.flat, drawing.panels):
        if panel is None:
            # The last row need not be full.
            axes.remove()
        else:
            panel.draw(axes)
    width, height = canvas.get_size_inches()
    # A character is 0.08 inches wide on average.
    lines = [textwrap.fill(line, int(width / 0.08)) for line in title.splitlines()]
    canvas.suptitle('\n'.join(lines), fontsize=TITLE_SIZE)
    if drawing.keys:
        below = _add_legend(canvas, drawing.keys)
        above = 0.18 * ('\n'.join(lines).count('\n') + 1)
        canvas.set_size_inches(width, height + below + above)
    return canvas


def _add_legend(canvas: Canvas, keys: Mapping[str, Mapping[str, Any]]) -> float:
    """Add a legend below, in as many columns as fit side by side; return its height in inches."""
    handles = [Line2D([], [], **style) for style in keys.values()]
    renderer = FigureCanvasAgg(canvas).get_renderer()
    for columns in range(min(4, len(handles)), 0, -1):
        legend = canvas.legend(handles, list(keys), loc='outside lower center', ncols=columns, frameon=False)
        extent = legend.get_window_extent(renderer)
        if extent.width <= canvas.bbox.width or columns == 1:
            break
        legend.remove()
    return float(extent.height / canvas.dpi)


def save(canvas: Canvas, folder: Path, name: str) -> Path:
    """Write a canvas as PNG and SVG into `folder`, whole or not at all; return the SVG's path."""
    for suffix, options in FORMATS.items():
        path = folder / f'{name}.{suffix}'
        with replacing(path) as partial:
            canvas.savefig(partial, format=suffix, **options)
        # Once laid out it stays so; the next format need not be laid out anew.
        canvas.set_layout_engine('none')
    return path


def pictured(drawing: Drawing, title: str, folder: Path, name: str) -> dict[str, Any]:
    """Save a drawing as NAME.png and NAME.svg in `folder`; return what a page shows of it."""
    save(compose(drawing, title), folder, name)
    keys = enumerate(drawing.keys.items())
    return {
        'panels': [inline(panel, f'{name}-{number}') for number, panel in enumerate(drawing.panels)],
        'keys': [(inline_key(style, f'{name}-key-{number}'), label) for number, (label, style) in keys],
        'note': drawing.note,
    }


def inline(panel: Panel, prefix: str) -> str:
    """Return a panel as SVG to stand in a page: of the page's colours, with ids that start with `prefix`."""
    canvas = Canvas(figsize=(panel.width, panel.height), layout='constrained')
    panel.draw(canvas.subplots())
    return _page_svg(canvas, prefix)


def inline_key(style: Mapping[str, Any], prefix: str) -> str:
    """Return the piece of a line that stands beside its label in a page's legend."""
    canvas = Canvas(figsize=(0.5, 0.16))
    canvas.add_artist(Line2D([0.02, 0.5, 0.98], [0.5] * 3, **{**style, 'markevery': [1]}))
    return _page_svg(canvas, prefix)


def _page_svg(canvas: Canvas, prefix: str) -> str:
    file = io.StringIO()
    canvas.savefig(file, format='svg', transparent=True, **FORMATS['svg'])
    svg = file.getvalue()
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'\s*<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    svg = re.sub(r'<!--.*?-->\n?', '', svg, flags=re.DOTALL)
    # Groups have names that nobody refers to, the same in every figure.
    svg = re.sub(r'<g id="[^"]*">', '<g>', svg)
    svg = re.sub(r' id="', f' id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf'\1{prefix}-', svg)
    # The page's text colour, dark on light or light on dark.
    svg = svg.replace(INK, 'currentColor')
    return svg.replace('<svg ', '<svg fill="currentColor" aria-hidden="true" focusable="false" ', 1).strip()


def styled() -> Any:
    """Return the context in which figures are drawn."""
    return matplotlib.rc_context(STYLE)
