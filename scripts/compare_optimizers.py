"""Report R1, figures 6 and 7: Adam, MomentumSGD and RMSprop, with max and with average pooling.

RMSprop also at a tenth of its learning rate.

python scripts/compare_optimizers.py --data CIFAR10.hdf5 -d 0          as in the report: 400 epochs, on a GPU
python scripts/compare_optimizers.py --scale smoke                     a minute on a laptop, synthetic images
"""

from vgg_cifar.cli import compare

if __name__ == '__main__':
    compare('ie598', '6', '6b', '7', description=__doc__)
