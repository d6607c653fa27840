"""Report R1: a VGG-style network on CIFAR-10, in Chainer (IE598 Deep Learning and Neural Networks)."""

from vgg_cifar.studies.study import Figure, Panel, Scale, Study, Variant
from vgg_cifar.training.settings import Settings

OPTIMIZERS = {'adam': 'Adam', 'momentum_sgd': 'MomentumSGD', 'rmsprop': 'RMSprop'}
POOLINGS = ('max', 'average')
ACCURACIES = (
    Panel('main/accuracy', 'training accuracy (%)', percent=True),
    Panel('test/main/accuracy', 'test accuracy (%)', percent=True),
)

# Section 2: "the positive effect of batch normalization as we increase the number of weight layers".
FIGURE_3 = Figure(
    '3',
    'Training with and without batch normalisation',
    tuple(
        Variant(
            f'{depth}, {"with" if batch_norm else "without"} BN', {'depth': depth, 'batch_norm': batch_norm}
        )
        for depth in ('A', 'D', 'E')
        for batch_norm in (True, False)
    ),
    ACCURACIES,
)

# Section 4. The report gives no learning rates but Adam's. Its listing has, commented out, the line
# `optimizer.lr = .01`, which is Chainer's default for MomentumSGD and RMSprop, and is taken here.
FIGURE_6 = Figure(
    '6',
    'Pooling with optimizations',
    tuple(
        Variant(f'{name}, {pooling}', {'optimizer': optimizer, 'pooling': pooling})
        for optimizer, name in OPTIMIZERS.items()
        for pooling in POOLINGS
    ),
    ACCURACIES,
)

FIGURE_7 = Figure(
    '7',
    'Optimizers with average pooling',
    tuple(
        Variant(name, {'optimizer': optimizer, 'pooling': 'average'})
        for optimizer, name in OPTIMIZERS.items()
    ),
    ACCURACIES,
)

# Section 5. The padding keeps the image's size for each filter.
FIGURE_8 = Figure(
    '8',
    'Filter sizes of the convolutional layers',
    tuple(Variant(f'{size}x{size}', {'filter_size': size}) for size in (3, 5, 7)),
    ACCURACIES,
)

STUDY = Study(
    id='ie598',
    title='Report R1: a VGG-style network on CIFAR-10',
    source='IE598 Deep Learning and Neural Networks, convolutional network assignment',
    base=Settings(),
    scales={
        # A run that ends at chance is a result too, so no run is ended for it.
        'smoke': Scale(
            {'epochs': 2, 'batch_size': 25, 'train_size': 300, 'test_size': 100, 'chance_patience': 0},
            seeds=1,
            cost='seconds per run on 2 cores; shows that everything works, decides nothing',
        ),
        'quick': Scale(
            {'epochs': 10, 'batch_size': 50, 'train_size': 5000, 'test_size': 1000, 'chance_patience': 0},
            seeds=1,
            cost='minutes per run on 2 cores with the CPU accelerator, ten times that without it',
        ),
        'full': Scale(
            {'chance_patience': 0},
            seeds=1,
            cost="the report's own scale: 400 epochs over all images, meant for a GPU",
        ),
    },
    figures=(FIGURE_3, FIGURE_6, FIGURE_7, FIGURE_8),
)
