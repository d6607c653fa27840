"""Report R1, figures 2 and 3: columns A, D and E of the VGG table, without and with batch normalisation.

python scripts/compare_depth.py --data CIFAR10.hdf5 -d 0               as in the report: 400 epochs, on a GPU
python scripts/compare_depth.py --scale smoke                          a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '2', '3', description=__doc__)
