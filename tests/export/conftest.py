"""Small networks of every family, with weights and statistics that no layer may lose, as finished runs."""

import chainer
import numpy
import pytest

from vgg_cifar import models
from vgg_cifar.atomic import write_json
from vgg_cifar.training import settings_json, weights
from vgg_cifar.training.settings import Settings

NETWORKS = {
    'vgg': ('vgg', {}, (3, 8, 8)),
    'vgg-average': ('vgg', {'batch_norm': False, 'pooling': 'average'}, (1, 9, 9)),
    'reduction_cnn': ('reduction_cnn', {'kernels': 3, 'doubling': True}, (1, 28, 28)),
    'dilation': ('reduction_cnn', {'kernels': 3, 'reduction': 'dilation'}, (1, 28, 28)),
    'residual_vgg': ('residual_vgg', {'blocks': 1, 'batch_norm': True, 'residual': True}, (3, 8, 8)),
    'mlp': ('mlp', {'batch_norm': 'every', 'units': 7, 'dropout': 0.5}, (1, 5, 6)),
    'conv_pool': ('conv_pool', {'channels': (4, 6), 'pool_strides': (1, 2), 'stride': 1}, (3, 16, 16)),
}


class Run:
    """A finished run's folder, with the network that it holds and images for it."""

    def __init__(self, folder, name):
        family, options, self.image_shape = NETWORKS[name]
        self.folder = folder
        self.settings = Settings(model=family, model_options=options)
        self.classes = [f'class {number}' for number in range(5)]
        self.model = models.build(family, self.settings.model_options, 5, self.image_shape)
        random = numpy.random.RandomState(0)
        for link in self.model.links():
            if isinstance(link, chainer.links.BatchNormalization):
                link.avg_mean[...] = random.rand(*link.avg_mean.shape)
                # Some as small as Chainer's eps, which is not PyTorch's.
                link.avg_var[...] = random.rand(*link.avg_var.shape) ** 8 * 1e-2
                link.gamma.array[...] = random.rand(*link.gamma.shape) * 1e-2
        self.images = random.randint(0, 256, (3, *self.image_shape)).astype('u1')
        folder.mkdir()
        weights.save(folder / 'model.npz', self.model)
        write_json(folder / 'settings.json', settings_json.to_json(self.settings))
        self.record()

    def record(self, **changes):
        """Write environment.json."""
        data = {
            'fingerprint': 'f',
            'image_shape': list(self.image_shape),
            'dtype': 'uint8',
            'class_names': self.classes,
        }
        content = {
            'python': '3',
            'platform': 'x',
            'processor': 'x',
            'device': '@numpy',
            'cores': 2,
            'packages': {},
            'data': data | changes,
        }
        write_json(self.folder / 'environment.json', content)

    def scores(self):
        """Return what the network gives for the images."""
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            return self.model((self.images / 255).astype('f4')).array


@pytest.fixture(params=NETWORKS)
def run(request, tmp_path):
    return Run(tmp_path / 'run', request.param)


@pytest.fixture
def small_run(tmp_path):
    return Run(tmp_path / 'run', 'conv_pool')
