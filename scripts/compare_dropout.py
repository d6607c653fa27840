"""Report R1, figures 4 and 5: drop ratios from 0 to 0.6, and two of them with four times the epochs.

python scripts/compare_dropout.py --data CIFAR10.hdf5 -d 0             as in the report: 400 epochs, on a GPU
python scripts/compare_dropout.py --scale smoke                        a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '4', '5', '5b', description=__doc__)
