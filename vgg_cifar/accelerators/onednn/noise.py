"""Random masks at a fraction of the cost of drawing a float for each element."""

from typing import Any

import numpy

# The annotations of some NumPys do not know that randint can draw it.
UINT32: Any = numpy.uint32


def keep(n: int, ratio: float) -> numpy.ndarray:
    """Return n booleans, each False with probability `ratio` (0 <= ratio < 1).

    The bits come from a fast generator, seeded from NumPy's global one: numpy.random.seed rules them.
    """
    seed = numpy.random.randint(0, 2**32, 4, UINT32)
    # 16 bits decide, unless so few elements are kept that the rounding of the ratio would matter.
    word = numpy.uint16 if ratio < 0.98 else numpy.uint32
    per_draw = 8 // numpy.dtype(word).itemsize
    bits = numpy.random.SFC64(seed).random_raw(-(-n // per_draw)).view(word)[:n]
    kept: numpy.ndarray = numpy.greater_equal(bits, round(ratio * numpy.iinfo(word).max))
    return kept
