"""What a trained network makes of images."""

import chainer
import chainer.functions as F
import numpy

from vgg_cifar.datasets.image_data import scale
from vgg_cifar.export.images import IMAGES_AT_ONCE
from vgg_cifar.export.trained import Trained
from vgg_cifar.training.random_transforms import middle_crop


def probabilities(network: Trained, images: numpy.ndarray) -> numpy.ndarray:
    """Return how likely each class is: (N, classes), float32, each row adding up to 1.

    Args:
        network: who says so, on its device.
        images: (N, C, H, W), of the network's original shape or of what it sees; bytes are divided by 255.

    """
    if images.shape[1:] != network.image_shape:
        images = middle_crop(images, network.image_shape[1])
    device = network.model.device
    found = []
    with chainer.using_config('train', False), chainer.no_backprop_mode(), chainer.using_device(device):
        for start in range(0, len(images), IMAGES_AT_ONCE):
            x = device.send(numpy.ascontiguousarray(images[start : start + IMAGES_AT_ONCE]))
            found.append(chainer.get_device('@numpy').send(F.softmax(network.model(scale(x))).array))
    return numpy.concatenate(found)
