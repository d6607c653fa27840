"""Which version of a package is installed."""

import importlib.metadata

import vgg_cifar


def version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def own_version() -> str:
    """Return this package's own version."""
    return vgg_cifar.__version__
