"""What a trained network makes of images."""

import math

import chainer
import chainer.functions as F
import numpy

from vgg_cifar.datasets.image_data import scale
from vgg_cifar.export.trained import Trained
from vgg_cifar.training.random_transforms import middle_crop

# 200 of CIFAR's, see `training.extensions.evaluation`.
PIXELS_AT_ONCE = 200 * 32 * 32


def probabilities(network: Trained, images: numpy.ndarray) -> numpy.ndarray:
    """Return how likely each class is: (N, classes), float32, each row adding up to 1.

    Args:
        network: who says so, on its device.
        images: (N, C, H, W), of the network's original shape or of what it sees; bytes are divided by 255.

    """
    if images.shape[1:] != network.image_shape:
        images = middle_crop(images, network.image_shape[1])
    device = network.model.device
    at_once = max(1, PIXELS_AT_ONCE // math.prod(network.image_shape[1:]))
    found = []
    with chainer.using_config('train', False), chainer.no_backprop_mode(), chainer.using_device(device):
        for start in range(0, len(images), at_once):
            x = device.send(numpy.ascontiguousarray(images[start : start + at_once]))
            found.append(chainer.get_device('@numpy').send(F.softmax(network.model(scale(x))).array))
    return numpy.concatenate(found)
