"""Report R1, figure 9: with and without the listing's copies, and without them for as many steps.

python scripts/compare_augmentation.py --data CIFAR10.hdf5 -d 0        as in the report: 400 epochs, on a GPU
python scripts/compare_augmentation.py --scale smoke                   a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '9', '9b', description=__doc__)
