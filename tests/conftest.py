"""Chainer needs what importing the package prepares."""

import vgg_cifar  # noqa: F401
