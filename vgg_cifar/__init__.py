"""Chainer on today's stack, VGG networks for CIFAR-10, and the studies of five reports."""

from vgg_cifar import chainer_compat
from vgg_cifar.accelerators import onednn

chainer_compat.prepare()
onednn.enable()
