"""Chainer on today's stack, VGG networks for CIFAR-10, and the studies of five reports."""

__version__ = '0.1.0'

from vgg_cifar.accelerators import cudnn, onednn
from vgg_cifar.compat import chainer7

chainer7.prepare()
onednn.enable()
cudnn.enable()
