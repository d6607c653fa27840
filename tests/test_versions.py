"""Versions of installed packages."""

import importlib.metadata

import numpy

from vgg_cifar import versions


def test_versions(monkeypatch):
    assert versions.version('numpy') == numpy.__version__
    assert versions.version('no-such-package') is None
    assert versions.own_version() == importlib.metadata.version('vgg-cifar')
    monkeypatch.setattr(versions, 'version', lambda package: None)
    assert versions.own_version() == '(run from its source folder)'
