"""Report R2: twice the kernels from layer to layer, under three ways to reduce the image (EMNIST balanced).

The report was made with a course's PyTorch framework, which it names: what its text leaves open is taken
from there (see `ReductionCNN`).
"""

import itertools

from vgg_cifar.studies.comparison import Difference, Level, Quantity, TimeRatio, Timing, Variant
from vgg_cifar.studies.study import (
    SECONDS,
    TEST,
    TRAIN,
    VALIDATION,
    Axis,
    Check,
    Claim,
    Column,
    Figure,
    Images,
    Reported,
    Scale,
    Study,
    Summary,
)
from vgg_cifar.training.settings import Settings

TIME = Quantity('seconds', 'training time (s)')
TEST_ERROR = Quantity('test/main/loss', 'test error', 'x 0.01')
PEAK = Quantity('epoch', 'epoch')

NAMES = {'max_pooling': 'max-pooling', 'striding': 'striding', 'dilation': 'dilation'}
BASELINE = {
    reduction: Variant(f'{name}, baseline', {'model_options': {'reduction': reduction, 'doubling': False}})
    for reduction, name in NAMES.items()
}
DOUBLING = {
    reduction: Variant(f'{name}, doubling', {'model_options': {'reduction': reduction, 'doubling': True}})
    for reduction, name in NAMES.items()
}
ALL = tuple(itertools.chain(*zip(BASELINE.values(), DOUBLING.values(), strict=True)))


def _reported(*pairs: tuple[float, float]) -> dict[str, Reported]:
    """Return a column of the report's table 1, whose rows are in our order."""
    return {variant.label: Reported(*pair, runs=3) for variant, pair in zip(ALL, pairs, strict=True)}


FIGURE_7 = Figure(
    '7',
    'Average validation accuracy with respect to epochs',
    ALL,
    (VALIDATION, TRAIN),
    says='All three reductions gain almost equally from doubling, about 1 %. The baselines need about 20 '
    'epochs to their best validation accuracy, the others about 10; then they overfit.',
    choices='The optimizer is Adam with the framework\'s rate, 0.001. "Weight decay" is PyTorch\'s: added to '
    'the '
    "gradient of every parameter, as Chainer's hook does.",
    columns=(
        Column('validation_accuracy_best', VALIDATION, 'max', digits=2),
        Column('peak', PEAK, 'best'),
        Column('validation_accuracy', VALIDATION, digits=2),
        Column('train_accuracy', TRAIN, digits=2),
    ),
)
FIGURE_8 = Figure(
    '8',
    'Average validation accuracy with respect to training time',
    ALL,
    (VALIDATION,),
    says='Dilation takes the heaviest toll: doubling almost doubles its time. The time of the others hardly '
    'changes. Max-pooling is fastest.',
    choices="Time is that of the training steps on this machine, without evaluation; the report's was a GPU.",
    x=Axis('seconds', 'training time (s)', summed=True),
    columns=(
        Column('seconds', TIME, 'sum', digits=0),
        Column('seconds_per_epoch', SECONDS, 'mean', digits=2),
    ),
)
TABLE_1 = Figure(
    'table-1',
    'Average test results ± standard error of the mean',
    ALL,
    (TEST,),
    says='The model with the best validation accuracy is tested. Doubling gains 0.83, 0.47 and 0.75 points '
    'by the table; the text has 0.95 for max-pooling and 0.54 for striding.',
    choices='"Test error" is the cross entropy, in hundredths. The spread is over the seeds 0, 1 and 2.',
    columns=(
        Column(
            'test_accuracy',
            TEST,
            'best',
            2,
            _reported(
                (86.90, 0.17), (87.73, 0.12), (86.92, 0.02), (87.39, 0.11), (87.31, 0.11), (88.06, 0.05)
            ),
        ),
        Column(
            'test_loss',
            TEST_ERROR,
            'best',
            2,
            _reported(
                (39.82, 0.34), (35.95, 0.42), (39.60, 0.47), (39.75, 0.86), (37.66, 0.38), (34.22, 0.23)
            ),
        ),
        Column(
            'seconds',
            TIME,
            'sum',
            0,
            _reported((758, 12), (809, 18), (1056, 49), (1092, 60), (1800, 16), (3246, 6)),
        ),
    ),
    called='Table 1',
)
STEP_TIME = Timing('reductions', 'The three reductions, baseline and doubling', ALL)

GAIN = Claim(
    'R2.doubling',
    ('table-1', '7'),
    'Doubling the kernels from layer to layer gains test accuracy under each of the three reductions.',
    'The test accuracy of the epoch with the best validation accuracy is higher with doubling, for each.',
    tuple(Difference(TEST, DOUBLING[name], BASELINE[name], 'best') for name in NAMES),
    ranking=(VALIDATION, TEST),
    checks=(
        Check(
            'On the validation images, by which the epoch was chosen:',
            tuple(Difference(VALIDATION, DOUBLING[name], BASELINE[name], 'best') for name in NAMES),
        ),
    ),
)
STRIDE_LEAST = Claim(
    'R2.stride-least',
    ('table-1',),
    'Striding gains least from doubling.',
    'What max-pooling, and what dilation, gains in test accuracy at the best validation accuracy is more '
    'than what striding gains.',
    tuple(
        Difference(
            TEST,
            DOUBLING[other],
            BASELINE[other],
            'best',
            beyond=(DOUBLING['striding'], BASELINE['striding']),
        )
        for other in ('max_pooling', 'dilation')
    ),
)
DILATION_BEST = Claim(
    'R2.dilation-best',
    ('table-1',),
    'Dilation with doubling has the best test accuracy.',
    'At the best validation accuracy its test accuracy is above that of each of the other five.',
    tuple(
        Difference(TEST, DOUBLING['dilation'], other, 'best')
        for other in ALL
        if other is not DOUBLING['dilation']
    ),
)
DILATION_TIME = Claim(
    'R2.dilation-time',
    ('8',),
    'Dilation is the slowest, and only its time is nearly doubled by doubling.',
    'A training step with dilation takes longer than with the other reductions, baseline and doubling. With '
    'doubling it takes 1.5 to 2.2 times as long under dilation (1.80 in the report), less than 1.25 times '
    'under max-pooling and striding (1.07 and 1.03).',
    (
        *(
            TimeRatio(STEP_TIME, kernels['dilation'], kernels[other])
            for kernels in (BASELINE, DOUBLING)
            for other in ('max_pooling', 'striding')
        ),
        TimeRatio(STEP_TIME, DOUBLING['dilation'], BASELINE['dilation'], low=1.5, high=2.2),
        *(
            TimeRatio(STEP_TIME, DOUBLING[other], BASELINE[other], low=0.0, high=1.25)
            for other in ('max_pooling', 'striding')
        ),
    ),
    mark="The report's times are of a GPU that small networks leave mostly idle. By counting, doubling takes "
    '5 '
    'times the multiply-adds under max-pooling, 4 times under striding and 8 times under dilation.',
)
POOL_FASTEST = Claim(
    'R2.pool-fastest',
    ('8',),
    'Max-pooling is the fastest.',
    'A training step with striding, and with dilation, takes longer, baseline and doubling.',
    tuple(
        TimeRatio(STEP_TIME, kernels[other], kernels['max_pooling'])
        for kernels in (BASELINE, DOUBLING)
        for other in ('striding', 'dilation')
    ),
)
PEAKS = Claim(
    'R2.peak',
    ('7',),
    'The baselines peak near epoch 20, the doubled networks near epoch 10.',
    'The epoch of the best validation accuracy: near 20 is read as 15 to 25, near 10 as 5 to 15. Fewer '
    'training images mean fewer steps an epoch and a later peak; a scale with fewer than 25 epochs cannot '
    'show it.',
    (
        *(Level(PEAK, BASELINE[name], 'best', 15, 25) for name in NAMES),
        *(Level(PEAK, DOUBLING[name], 'best', 5, 15) for name in NAMES),
    ),
    checks=(
        Check(
            'Do the doubled networks peak before their baselines?',
            tuple(Difference(PEAK, BASELINE[name], DOUBLING[name], 'best') for name in NAMES),
        ),
    ),
)

STUDY = Study(
    id='emnist_kernels',
    title='Report R2: doubling kernels under three reductions',
    source='MLP Coursework 2: Exploring Convolutional Networks (University of Edinburgh, s1837504)',
    images=Images(
        'emnist-balanced',
        'EMNIST balanced',
        'EMNIST-BALANCED.hdf5',
        'shapes10-grey',
        (1, 28, 28),
        47,
        100_000,
        least=24,
    ),
    base=Settings(model='reduction_cnn', batch_size=100, epochs=100, weight_decay=1e-5, chance_patience=0),
    scales={
        'smoke': Scale(
            {'epochs': 2, 'batch_size': 25, 'train_size': 100, 'validation_size': 50, 'test_size': 50},
            seeds=1,
            rounds=2,
            timed_steps=1,
            about='shows that everything works, decides nothing',
        ),
        'quick': Scale(
            # Small batches give more steps for the same images.
            {
                'epochs': 25,
                'batch_size': 50,
                'train_size': 2_000,
                'validation_size': 1_000,
                'test_size': 2_000,
            },
            seeds=1,
            rounds=10,
            timed_steps=3,
            about='all figures in about ten minutes on 2 cores with the CPU accelerator',
        ),
        'full': Scale(
            {},
            seeds=3,
            rounds=20,
            timed_steps=5,
            about="the report's own batch, epochs and seeds on all images",
        ),
    },
    figures=(FIGURE_7, FIGURE_8, TABLE_1),
    claims=(GAIN, STRIDE_LEAST, DILATION_BEST, DILATION_TIME, POOL_FASTEST, PEAKS),
    central=(
        'R2.doubling',
        'R2.stride-least',
        'R2.dilation-time',
    ),
    summary=Summary(
        'Whether doubling the kernels from layer to layer gains accuracy under max-pooling, striding '
        'and dilation, which of them gains least, and what it costs in time.',
        'Batch, epochs, seeds and weight decay are given, and a table of means with their standard '
        'errors: numbers can be set beside numbers.',
        "EMNIST's address and checksum have changed several times. Times are those of a GPU that "
        "networks as small as these leave mostly idle. Some gains differ between the report's text "
        'and its table.',
        "The learning rate, how weights start and where activations stand: taken from the course's "
        'framework, which the report names.',
    ),
)
