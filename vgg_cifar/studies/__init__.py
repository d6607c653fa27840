"""The reports, one file each."""

from vgg_cifar.errors import InputError
from vgg_cifar.studies import cifar100_vgg38, emnist_kernels, emnist_learning_rules, ie598, mnist_convnetjs
from vgg_cifar.studies.study import Study

STUDIES = {
    study.id: study
    for study in (
        ie598.STUDY,
        emnist_kernels.STUDY,
        cifar100_vgg38.STUDY,
        emnist_learning_rules.STUDY,
        mnist_convnetjs.STUDY,
    )
}
"""R1 to R5."""


def get_study(name: str) -> Study:
    """Return the study of a report; an InputError lists those there are."""
    if name not in STUDIES:
        raise InputError(
            f'{name!r} is not a study; expected one of {", ".join(STUDIES)}, convolution_implementations or '
            f'all'
        )
    return STUDIES[name]
