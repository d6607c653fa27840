"""Prepares Chainer before any test module imports it."""

import vgg_cifar  # noqa: F401
