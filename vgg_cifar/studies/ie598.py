"""Report R1: a VGG-style network on CIFAR-10, in Chainer (IE598 Deep Learning and Neural Networks).

The report prints one set of settings, those of its listing (section 8), and otherwise names only what a
figure compares. So a figure here changes the listing in what the figure is about. What a later section brings
in, such as dropout, the figures of earlier sections do without. What else is open stands beside each figure.
"""

from vgg_cifar.studies.study import Figure, Quantity, Scale, Study, Variant
from vgg_cifar.training.augmentation import COPIES
from vgg_cifar.training.settings import Settings

TRAIN = Quantity('main/accuracy', 'training accuracy', '%')
VALIDATION = Quantity('validation/main/accuracy', 'validation accuracy', '%')
TEST = Quantity('test/main/accuracy', 'test accuracy', '%')
TRAIN_ERROR = Quantity('main/accuracy', 'training error', '%', complement=True)
VALIDATION_ERROR = Quantity('validation/main/accuracy', 'validation error', '%', complement=True)
TEST_ERROR = Quantity('test/main/accuracy', 'test error', '%', complement=True)

# Sections 1 and 2. Dropout comes in with section 3.
DEPTHS = ('A', 'D', 'E')
PLAIN = {
    depth: Variant(f'{depth}, without BN', {'depth': depth, 'batch_norm': False, 'dropout': 0.0})
    for depth in DEPTHS
}
NORMALISED = {depth: Variant(f'{depth}, with BN', {'depth': depth, 'dropout': 0.0}) for depth in DEPTHS}

FIGURE_2 = Figure(
    '2',
    'Training performance of architectures with various convolutional layers',
    tuple(PLAIN.values()),
    (TRAIN, TEST),
    says='',
    choices='',
)
FIGURE_3 = Figure(
    '3',
    'Training performance of various architectures with and without batch normalization',
    tuple(variant for depth in DEPTHS for variant in (NORMALISED[depth], PLAIN[depth])),
    (TRAIN, TEST),
    says='',
    choices='',
)

# Section 3.
RATIOS = (0.0, 0.2, 0.4, 0.6)
DROPOUT = {
    ratio: Variant(f'p = {ratio:g}' if ratio else 'no dropout', {'dropout': ratio}) for ratio in RATIOS
}
LONG = {
    ratio: Variant(f'{DROPOUT[ratio].label}, 4x epochs', {'dropout': ratio}, times_epochs=4)
    for ratio in (0.0, 0.4)
}
FIGURE_4 = Figure(
    '4',
    'Comparison of train errors for various dropout probabilities',
    tuple(DROPOUT.values()),
    (TRAIN_ERROR,),
    says='',
    choices='',
)
FIGURE_5 = Figure(
    '5',
    'Comparison of test errors for various dropout probabilities',
    tuple(DROPOUT.values()),
    (TEST_ERROR, VALIDATION_ERROR),
    says='',
    choices='',
)
FIGURE_5B = Figure(
    '5b',
    'Dropout with four times the epochs',
    tuple(LONG.values()),
    (TRAIN_ERROR, TEST_ERROR),
    says='',
    choices='',
    in_report=False,
)

# Section 4. The report gives no learning rate but Adam's. Its listing has, commented out, the line
# `optimizer.lr = .01`, which is Chainer's default for MomentumSGD and RMSprop, and is taken here.
OPTIMIZERS = {'adam': 'Adam', 'momentum_sgd': 'MomentumSGD', 'rmsprop': 'RMSprop'}
PAIRS = {
    (optimizer, pooling): Variant(f'{name}, {pooling}', {'optimizer': optimizer, 'pooling': pooling})
    for optimizer, name in OPTIMIZERS.items()
    for pooling in ('max', 'average')
}
SLOW_RMSPROP = {
    pooling: Variant(
        f'RMSprop at 0.001, {pooling}', {'optimizer': 'rmsprop', 'lr': 0.001, 'pooling': pooling}
    )
    for pooling in ('max', 'average')
}
FIGURE_6 = Figure(
    '6',
    'Comparison of pooling with optimizations',
    tuple(PAIRS.values()),
    (TRAIN, TEST),
    says='',
    choices='',
)
FIGURE_6B = Figure(
    '6b',
    'RMSprop at a tenth of its learning rate',
    tuple(SLOW_RMSPROP.values()),
    (TRAIN, TEST),
    says='',
    choices='',
    in_report=False,
)
FIGURE_7 = Figure(
    '7',
    'Comparison of average-pooling optimizations',
    tuple(
        Variant(name, {'optimizer': optimizer, 'pooling': 'average'})
        for optimizer, name in OPTIMIZERS.items()
    ),
    (TRAIN, TEST),
    says='',
    choices='',
)

# Section 5. The padding keeps the image's size for each filter.
FILTERS = {size: Variant(f'{size}x{size}', {'filter_size': size}) for size in (3, 5, 7)}
FIGURE_8 = Figure(
    '8',
    'Comparison of filter sizes for the convolutional layer',
    tuple(FILTERS.values()),
    (TRAIN, TEST),
    says='',
    choices='',
)

# Section 6.
WITHOUT_COPIES = Variant('without augmentation')
WITH_COPIES = Variant('with 4x augmentation', {'augment': COPIES})
AS_MANY_STEPS = Variant('without augmentation, as many steps', times_epochs=4)
FIGURE_9 = Figure(
    '9',
    'Comparison of model performance with and without 4x data augmentation',
    (WITHOUT_COPIES, WITH_COPIES),
    (TRAIN, TEST),
    says='',
    choices='',
)
FIGURE_9B = Figure(
    '9b',
    'Augmentation against as many training steps without it',
    (AS_MANY_STEPS, WITH_COPIES),
    (TRAIN, TEST),
    says='',
    choices='',
    x='iteration',
    x_label='training step',
    in_report=False,
)

# Section 7.
TUNED = Variant('after tuning', {'pooling': 'average', 'augment': COPIES})
UNTUNED_CHANGES = {'batch_norm': False, 'dropout': 0.0}
UNTUNED = Variant('before tuning', {**UNTUNED_CHANGES, 'optimizer': 'momentum_sgd'})
UNTUNED_ADAM = Variant('before tuning, but with Adam', UNTUNED_CHANGES)
FIGURE_10 = Figure(
    '10',
    'Comparison of model performance before and after hyperparameter tuning',
    (UNTUNED, TUNED),
    (TRAIN, TEST),
    says='',
    choices='',
)
FIGURE_10B = Figure(
    '10b',
    'Which part of the tuning does it',
    (UNTUNED_ADAM, WITHOUT_COPIES, TUNED),
    (TRAIN, TEST),
    says='',
    choices='',
    in_report=False,
)

STUDY = Study(
    id='ie598',
    title='Report R1: a VGG-style network on CIFAR-10',
    source='IE598 Deep Learning and Neural Networks, convolutional network assignment',
    base=Settings(),
    # A run that ends at chance is a result too, so no run is ended for it. Every run sets images apart for
    # validation: figure 5 needs them, and so figures can share runs.
    scales={
        'smoke': Scale(
            {
                'epochs': 2,
                'batch_size': 25,
                'train_size': 200,
                'validation_size': 50,
                'test_size': 100,
                'chance_patience': 0,
            },
            seeds=1,
            rounds=3,
            timed_steps=1,
            cost='shows that everything works, decides nothing',
        ),
        'quick': Scale(
            {
                'epochs': 7,
                'batch_size': 25,
                'train_size': 2000,
                'validation_size': 500,
                'test_size': 1000,
                'chance_patience': 0,
            },
            seeds=1,
            rounds=10,
            timed_steps=2,
            cost='about an hour on 2 cores with the CPU accelerator',
        ),
        'full': Scale(
            {'validation_size': 5000, 'chance_patience': 0},
            seeds=1,
            rounds=20,
            timed_steps=5,
            cost="the report's own scale: 400 epochs over all images, meant for a GPU",
        ),
    },
    figures=(
        FIGURE_2,
        FIGURE_3,
        FIGURE_4,
        FIGURE_5,
        FIGURE_5B,
        FIGURE_6,
        FIGURE_6B,
        FIGURE_7,
        FIGURE_8,
        FIGURE_9,
        FIGURE_9B,
        FIGURE_10,
        FIGURE_10B,
    ),
    timings=(),
    claims=(),
)
