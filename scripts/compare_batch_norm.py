"""Report R1, figure 3: with and without batch normalisation, at three depths.

python scripts/compare_batch_norm.py --data CIFAR10.hdf5 -d 0          as in the report: 400 epochs, on a GPU
python scripts/compare_batch_norm.py --scale smoke                     a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '3', description=__doc__)
