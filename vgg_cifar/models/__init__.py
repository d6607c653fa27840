"""Network families, one file each."""

from vgg_cifar.models.conv_nn import Calculate_Test_Accuracy, Conv_NN
from vgg_cifar.models.vgg import VGG

__all__ = ['VGG', 'Calculate_Test_Accuracy', 'Conv_NN']
