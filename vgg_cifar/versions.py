"""Which version of a package is installed."""

import importlib.metadata


def version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def own_version() -> str:
    """Return this package's own version, or that it runs from a source folder which is not installed."""
    return version('vgg-cifar') or '(run from its source folder)'
