"""What Chainer's own trainer extensions lack, one per file."""

from vgg_cifar.training.extensions.best_model import BestModel
from vgg_cifar.training.extensions.decay_loss import DecayLoss
from vgg_cifar.training.extensions.divergence import Chance, Divergence
from vgg_cifar.training.extensions.evaluation import Evaluation
from vgg_cifar.training.extensions.gradient_flow import GradientFlow
from vgg_cifar.training.extensions.random_state import RandomState
from vgg_cifar.training.extensions.throughput import Throughput

__all__ = [
    'BestModel',
    'Chance',
    'DecayLoss',
    'Divergence',
    'Evaluation',
    'GradientFlow',
    'RandomState',
    'Throughput',
]
