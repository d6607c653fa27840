"""Report R5: the ConvNetJS demo's network on MNIST, and what becomes of it when its layers are changed.

What the report leaves open is taken from ConvNetJS itself, which it names: Adadelta with rho 0.95 and epsilon
1e-6, which are Chainer's; biases that start at 0.1 before a ReLU; an L2 decay that is divided by the batch
size together with the batch's summed gradient, which makes 0.001 / 20 of it in Chainer's terms.

The demo shows accuracies over its last 100 images, and an L2 loss that is averaged over all images although
it is computed for every twentieth only; that makes it `decay_loss` here.
"""

from collections.abc import Sequence
from typing import Any

from vgg_cifar.studies.comparison import Difference, Quantity, TimeRatio, Timing, Variant
from vgg_cifar.studies.study import (
    TEST,
    TEST_LOSS,
    TRAIN,
    TRAIN_LOSS,
    VALIDATION,
    Axis,
    Check,
    Claim,
    Column,
    Figure,
    Images,
    LayerPictures,
    Reported,
    Scale,
    Study,
    Summary,
)
from vgg_cifar.training.settings import Settings

BATCH = 20
WINDOW = 100
DECAY_LOSS = Quantity('decay_loss', 'L2 loss')


def _network(
    label: str,
    channels: Sequence[int],
    pools: Sequence[int],
    strides: Sequence[int] | None = None,
    **others: Any,
) -> Variant:
    """Return the report's network with these layers, its other options being the demo's own."""
    options = {'channels': channels, 'size': 5, 'pad': 2, 'pools': pools, 'bias': 0.1, **others}
    if strides is not None:
        options['pool_strides'] = strides
    return Variant(label, {'model_options': options})


DEFAULT = _network('1A default', (8, 16), (2, 3))
SMALL = _network('1B 3x3 kernels', (8, 16), (2, 3), size=3)
STRIDE = _network('1C stride 2', (8, 16), (2, 3), stride=2)
MORE = _network('1D 16 filters first', (16, 16), (2, 3))
THIRD = _network('2B third layer', (8, 16, 16), (2, 3, 2), (2, 3, 1))
ONE = _network('2C one layer', (8,), (2,))
FINAL = _network('3A best, as 2B', (8, 16, 16), (2, 3, 2), (2, 3, 1))
ALL = (DEFAULT, SMALL, STRIDE, MORE, THIRD, ONE, FINAL)
EXAMPLES = Axis('iteration', 'examples seen', times=BATCH)


def _reported(*values: float, images: int | None = None) -> dict[str, Reported]:
    return {variant.label: Reported(value, images=images) for variant, value in zip(ALL, values, strict=True)}


def _entry(settings: Settings) -> int:
    """Return how many images an entry of the log sees in training."""
    return (settings.log_steps or 1) * settings.batch_size


RESULTS = Figure(
    'results',
    'Results of the default network and its variants',
    ALL,
    (TRAIN_LOSS, VALIDATION),
    says='Smaller kernels and a stride of 2 do worse than the default, more filters better, a third layer '
    'best of all; one layer alone is cheaper and worse. The final network has the three layers.',
    choices='The numbers of the report are over the last 100 images, in training or set apart for '
    'validation: their 95 % intervals stand beside them, and those of ours. Ours are the training images '
    'since the last entry of the log, on random windows, and all validation images, on the middle window. '
    'The last row is the '
    "sixth network again, as the report trained it a second time; its runs here are the sixth's.",
    x=EXAMPLES,
    columns=(
        Column(
            'train_loss',
            TRAIN_LOSS,
            'last',
            4,
            _reported(0.2168, 0.0808, 0.2454, 0.12, 0.0158, 0.1258, 0.0655),
        ),
        Column(
            'decay_loss',
            DECAY_LOSS,
            'last',
            5,
            _reported(0.00464, 0.00309, 0.0037, 0.00368, 0.00405, 0.00394, 0.0041),
        ),
        Column(
            'train_accuracy', TRAIN, 'last', 1, _reported(96, 97, 92, 96, 100, 97, 97, images=WINDOW), _entry
        ),
        Column(
            'validation_accuracy',
            VALIDATION,
            'last',
            1,
            _reported(94, 92, 88, 97, 100, 96, 99, images=WINDOW),
            lambda settings: settings.validation_size,
        ),
        Column('test_accuracy', TEST, 'last', 1, {}, lambda settings: settings.test_size or 0),
    ),
    called='Listings 2 to 8',
)
FIGURE_7 = Figure(
    '7',
    'The resulting loss function after running 30000 examples',
    (DEFAULT,),
    (TRAIN_LOSS,),
    says='The loss falls fast at the beginning and then fluctuates.',
    choices='The mean over the batches since the last entry of the log; the demo draws one over 100 images.',
    x=EXAMPLES,
    columns=(Column('train_loss', TRAIN_LOSS, 'last', 4), Column('test_loss', TEST_LOSS, 'last', 4)),
)
FIGURES_5_AND_6 = LayerPictures(
    '5-6',
    'Graphical representation of the convolutional layers',
    (DEFAULT,),
    (),
    says="Each layer's activations and, with the number of parameters, its weights: 8 x 5 x 5 x 1 + 8 = 208 "
    'and '
    '16 x 5 x 5 x 8 + 16 = 3,216.',
    choices='The image is a drawn ring, which stands for a 0. Activations are shown after the ReLU. The '
    "demo's pictures of gradients are left out: at the end of training they are near zero.",
    columns=(),
    called='Figures 5 and 6',
)
STEP_TIME = Timing('layers', 'The default network with other layers', (DEFAULT, MORE, THIRD, ONE))

STRIDE_HURTS = Claim(
    'R5.stride-hurts',
    ('results',),
    'A stride of 2 lowers the accuracy.',
    'The last validation accuracy is lower than that of the default network.',
    (Difference(VALIDATION, DEFAULT, STRIDE),),
    checks=(Check('On the test images:', (Difference(TEST, DEFAULT, STRIDE),)),),
)
SMALL_HURTS = Claim(
    'R5.small-kernel-hurts',
    ('results',),
    '3x3 kernels lower the accuracy.',
    'The last validation accuracy is lower than that of the default network, whose kernels are 5x5.',
    (Difference(VALIDATION, DEFAULT, SMALL),),
    mark="The report's own numbers allow no conclusion: 92 of 100 against 94 of 100.",
    checks=(Check('On the test images:', (Difference(TEST, DEFAULT, SMALL),)),),
)
MORE_HELP = Claim(
    'R5.more-filters-help',
    ('results',),
    'Twice the filters in the first layer raise the accuracy.',
    'The last validation accuracy is higher than that of the default network.',
    (Difference(VALIDATION, MORE, DEFAULT),),
    mark="The report's own numbers allow no conclusion: 97 of 100 against 94 of 100.",
    checks=(
        Check('On the test images:', (Difference(TEST, MORE, DEFAULT),)),
        Check('Does a step take longer, as the report says?', (TimeRatio(STEP_TIME, MORE, DEFAULT),)),
    ),
)
THIRD_BEST = Claim(
    'R5.third-layer-best',
    ('results',),
    'With a third layer the network is best of all.',
    'Its last validation accuracy is above that of each of the five others.',
    tuple(Difference(VALIDATION, THIRD, other) for other in (DEFAULT, SMALL, STRIDE, MORE, ONE)),
    ranking=(VALIDATION, TEST),
    checks=(
        Check('Against the default network on the test images:', (Difference(TEST, THIRD, DEFAULT),)),
        Check('Does a step take longer, as the report says?', (TimeRatio(STEP_TIME, THIRD, DEFAULT),)),
    ),
)
ONE_CHEAPER = Claim(
    'R5.one-layer-cheaper',
    ('results',),
    'One layer alone takes less time, and lowers the accuracy.',
    "A training step takes less time than the default network's, and the last validation accuracy is lower.",
    (
        TimeRatio(STEP_TIME, ONE, DEFAULT, low=0.0, high=1.0),
        Difference(VALIDATION, DEFAULT, ONE),
    ),
    mark="The report's text says that accuracy falls; its own numbers rise, from 94 to 96 of 100.",
)

STUDY = Study(
    id='mnist_convnetjs',
    title='Report R5: the ConvNetJS demo',
    source='Memory Technologies for Machine Learning EITP25, Assignment 1 (Lund University, Hicham Mohamad)',
    images=Images('mnist', 'MNIST', 'MNIST.hdf5', 'shapes10-grey', (1, 28, 28), 10, 30_000, least=24),
    # 30,000 examples, each an image of its own; the demo draws them with replacement.
    base=Settings(
        model='conv_pool',
        model_options=DEFAULT.changes['model_options'],
        batch_size=BATCH,
        epochs=1,
        optimizer='adadelta',
        weight_decay=0.001 / BATCH,
        crop=24,
        train_size=30_000,
        validation_size=5_000,
        test_size=10_000,
        log_steps=75,
        chance_patience=0,
    ),
    scales={
        'smoke': Scale(
            {'train_size': 400, 'validation_size': 50, 'test_size': 100, 'log_steps': 4},
            seeds=1,
            rounds=2,
            timed_steps=1,
            about='shows that everything works, decides nothing',
        ),
        'quick': Scale(
            {'validation_size': 2_000, 'test_size': 2_000},
            seeds=2,
            rounds=10,
            timed_steps=5,
            about="the report's 30,000 examples, tested on fewer images; some minutes on 2 cores",
        ),
        'full': Scale(
            {},
            seeds=5,
            rounds=20,
            timed_steps=10,
            about="the report's 30,000 examples, five times over; less than an hour on 2 cores",
        ),
    },
    figures=(FIGURES_5_AND_6, FIGURE_7, RESULTS),
    claims=(STRIDE_HURTS, SMALL_HURTS, MORE_HELP, THIRD_BEST, ONE_CHEAPER),
    central=('R5.third-layer-best',),
    summary=Summary(
        'How the size of kernels, the stride, the number of filters and the number of layers change '
        "the network of ConvNetJS's demo, after 30,000 examples of MNIST.",
        'ConvNetJS is public: its update rule, its first weights and what its numbers are averages of '
        'are known. A run takes less than a minute.',
        "The report's accuracies are shares of the demo's last 100 images: two networks must be some "
        'seven points apart before such shares tell them apart.',
        'How many examples each network had seen when its numbers were noted, taken as 30,000; every '
        'example is an image of its own here, where the demo draws with replacement.',
    ),
)
