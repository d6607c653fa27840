"""A network's weights as a .npz file that Chainer's `serializers.load_npz` reads."""

from pathlib import Path

import chainer
import numpy
from chainer.serializers import DictionarySerializer, NpzDeserializer

from vgg_cifar import npz
from vgg_cifar.errors import InputError
from vgg_cifar.training.run_folder import RunFolder


def save(path: Path, model: chainer.Link) -> None:
    """Write the weights of `model` into a run's folder, whole or not at all."""
    # An open file, because NumPy would append .npz to the name of the temporary one.
    with RunFolder(path.parent).replacing(path.name) as partial, partial.open('wb') as file:
        chainer.serializers.save_npz(file, model, compression=False)


def load(path: Path, model: chainer.Link) -> None:
    """Give `model` the weights in a .npz file, read without unpickling, and only where its arrays fit.

    Raises:
        InputError: the file is none of plain arrays, or not of this network.

    """
    expected = DictionarySerializer()
    expected.save(model)
    with npz.opened(path) as arrays:
        for name, array in sorted(expected.target.items()):
            found = arrays.shapes.get(name)
            if found != numpy.shape(array):
                raise InputError(
                    f'{path}: {name} is {"missing" if found is None else found}, expected '
                    f'{numpy.shape(array)}; these are not the weights of this network'
                )
        try:
            NpzDeserializer(arrays).load(model)
        except TypeError as error:
            raise InputError(f'{path}: not the weights of a network ({error})') from None
