"""Report R1: a VGG-style network on CIFAR-10, in Chainer (IE598 Deep Learning and Neural Networks).

The report prints one set of settings, those of its listing (section 8), and otherwise names only what a
figure compares. So a figure here changes the listing in what the figure is about. What a later section brings
in, such as dropout, the figures of earlier sections do without. What else is open stands beside each figure.
"""

from vgg_cifar.studies.comparison import Difference, Quantity, TimeRatio, Timing, Variant
from vgg_cifar.studies.ie598_tables import layer_table, stacked_filters
from vgg_cifar.studies.study import (
    TEST,
    TRAIN,
    VALIDATION,
    Arithmetic,
    Axis,
    Check,
    Claim,
    Figure,
    Images,
    Scale,
    Study,
    Summary,
)
from vgg_cifar.training.augmentation import COPIES
from vgg_cifar.training.settings import Settings

TRAIN_ERROR = Quantity('main/accuracy', 'training error', '%', complement=True)
VALIDATION_ERROR = Quantity('validation/main/accuracy', 'validation error', '%', complement=True)
TEST_ERROR = Quantity('test/main/accuracy', 'test error', '%', complement=True)
GAP = Quantity('main/accuracy', 'training minus test accuracy', '%', less='test/main/accuracy')

# ---------------------------------------------------------------------------------------------------------
# Section 1: deeper networks; section 2: batch normalisation.

DEPTHS = ('A', 'D', 'E')
PLAIN = {
    depth: Variant(f'{depth}, without BN', {'depth': depth, 'batch_norm': False, 'dropout': 0.0})
    for depth in DEPTHS
}
NORMALISED = {depth: Variant(f'{depth}, with BN', {'depth': depth, 'dropout': 0.0}) for depth in DEPTHS}
LISTING = Variant('the listing', {'dropout': 0.0})

FIGURE_2 = Figure(
    '2',
    'Training performance of architectures with various convolutional layers',
    tuple(PLAIN.values()),
    (TRAIN, TEST),
    says='Columns A, D and E of the VGG table, cut to "a maximum of 4 layers" because the images are small. '
    'The deeper the network, the lower its training error; pooling keeps the training time down.',
    choices='"Layers" is read as blocks, of which the table has five and four fit a 32x32 image. Batch '
    'normalisation and dropout come in with later sections of the report, so these networks have neither. '
    "The optimizer is the listing's Adam at 0.001.",
)
FIGURE_3 = Figure(
    '3',
    'Training performance of various architectures with and without batch normalization',
    tuple(variant for depth in DEPTHS for variant in (NORMALISED[depth], PLAIN[depth])),
    (TRAIN, TEST),
    says='Batch normalisation between the layers helps, and the more so the more layers there are: gradients '
    'flow better, and the network regularises itself. It costs about 30 % more running time.',
    choices="Figure 2's networks, each once more with batch normalisation after every convolution; no "
    'dropout.',
)
NORMALISED_LONG = {
    depth: Variant(f'{NORMALISED[depth].label}, 4x epochs', {'depth': depth, 'dropout': 0.0}, times_epochs=4)
    for depth in ('A', 'E')
}
FIGURE_3B = Figure(
    '3b',
    'The shallowest and the deepest network with batch normalisation and four times the epochs',
    tuple(NORMALISED_LONG.values()),
    (TRAIN, TEST),
    says='Not in the report.',
    choices='Tests whether depth only needs more epochs than this scale has.',
    in_report=False,
)
BATCH_NORM_TIME = Timing(
    'batch-norm',
    'Networks of figure 3, with and without batch normalisation',
    (*NORMALISED.values(), *PLAIN.values()),
)
POOLING_TIME = Timing(
    'depth',
    'A further pooling layer with four further convolutions',
    (LISTING, NORMALISED['D'], NORMALISED['E']),
)

DEPTH = Claim(
    'R1.depth',
    ('2',),
    'More convolutional layers give a lower training error.',
    'The last training accuracy of D is above that of A, and that of E above that of D.',
    (Difference(TRAIN, PLAIN['D'], PLAIN['A']), Difference(TRAIN, PLAIN['E'], PLAIN['D'])),
    checks=(
        Check(
            'Do the deeper networks only fail to start, for want of batch normalisation? The same with it:',
            (
                Difference(TRAIN, NORMALISED['D'], NORMALISED['A']),
                Difference(TRAIN, NORMALISED['E'], NORMALISED['D']),
            ),
        ),
        Check(
            'Too few epochs? After four times as many, with batch normalisation, the deepest against the '
            'shallowest:',
            (Difference(TRAIN, NORMALISED_LONG['E'], NORMALISED_LONG['A']),),
        ),
    ),
)
DEPTH_TIME = Claim(
    'R1.depth-time',
    ('2',),
    'Each further pooling layer offsets the added training time of the deeper network.',
    'E is the listing (8 convolutions, 3 poolings) plus one pooling and four convolutions after it. Offset: '
    'its step takes less than 12/8 of the time, so that a convolution after the pooling costs less than '
    'those before it did. The report gives no times; this is our reading.',
    (TimeRatio(POOLING_TIME, NORMALISED['E'], LISTING, low=0.0, high=12 / 8),),
    checks=(
        Check(
            'Without a further pooling: E has two more convolutions than D, and as many poolings. Is its '
            'step within 12/10 of the time?',
            (TimeRatio(POOLING_TIME, NORMALISED['E'], NORMALISED['D'], low=0.0, high=12 / 10),),
        ),
    ),
)
BATCH_NORM = Claim(
    'R1.bn',
    ('3',),
    'With batch normalisation training converges faster, at each depth.',
    'The mean of the training accuracy over all epochs is higher with it, for A, D and E.',
    tuple(Difference(TRAIN, NORMALISED[depth], PLAIN[depth], over='mean') for depth in DEPTHS),
)
BATCH_NORM_COST = Claim(
    'R1.bn-cost',
    ('3',),
    'Batch normalisation adds about 30 % to the running time.',
    'A training step with it takes 1.2 to 1.4 times as long as one without, for A, D and E. The batch is the '
    "scale's.",
    tuple(TimeRatio(BATCH_NORM_TIME, NORMALISED[depth], PLAIN[depth], low=1.2, high=1.4) for depth in DEPTHS),
)

# ---------------------------------------------------------------------------------------------------------
# Section 3: dropout.

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
    says='Dropout visibly raises the training error. Without it training converges fastest, though not '
    'necessarily to the best optimum.',
    choices='The ratios tried are not in the text. It calls p the probability to retain; its listing passes '
    'p = 0.40 to Chainer, which drops with that probability. p is a drop ratio here, and 0.6 is among the '
    'ratios: the other reading of 0.4. Training error is measured while training, with dropout at work, as '
    "in the listing. All other settings are the listing's.",
)
FIGURE_5 = Figure(
    '5',
    'Comparison of test errors for various dropout probabilities',
    tuple(DROPOUT.values()),
    (TEST_ERROR, VALIDATION_ERROR),
    says='Dropout prevents overfitting: with p = 0.4 the model does better on the test set than without '
    '(the text has "with").',
    choices="Figure 4's runs. The validation images are set apart from the training images; the report shows "
    'none.',
)
FIGURE_5B = Figure(
    '5b',
    'Dropout with four times the epochs',
    tuple(LONG.values()),
    (TRAIN_ERROR, TEST_ERROR),
    says='Not in the report.',
    choices='Tests whether dropout only needs more epochs than this scale has.',
    in_report=False,
)
DROPOUT_TRAIN = Claim(
    'R1.dropout-train',
    ('4',),
    'Dropout raises the training error; without it the training error falls fastest.',
    'The last training error, and its mean over all epochs, is higher with each ratio than without dropout.',
    tuple(
        Difference(TRAIN_ERROR, DROPOUT[ratio], DROPOUT[0.0], over)
        for over in ('last', 'mean')
        for ratio in RATIOS[1:]
    ),
)
DROPOUT_TEST = Claim(
    'R1.dropout-test',
    ('5',),
    'p = 0.4 gives the lowest test error of the ratios tried.',
    'The last test error of every other ratio is higher than that of p = 0.4.',
    tuple(Difference(TEST_ERROR, DROPOUT[ratio], DROPOUT[0.4]) for ratio in (0.0, 0.2, 0.6)),
    ranking=(VALIDATION_ERROR, TEST_ERROR),
    mark='The report chose p on the test set. Here the test set only checks its choice; the same comparison '
    'on validation images, where a ratio should be chosen, stands below.',
    checks=(
        Check(
            'On validation images instead:',
            tuple(Difference(VALIDATION_ERROR, DROPOUT[ratio], DROPOUT[0.4]) for ratio in (0.0, 0.2, 0.6)),
        ),
        Check(
            'Too few epochs? After four times as many, without dropout against p = 0.4:',
            (Difference(TEST_ERROR, LONG[0.0], LONG[0.4]),),
        ),
    ),
)

# ---------------------------------------------------------------------------------------------------------
# Section 4: pooling and optimizers. The report gives no learning rate but Adam's. Its listing has, commented
# out, the line `optimizer.lr = .01`: Chainer's default for MomentumSGD and RMSprop, and taken here.

OPTIMIZERS = {'adam': 'Adam', 'momentum_sgd': 'MomentumSGD', 'rmsprop': 'RMSprop'}
POOLINGS = ('max', 'average')
PAIRS = {
    (optimizer, pooling): Variant(f'{name}, {pooling}', {'optimizer': optimizer, 'pooling': pooling})
    for optimizer, name in OPTIMIZERS.items()
    for pooling in POOLINGS
}
BEST_PAIR = PAIRS['adam', 'average']
SLOW_RMSPROP = {
    pooling: Variant(
        f'RMSprop at 0.001, {pooling}', {'optimizer': 'rmsprop', 'lr': 0.001, 'pooling': pooling}
    )
    for pooling in POOLINGS
}
FIGURE_6 = Figure(
    '6',
    'Comparison of pooling with optimizations',
    tuple(PAIRS.values()),
    (TRAIN, TEST),
    says='Adam is better than MomentumSGD and RMSprop with either pooling. Average pooling suits Adam, max '
    'pooling the other two. Best of the six: Adam with average pooling.',
    choices="Learning rates: the listing's 0.001 for Adam; for the others Chainer's default, 0.01, which the "
    "listing has too, commented out. The rest is the listing's: batch normalisation, p = 0.4.",
)
FIGURE_6B = Figure(
    '6b',
    'RMSprop at a tenth of its learning rate',
    tuple(SLOW_RMSPROP.values()),
    (TRAIN, TEST),
    says='Not in the report.',
    choices='Tests whether RMSprop does badly only because of the learning rate that is assumed: 0.001 '
    'instead of 0.01.',
    in_report=False,
)
FIGURE_7 = Figure(
    '7',
    'Comparison of average-pooling optimizations',
    tuple(PAIRS[optimizer, 'average'] for optimizer in OPTIMIZERS),
    (TRAIN, TEST),
    says='With average pooling alone: Adam before the others.',
    choices="The half of figure 6's runs that have average pooling.",
)
ADAM = Claim(
    'R1.adam',
    ('6', '7'),
    'Adam beats MomentumSGD and RMSprop, with max and with average pooling.',
    'The last test accuracy with Adam is above that with each of the others, for each pooling.',
    tuple(
        Difference(TEST, PAIRS['adam', pooling], PAIRS[other, pooling])
        for pooling in POOLINGS
        for other in ('momentum_sgd', 'rmsprop')
    ),
    checks=(
        Check(
            'Does RMSprop lose by its learning rate? Against RMSprop at 0.001:',
            tuple(Difference(TEST, PAIRS['adam', pooling], SLOW_RMSPROP[pooling]) for pooling in POOLINGS),
        ),
    ),
)
POOL_ADAM = Claim(
    'R1.pool-adam',
    ('6', '7'),
    'Average pooling beats max pooling under Adam.',
    'The last test accuracy of Adam with average pooling is above that with max pooling.',
    (Difference(TEST, BEST_PAIR, PAIRS['adam', 'max']),),
)
POOL_OTHERS = Claim(
    'R1.pool-others',
    ('6',),
    'Max pooling beats average pooling under RMSprop and under MomentumSGD.',
    'The last test accuracy with max pooling is above that with average pooling, under each of the two.',
    tuple(
        Difference(TEST, PAIRS[optimizer, 'max'], PAIRS[optimizer, 'average'])
        for optimizer in ('rmsprop', 'momentum_sgd')
    ),
    checks=(
        Check(
            "Is it RMSprop's learning rate, at which it may not leave chance? The same at 0.001:",
            (Difference(TEST, SLOW_RMSPROP['max'], SLOW_RMSPROP['average']),),
        ),
    ),
)
BEST = Claim(
    'R1.best-pair',
    ('6', '7'),
    'Adam with average pooling is the best of the six pairs; above all it beats MomentumSGD with max '
    'pooling.',
    'Its last test accuracy is above that of each of the other five.',
    tuple(Difference(TEST, BEST_PAIR, pair) for pair in PAIRS.values() if pair is not BEST_PAIR),
    ranking=(VALIDATION, TEST),
    mark='The report does not say on which images it compares; a choice among six belongs on validation '
    'images, whose ranking stands beside that of the test set.',
)

# ---------------------------------------------------------------------------------------------------------
# Section 5: filter sizes. The padding keeps the image's size for each filter.

FILTERS = {size: Variant(f'{size}x{size}', {'filter_size': size}) for size in (3, 5, 7)}
ALIKE = 3.0
FIGURE_8 = Figure(
    '8',
    'Comparison of filter sizes for the convolutional layer',
    tuple(FILTERS.values()),
    (TRAIN, TEST),
    says='3x3, 5x5 and 7x7 filters do about the same in training, but larger ones tend to overfit. (The text '
    'points to "figure 10"; the filters are in figure 8.)',
    choices='Every convolution of the listing has the size; the padding keeps the image as large as it was.',
)
FILTER_TRAIN = Claim(
    'R1.filter-train',
    ('8',),
    '3x3, 5x5 and 7x7 filters train alike.',
    f'Any two of them end with training accuracies within {ALIKE:g} points of each other.',
    tuple(
        Difference(TRAIN, FILTERS[large], FILTERS[small], low=-ALIKE, high=ALIKE)
        for small, large in ((3, 5), (3, 7), (5, 7))
    ),
)
FILTER_TEST = Claim(
    'R1.filter-test',
    ('8',),
    'Larger filters overfit: their gap between training and test accuracy is wider.',
    'The last gap is wider with 5x5 than with 3x3, and wider with 7x7 than with 3x3. Training accuracy is '
    'measured with dropout at work, which narrows the gap of all three.',
    tuple(Difference(GAP, FILTERS[size], FILTERS[3]) for size in (5, 7)),
)

# ---------------------------------------------------------------------------------------------------------
# Section 6: augmentation.

WITHOUT_COPIES = Variant('without augmentation')
WITH_COPIES = Variant('with 4x augmentation', {'augment': COPIES})
AS_MANY_STEPS = Variant('without augmentation, as many steps', times_epochs=4)
STRONGLY = 5.0
FIGURE_9 = Figure(
    '9',
    'Comparison of model performance with and without 4x data augmentation',
    (WITHOUT_COPIES, WITH_COPIES),
    (TRAIN, TEST),
    says='Each image is joined by its mirror image, a min-max normalised copy and a median-filtered copy. '
    'Training accuracy improves hugely; training takes longer.',
    choices="The copies are the listing's, made of images scaled to [0, 1]. An epoch with them has four "
    "times as many steps. The settings are the listing's.",
)
FIGURE_9B = Figure(
    '9b',
    'Augmentation against as many training steps without it',
    (AS_MANY_STEPS, WITH_COPIES),
    (TRAIN, TEST),
    says='Not in the report.',
    choices='Four times the images are four times the steps. Tests whether it is the copies that help or the '
    'steps.',
    x=Axis('iteration', 'training step'),
    in_report=False,
)
AUGMENTATION_TIME = Timing(
    'augmentation', 'An epoch with and without 4x augmentation', (WITH_COPIES, WITHOUT_COPIES)
)
AUGMENTATION = Claim(
    'R1.aug',
    ('9',),
    '4x augmentation raises training accuracy strongly, and training time too.',
    f'The last training accuracy is more than {STRONGLY:g} points higher with it, and the steps of an epoch '
    'take longer.',
    (
        Difference(TRAIN, WITH_COPIES, WITHOUT_COPIES, low=STRONGLY),
        TimeRatio(AUGMENTATION_TIME, WITH_COPIES, WITHOUT_COPIES, per='epoch'),
    ),
    checks=(
        Check(
            'Copies, or merely more steps? Against as many steps without copies:',
            (
                Difference(TRAIN, WITH_COPIES, AS_MANY_STEPS),
                Difference(TEST, WITH_COPIES, AS_MANY_STEPS),
            ),
        ),
    ),
)

# ---------------------------------------------------------------------------------------------------------
# Section 7: the best model.

TUNED = Variant('after tuning', {'pooling': 'average', 'augment': COPIES})
UNTUNED = Variant('before tuning', {'batch_norm': False, 'dropout': 0.0, 'optimizer': 'momentum_sgd'})
UNTUNED_ADAM = Variant('before tuning, but with Adam', {'batch_norm': False, 'dropout': 0.0})
FIGURE_10 = Figure(
    '10',
    'Comparison of model performance before and after hyperparameter tuning',
    (UNTUNED, TUNED),
    (TRAIN, TEST),
    says='Batch normalisation, dropout, Adam, average pooling and augmentation together make the best model.',
    choices='What the model was before is not said. Taken: none of these five, so max pooling, and '
    "MomentumSGD at Chainer's default rate instead of Adam.",
)
FIGURE_10B = Figure(
    '10b',
    'Parts of the tuning',
    (UNTUNED_ADAM, WITHOUT_COPIES, TUNED),
    (TRAIN, TEST),
    says='Not in the report.',
    choices='Tests how much of the difference the untuned model owes to its optimizer, and how much is left '
    'against the listing, which has batch normalisation, dropout and Adam already.',
    in_report=False,
)
TUNING = Claim(
    'R1.tuned',
    ('10',),
    'Batch normalisation, dropout, Adam, average pooling and augmentation together beat the untuned model.',
    'The last test accuracy of the tuned model is above that of the untuned one.',
    (Difference(TEST, TUNED, UNTUNED),),
    checks=(
        Check('Against the untuned model with Adam:', (Difference(TEST, TUNED, UNTUNED_ADAM),)),
        Check(
            'Against the listing without augmentation, which lacks but average pooling and the copies:',
            (Difference(TEST, TUNED, WITHOUT_COPIES),),
        ),
    ),
)

# ---------------------------------------------------------------------------------------------------------
# What can be counted.

TABLE = Arithmetic(
    'R1.table',
    'The table of layers gives the size of the representation and the number of weights of the baseline '
    'network.',
    'Each row agrees with the network traced on a 32x32 image: column D, whose layers the table lists, with '
    "the report's fully connected layers of 500, 500 and 10.",
    layer_table,
    finding='From the first pooling on the table is that of a network on 224x224 photographs (ImageNet), '
    'with fully connected layers of 4096, 4096 and 1000. Only its first three rows were changed to 32x32. '
    'Besides, its second CONV3-128 counts 64 input channels, where 128 come in.',
)
FILTER_PARAMETERS = Arithmetic(
    'R1.filter-params',
    'Three stacked 3x3 layers see as much as one 7x7 layer, with fewer parameters.',
    "27 C² weights against 49 C², counted in Chainer's layers; the pixels that one output depends on, by its "
    'gradient.',
    stacked_filters,
    figures=('8',),
)

# ---------------------------------------------------------------------------------------------------------

STUDY = Study(
    id='ie598',
    title='Report R1: a VGG-style network',
    source='IE598 Deep Learning and Neural Networks, convolutional network assignment',
    images=Images('cifar10', 'CIFAR-10', 'CIFAR10.hdf5', 'shapes10', (3, 32, 32), 10, 50_000, least=8),
    base=Settings(),
    # A run that ends at chance is a result too, so no run is ended for it. Every run sets images apart for
    # validation: figure 5 needs them, and so figures can share runs.
    scales={
        'smoke': Scale(
            {
                'epochs': 2,
                'batch_size': 25,
                'train_size': 100,
                'validation_size': 50,
                'test_size': 50,
                'chance_patience': 0,
            },
            seeds=1,
            rounds=1,
            timed_steps=1,
            about='shows that everything works, decides nothing',
        ),
        # Few images and a small batch: they give more steps, and more of a difference between variants, for
        # the same hour than more images or larger batches.
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
            about='all figures in about an hour on 2 cores with the CPU accelerator',
        ),
        'evening': Scale(
            {
                'epochs': 10,
                'batch_size': 50,
                'train_size': 10_000,
                'validation_size': 1000,
                'test_size': 2000,
                'chance_patience': 0,
            },
            seeds=3,
            rounds=10,
            timed_steps=2,
            about='a fifth of the images for ten epochs: a figure of six variants overnight on 2 cores',
        ),
        'node': Scale(
            {'epochs': 40, 'validation_size': 5000, 'chance_patience': 0},
            seeds=1,
            rounds=20,
            timed_steps=5,
            about="a tenth of the report's epochs, in its own batches, on all images but those set apart",
        ),
        'full': Scale(
            {'validation_size': 5000, 'chance_patience': 0},
            seeds=1,
            rounds=20,
            timed_steps=5,
            about="the report's own batch and epochs, on all images but those set apart; meant for a GPU",
        ),
    },
    figures=(
        FIGURE_2,
        FIGURE_3,
        FIGURE_3B,
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
    claims=(
        TABLE,
        DEPTH,
        DEPTH_TIME,
        BATCH_NORM,
        BATCH_NORM_COST,
        DROPOUT_TRAIN,
        DROPOUT_TEST,
        ADAM,
        POOL_ADAM,
        POOL_OTHERS,
        BEST,
        FILTER_TRAIN,
        FILTER_TEST,
        FILTER_PARAMETERS,
        AUGMENTATION,
        TUNING,
    ),
    central=(
        'R1.bn',
        'R1.dropout-test',
        'R1.best-pair',
        'R1.aug',
        'R1.tuned',
    ),
    summary=Summary(
        'How depth, batch normalisation, dropout, the optimiser, pooling, the size of filters and '
        'augmentation change what a VGG-style network learns of CIFAR-10, each on its own; and the '
        "report's table of layers, by counting.",
        'The report prints its whole program: network, loss, optimiser and layout of the data file '
        "are known to the letter. On today's Chainer its first loss and gradients agree with those of "
        'the Chainer of its time to 3e-7.',
        'Its figures have no numbers and its runs no seeds, so that only orders can be checked. Each '
        'of its 20 runs takes 40,000 steps of 500 images, the two with copies 160,000, which is weeks of '
        'two CPU cores.',
        'What the networks of each figure had in common, the learning rates of MomentumSGD and '
        'RMSprop, which ratios of dropout were tried, what the untuned model was, and what times were '
        'measured on. Each figure says what was taken.',
    ),
)
