"""The networks that scripts/bench_step.py races are the package's own, in whatever form."""

import chainer
import chainer.links as L
import numpy
import pytest
from processes import script

from vgg_cifar import models

bench_networks = script('bench_networks')


class Called(chainer.LinkHook):
    """Notes the links that have parameters of their own, as they are called."""

    def __init__(self):
        self.links = []

    def forward_preprocess(self, args):
        if isinstance(args.link, (L.Convolution2D, L.Linear, L.BatchNormalization)):
            self.links.append(args.link)


def called(network, x):
    """Return what the network makes of x, and its links in the order of their calls."""
    with Called() as hook:
        return network(x).array, hook.links


@pytest.mark.parametrize('name', bench_networks.NETWORKS)
def test_the_list_of_layers_is_the_network(name):
    network = bench_networks.NETWORKS[name]
    ours = models.build(network.family, network.options, network.n_classes, network.image_shape)
    plain = bench_networks.chainer_network(network.layers)
    x = numpy.random.RandomState(0).standard_normal((2, *network.image_shape)).astype('f')
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        wanted, sources = called(ours, x)
        _, targets = called(plain, x)
        for source, target in zip(sources, targets, strict=True):
            assert type(source) is type(target)
            target.copyparams(source)
        numpy.testing.assert_allclose(plain(x).array, wanted, rtol=0, atol=1e-4 * abs(wanted).max())
