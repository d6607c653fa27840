"""The sets of NIST's EMNIST archive (Cohen, Afshar, Tapson and van Schaik, 2017), and what is odd about them.

Their images lie on their sides, mirrored, and the letters are numbered from 1.
"""

import dataclasses

import numpy

from vgg_cifar.datasets.idx_set import IdxSet

DIGITS = tuple('0123456789')
CAPITALS = tuple('ABCDEFGHIJKLMNOPQRSTUVWXYZ')
# Whose small letters look like capitals has one class for both.
MERGED = (*DIGITS, *CAPITALS, *'abdefghnqrt')

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    'emnist-balanced': MERGED,
    'emnist-bymerge': MERGED,
    'emnist-byclass': (*DIGITS, *CAPITALS, *'abcdefghijklmnopqrstuvwxyz'),
    'emnist-letters': CAPITALS,
    'emnist-digits': DIGITS,
    'emnist-mnist': DIGITS,
}


def upright(found: IdxSet) -> IdxSet:
    """Return one of NIST's sets with its images upright and its labels from 0, and any other as it is."""
    if found.prefix not in CLASS_NAMES:
        return found
    first = min(int(labels.min()) for labels in found.labels.values())
    letters = found.prefix == 'emnist-letters' and first == 1
    return dataclasses.replace(
        found,
        images={part: numpy.ascontiguousarray(x.swapaxes(1, 2)) for part, x in found.images.items()},
        labels={part: labels - letters for part, labels in found.labels.items()},
    )
