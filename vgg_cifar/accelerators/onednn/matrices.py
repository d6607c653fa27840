"""Products of matrices and copies between arrays, prepared for arrays that lie in a certain way."""

import numpy

from vgg_cifar.accelerators.onednn import library
from vgg_cifar.accelerators.onednn.library import Arg
from vgg_cifar.accelerators.onednn.primitives import Attributes, Layout, Primitive


def product(
    what: str, left: Layout, right: Layout, result: Layout, attributes: Attributes | None = None
) -> Primitive:
    """Return the product of two matrices, called with the addresses of left, right and result."""
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
