"""Chainer 1's calls on Chainer 7.8.1, for `vgg-cifar run` alone. Nothing here imports Chainer."""


def accept() -> None:
    """Have Chainer take what it refuses since Chainer 2; changes nothing for scripts that already work."""


def restore_meanings() -> None:
    """Have what Chainer 7 takes and understands otherwise mean and compute what it did in Chainer 1.24."""
