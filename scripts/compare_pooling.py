"""Report R1, figure 6: max against average pooling, under each optimizer.

python scripts/compare_pooling.py --data CIFAR10.hdf5 -d 0             as in the report: 400 epochs, on a GPU
python scripts/compare_pooling.py --scale smoke                        a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '6', description=__doc__)
