"""The pickles of CIFAR's python archives, read where their bytes are the published ones, and nowhere else.

A pickle is a program, and one made to harm needs no names to call: sizes and nesting are enough to kill its
reader. What has a published checksum is known to be the data.
"""

import hashlib
import pickle
from typing import Any

from vgg_cifar.errors import InputError


def read_published_pickle(content: bytes, md5: str, what: str) -> Any:
    """Return what the published pickle with this `md5` holds; `what` names it in messages.

    Raises InputError, without having looked into it, where `content` is anything else.
    """
    found = hashlib.md5(content).hexdigest()
    if found != md5:
        raise InputError(
            f'{what}: checksum: found {found}, expected {md5}; a pickle can run code, and only the published '
            'one is opened: get the official archive, or write what made this one into an HDF5 file, as '
            'CIFAR10.hdf5.md shows'
        )
    # Python 2 wrote it.
    return pickle.loads(content, encoding='latin1')
