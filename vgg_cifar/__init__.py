"""Chainer on today's stack, VGG networks for CIFAR-10, and the studies of five reports."""

from vgg_cifar import chainer_compat

chainer_compat.prepare()
