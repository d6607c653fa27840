"""The reports, one file each."""

from vgg_cifar.errors import InputError
from vgg_cifar.studies import ie598
from vgg_cifar.studies.study import Study

STUDIES = {study.id: study for study in (ie598.STUDY,)}


def get_study(name: str) -> Study:
    """Return the study of a report; an InputError lists those there are."""
    if name not in STUDIES:
        raise InputError(f'{name!r} is not a study; expected one of {", ".join(STUDIES)}')
    return STUDIES[name]
