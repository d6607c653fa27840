"""The ten shapes of shapes10, as signed distances: below 0 inside, 0 on the outline, above 0 outside.

Each takes float32 planes of coordinates in which the shape about fills the unit circle, and returns a plane.
The distances are exact along edges and close enough at corners. Only +, -, *, /, abs, min, max and sqrt are
used, which give the same bits on every machine.
"""

from collections.abc import Callable

import numpy

Plane = numpy.ndarray
Outline = Callable[[Plane, Plane], Plane]


def disc(x: Plane, y: Plane) -> Plane:
    """A filled circle."""
    return _circle(x, y, 0.82)


def ring(x: Plane, y: Plane) -> Plane:
    """A circle's rim."""
    return numpy.abs(_circle(x, y, 0.72)) - numpy.float32(0.2)


def square(x: Plane, y: Plane) -> Plane:
    """A square."""
    return _box(x, y, 0.0, 0.0, 0.74, 0.74)


def triangle(x: Plane, y: Plane) -> Plane:
    """An equilateral triangle."""
    side = numpy.abs(x) * numpy.float32(0.8660254) + y * numpy.float32(0.5)
    return numpy.maximum(side, -y) - numpy.float32(0.5)


def star(x: Plane, y: Plane) -> Plane:
    """A star of five points."""
    # Folded along its mirror axes, it is one edge from a tip to the notch beside it.
    x = numpy.abs(x)
    for normal_x, normal_y in ((0.809017, -0.587785), (-0.809017, -0.587785)):
        beyond = numpy.maximum(x * numpy.float32(normal_x) + y * numpy.float32(normal_y), 0)
        beyond *= 2
        x = x - beyond * numpy.float32(normal_x)
        y = y - beyond * numpy.float32(normal_y)
    x = numpy.abs(x)
    # Tip (0, 1.08), notch at 0.45 and 36 degrees: (0.2645, 0.3641).
    return x * numpy.float32(0.93799) + (y - numpy.float32(1.08)) * numpy.float32(0.34656)


def cross(x: Plane, y: Plane) -> Plane:
    """Two equal bars, crossing in their middles."""
    return numpy.minimum(_box(x, y, 0.0, 0.0, 0.95, 0.27), _box(x, y, 0.0, 0.0, 0.27, 0.95))


def crescent(x: Plane, y: Plane) -> Plane:
    """A disc without another disc that covers its side."""
    return numpy.maximum(_circle(x, y, 0.95), -_circle(x - numpy.float32(0.45), y, 0.75))


def heart(x: Plane, y: Plane) -> Plane:
    """A square on its corner with two half discs on its upper sides."""
    x, y = numpy.abs(x), y + numpy.float32(0.15)
    square_on_corner = (x + numpy.abs(y)) * numpy.float32(0.70710678) - numpy.float32(0.52)
    offset = numpy.float32(0.52 * 0.70710678)
    return numpy.minimum(square_on_corner, _circle(x - offset, y - offset, 0.52))


def ell(x: Plane, y: Plane) -> Plane:
    """Two bars that meet at their ends."""
    return numpy.minimum(_box(x, y, -0.42, 0.0, 0.25, 0.92), _box(x, y, 0.1, -0.67, 0.77, 0.25))


def tee(x: Plane, y: Plane) -> Plane:
    """A bar that meets another one's middle with its end."""
    return numpy.minimum(_box(x, y, 0.0, -0.1, 0.25, 0.9), _box(x, y, 0.0, 0.65, 0.85, 0.25))


def _circle(x: Plane, y: Plane, radius: float) -> Plane:
    return numpy.sqrt(x * x + y * y) - numpy.float32(radius)


def _box(x: Plane, y: Plane, centre_x: float, centre_y: float, width: float, height: float) -> Plane:
    # Width and height are measured from the centre.
    return numpy.maximum(
        numpy.abs(x - numpy.float32(centre_x)) - numpy.float32(width),
        numpy.abs(y - numpy.float32(centre_y)) - numpy.float32(height),
    )


OUTLINES: dict[str, Outline] = {
    outline.__name__: outline
    for outline in (disc, ring, square, triangle, star, cross, crescent, heart, ell, tee)
}
