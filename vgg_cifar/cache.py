"""Where what can be had again is kept: downloads, and code that was translated."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return $VGG_CIFAR_CACHE, or else the platform's cache folder for vgg-cifar; it need not exist."""
    if chosen := os.environ.get('VGG_CIFAR_CACHE'):
        return Path(chosen)
    # It takes a while to import.
    import pooch

    return Path(pooch.os_cache('vgg-cifar'))
