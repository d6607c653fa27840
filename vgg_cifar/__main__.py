"""`python -m vgg_cifar` is `vgg-cifar`."""

import sys

from vgg_cifar.cli import main

if __name__ == '__main__':
    sys.exit(main())
