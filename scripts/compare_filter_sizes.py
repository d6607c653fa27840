"""Report R1, figure 8: convolutions of 3x3, 5x5 and 7x7.

python scripts/compare_filter_sizes.py --data CIFAR10.hdf5 -d 0        as in the report: 400 epochs, on a GPU
python scripts/compare_filter_sizes.py --scale smoke                   a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '8', description=__doc__)
