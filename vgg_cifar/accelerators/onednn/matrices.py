"""Products of matrices and copies between arrays."""

import numpy

from vgg_cifar.accelerators.onednn import arrays, library, threads
from vgg_cifar.accelerators.onednn.arrays import address
from vgg_cifar.accelerators.onednn.library import Arg
from vgg_cifar.accelerators.onednn.primitives import Attributes, Layout, Primitive, require_own_process

# Up to so many multiplications, 25 us for square matrices, a product is computed by the calling thread alone.
# Two threads save a third of it, and on a busy machine lose a hundred times as much.
SMALL = 1 << 21


def multiplied(left: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray:
    """Return left (M, K) times right (K, N), float32; each in C order, or the transpose of one that is.

    Raises:
        ValueError: they do not fit together.

    """
    require_own_process('product of matrices')
    (m, k), (rows, n) = left.shape, right.shape
    if k != rows:
        raise ValueError(f'product of matrices {left.shape} and {right.shape}: {k} is not {rows}')
    if not m * k * n:
        return numpy.zeros((m, n), numpy.float32)
    small = m * k * n <= SMALL
    # Where memory is aligned, cores read it faster; to align it takes a tenth of a small product's time.
    result = numpy.empty((m, n), numpy.float32) if small else arrays.empty((m, n))
    (left_order, *left_rows), (right_order, *right_rows) = _order(left), _order(right)
    factors = 1.0, *left_rows, *right_rows
    run = threads.alone if small else threads.together
    run(library.load().sgemm, left_order, right_order, m, n, k, *factors, 0.0, address(result), n)
    return result


def _order(matrix: numpy.ndarray) -> tuple[bytes, int, int]:
    """Return whether a matrix is transposed in memory, where that is, and how far apart its rows are."""
    if matrix.flags.c_contiguous:
        return b'N', address(matrix), matrix.shape[1]
    return b'T', address(matrix.T), matrix.shape[0]


def product(
    what: str, left: Layout, right: Layout, result: Layout, attributes: Attributes | None = None
) -> Primitive:
    """Return the product of matrices that lie so, called with the addresses of left, right and result."""
    return Primitive(
        what,
        (Arg.SRC, Arg.WEIGHTS, Arg.DST),
        'matmul_primitive_desc_create',
        library.load().engine,
        left,
        right,
        None,
        result,
        attributes=attributes,
    )


def copy(what: str, source: numpy.ndarray, target: numpy.ndarray) -> Primitive:
    """Return a copy between arrays that lie like these."""
    engine = library.load().engine
    layouts = [Layout(each.shape, [stride // 4 for stride in each.strides]) for each in (source, target)]
    return Primitive(
        f'copy of {what}',
        (Arg.SRC, Arg.DST),
        'reorder_primitive_desc_create',
        layouts[0],
        engine,
        layouts[1],
        engine,
    )
