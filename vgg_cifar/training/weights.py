"""A network's weights as a .npz file that Chainer's `serializers.load_npz` reads."""

from pathlib import Path

import chainer

from vgg_cifar.atomic import replacing


def save(path: Path, model: chainer.Link) -> None:
    """Write the weights of `model`, whole or not at all."""
    # An open file, because NumPy would append .npz to the name of the temporary one.
    with replacing(path) as partial, partial.open('wb') as file:
        chainer.serializers.save_npz(file, model, compression=False)
