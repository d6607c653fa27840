"""Report R3: vanishing gradients in a VGG-38 on CIFAR-100, two ways to mend it, and three to regularise it.

The report was made with a course's PyTorch framework: what its text leaves open is taken from there (see
`ResidualVGG`). Its figures have no numbers; they have names here.
"""

from collections.abc import Mapping
from typing import Any

from vgg_cifar.studies.comparison import Difference, Level, Variant
from vgg_cifar.studies.study import (
    TEST,
    TRAIN,
    VALIDATION,
    Check,
    Claim,
    Column,
    Figure,
    GradientFigure,
    Images,
    Reported,
    Scale,
    Study,
    Summary,
)
from vgg_cifar.training.settings import Settings

RECORDED = {'gradient_flow': True}


def _variant(label: str, options: Mapping[str, Any], **changes: Any) -> Variant:
    return Variant(label, {'model_options': dict(options), **changes})


SHALLOW = _variant('VGG-08', {'blocks': 0}, **RECORDED)
BROKEN = _variant('VGG-38', {}, **RECORDED)
NORMALISED = _variant('VGG-38 + BN', {'batch_norm': True}, **RECORDED)
RESIDUAL = _variant('VGG-38 + residual', {'residual': True}, **RECORDED)
MENDED = {'batch_norm': True, 'residual': True}
BOTH = _variant('VGG-38 + BN + residual', MENDED, **RECORDED)
ERASING = _variant('+ random erasing', MENDED, random_erasing=0.5)
L2 = _variant('+ random erasing + L2', MENDED, random_erasing=0.5, weight_decay=1e-3)
DROPOUT = _variant(
    '+ random erasing + L2 + dropout', {**MENDED, 'dropout': 0.5}, random_erasing=0.5, weight_decay=1e-3
)

# Accuracy in training, on validation images and on test images, where the report gives one.
REPORTED: dict[str, tuple[float | None, ...]] = {
    SHALLOW.label: (None, 48.48, None),
    NORMALISED.label: (None, 46.16, None),
    RESIDUAL.label: (None, 57.28, None),
    BOTH.label: (84.10, 62.12, 61.12),
    ERASING.label: (None, 64.31, None),
    L2.label: (None, 65.89, 65.41),
    DROPOUT.label: (None, 65.24, None),
}


def _columns(*variants: Variant) -> tuple[Column, ...]:
    """Return the table's columns, with what the report gives for these variants."""
    columns = []
    for place, (name, quantity) in enumerate((('train', TRAIN), ('validation', VALIDATION), ('test', TEST))):
        given = {variant.label: REPORTED.get(variant.label, (None,) * 3)[place] for variant in variants}
        reported = {label: Reported(value) for label, value in given.items() if value is not None}
        columns.append(Column(f'{name}_accuracy', quantity, digits=2, reported=reported))
    return tuple(columns)


BROKEN_FIGURE = Figure(
    'broken',
    'VGG-08 and VGG-38',
    (SHALLOW, BROKEN),
    (TRAIN, VALIDATION),
    says='The accuracy of the deeper network converges around 0 on training and validation images, for want '
    'of gradients.',
    choices='Zero is read as chance, which is 1 % for 100 classes.',
    columns=_columns(SHALLOW, BROKEN),
    called='Section 3',
)
SOLUTIONS = Figure(
    'solutions',
    'Batch normalisation, shortcuts, and both',
    (SHALLOW, NORMALISED, RESIDUAL, BOTH),
    (TRAIN, VALIDATION),
    says='With batch normalisation alone the network is slightly worse than VGG-08, with shortcuts alone '
    'much better than either, with both best: 0.8410 on training, 0.6212 on validation images.',
    choices='Accuracy is that of the last epoch, as in the report. The shortcut is added before the last '
    'activation of a block; a reduction block has a pooled one.',
    columns=_columns(SHALLOW, NORMALISED, RESIDUAL, BOTH),
    called='Section 5.1',
)
REGULARISED = Figure(
    'regularisation',
    'Random erasing, L2 and dropout, one after the other',
    (BOTH, ERASING, L2, DROPOUT),
    (TRAIN, VALIDATION),
    says='Random erasing and then L2 each raise the validation accuracy; dropout before the linear layer '
    'does not. The final network, with erasing and L2, has a test accuracy of 0.6541.',
    choices='Erased pixels become even noise from 0 to 1, each on its own. "L2" is PyTorch\'s weight decay: '
    "added to the gradient of every parameter, as Chainer's hook does. The report draws a figure for each; "
    'they '
    'are one here.',
    columns=_columns(BOTH, ERASING, L2, DROPOUT),
    called='Section 5.2',
)
GRADIENTS = GradientFigure(
    'gradients',
    'mean absolute gradient by layer',
    (BROKEN, SHALLOW, NORMALISED, RESIDUAL, BOTH),
    (),
    says='The derivatives of a deep network are multiplied so many times that they vanish; normalised '
    'inputs, or a shortcut past the layers, keep them alive.',
    choices='The mean absolute gradient of the weights of each layer, over the steps of an epoch: the first '
    'and the last.',
    columns=(),
    called='Gradient flow',
)

BROKEN_CLAIM = Claim(
    'R3.broken',
    ('broken',),
    'VGG-38 does not learn: its accuracy is around 0 on training and validation images.',
    'Its last training and validation accuracies are below 2 % (chance is 1 % for 100 classes), and below '
    'those of VGG-08.',
    (
        Level(TRAIN, BROKEN, high=2.0),
        Level(VALIDATION, BROKEN, high=2.0),
        Difference(TRAIN, SHALLOW, BROKEN),
        Difference(VALIDATION, SHALLOW, BROKEN),
    ),
)
BN_BELOW = Claim(
    'R3.bn-below-08',
    ('solutions',),
    'With batch normalisation alone VGG-38 stays slightly below VGG-08.',
    'The last validation accuracy of VGG-08 is higher.',
    (Difference(VALIDATION, SHALLOW, NORMALISED),),
)
RESIDUAL_OVER = Claim(
    'R3.residual-over-bn',
    ('solutions',),
    'Shortcuts alone do better than batch normalisation alone.',
    'The last validation accuracy with shortcuts is higher.',
    (Difference(VALIDATION, RESIDUAL, NORMALISED),),
)
BOTH_BEST = Claim(
    'R3.both-best',
    ('solutions',),
    'Batch normalisation and shortcuts together are best, on training and validation images.',
    'The last training and validation accuracies with both are above those with either and of VGG-08.',
    tuple(
        Difference(quantity, BOTH, other)
        for quantity in (TRAIN, VALIDATION)
        for other in (RESIDUAL, NORMALISED, SHALLOW)
    ),
    ranking=(VALIDATION, TEST),
)
ERASING_HELPS = Claim(
    'R3.erasing',
    ('regularisation',),
    'Random erasing raises the validation accuracy and narrows the gap to the training accuracy.',
    'The last validation accuracy is higher with it, and the last training accuracy lower.',
    (Difference(VALIDATION, ERASING, BOTH), Difference(TRAIN, BOTH, ERASING)),
    checks=(Check('On the test images:', (Difference(TEST, ERASING, BOTH),)),),
)
L2_HELPS = Claim(
    'R3.l2',
    ('regularisation',),
    'L2 with 0.001 raises the validation accuracy further; the final network has 4 points more on the test '
    'images than the one without regularisation.',
    'The last validation accuracy is higher with L2 and erasing than with erasing alone, and the last test '
    'accuracy higher than without either.',
    (Difference(VALIDATION, L2, ERASING), Difference(TEST, L2, BOTH)),
)
DROPOUT_NO_HELP = Claim(
    'R3.dropout-no-help',
    ('regularisation',),
    'Dropout before the linear layer does not help any more.',
    'The last validation accuracy with it is not above that without it.',
    (Difference(VALIDATION, L2, DROPOUT),),
)

STUDY = Study(
    id='cifar100_vgg38',
    title='Report R3: vanishing gradients in a VGG-38',
    source='MLP Coursework 2: Investigating the Implementation and Optimization of Convolutional Networks '
    '(University of Edinburgh, s1655829)',
    images=Images('cifar100', 'CIFAR-100', 'CIFAR100.hdf5', 'shapes10', (3, 32, 32), 100, 47_500, least=8),
    base=Settings(
        model='residual_vgg',
        batch_size=100,
        epochs=100,
        lr=1e-3,
        lr_schedule='cosine',
        lr_decay=0.02,
        validation_size=2_500,
        chance_patience=0,
    ),
    scales={
        'smoke': Scale(
            {'epochs': 2, 'batch_size': 20, 'train_size': 80, 'validation_size': 40, 'test_size': 40},
            seeds=1,
            rounds=1,
            timed_steps=1,
            about='shows that everything works, decides nothing',
        ),
        # Small batches give more steps for the same images.
        'quick': Scale(
            {
                'epochs': 5,
                'batch_size': 20,
                'train_size': 1_000,
                'validation_size': 500,
                'test_size': 500,
            },
            seeds=1,
            rounds=1,
            timed_steps=1,
            about='all figures in about ten minutes on 2 cores with the CPU accelerator',
        ),
        'full': Scale(
            {}, seeds=1, rounds=1, timed_steps=1, about="the report's own batch and epochs; meant for a GPU"
        ),
    },
    figures=(BROKEN_FIGURE, SOLUTIONS, GRADIENTS, REGULARISED),
    claims=(BROKEN_CLAIM, BN_BELOW, RESIDUAL_OVER, BOTH_BEST, ERASING_HELPS, L2_HELPS, DROPOUT_NO_HELP),
    central=(
        'R3.broken',
        'R3.both-best',
        'R3.l2',
    ),
    summary=Summary(
        'Whether a VGG-38 without normalisation and shortcuts fails to learn CIFAR-100, whether '
        'either or both mend it, and what random erasing, L2 and dropout add.',
        'The optimiser and its schedule, the split, and the accuracy of every run are given.',
        'There is one seed of each run, so that differences of a point or two have no error to be '
        'measured by. All runs at full scale take days without a GPU.',
        "Where normalisation, activation and shortcut stand within a block: taken from the course's "
        'framework. What an accuracy "around 0" is.',
    ),
)
