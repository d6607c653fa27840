"""Versions of installed packages."""

import importlib.metadata

import numpy

from vgg_cifar import versions


def test_versions():
    assert versions.version('numpy') == numpy.__version__
    assert versions.version('no-such-package') is None
    assert versions.own_version() == importlib.metadata.version('vgg-cifar')
