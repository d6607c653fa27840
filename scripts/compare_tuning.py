"""Report R1, figure 10: the model before and after tuning, and two steps in between.

python scripts/compare_tuning.py --data CIFAR10.hdf5 -d 0              as in the report: 400 epochs, on a GPU
python scripts/compare_tuning.py --scale smoke                         a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '10', '10b', description=__doc__)
