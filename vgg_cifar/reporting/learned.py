"""One sentence on what a study's networks have learnt: a page's first answer, told beside its path."""

import math
from collections.abc import Iterable

import numpy

from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder

ACCURACY = 'main/accuracy'


def learned(folder: StudyFolder, figures: Iterable[Figure]) -> str:
    """Say between which training accuracies the variants of `figures` have ended, and what chance is.

    A variant's is the mean over its finished runs. One is above chance where it exceeds what guessing gives
    on so many images, 1 / classes, by three standard deviations.
    """
    accuracy: dict[str, float] = {}
    for variant in (variant for figure in figures for variant in figure.variants):
        results = [run.result for run in folder.runs(variant)]
        found = [result[ACCURACY] for result in results if result is not None and ACCURACY in result]
        if found:
            accuracy.setdefault(variant.label, float(numpy.mean(found)))
    if not accuracy:
        return 'No run has finished yet.'
    # Of the images that were given; runs of earlier versions do not say in how many classes.
    chance = 1 / folder.data.get('n_classes', folder.study.images.classes)
    images = folder.training_images(folder.shared)
    best, worst = max(accuracy, key=accuracy.__getitem__), min(accuracy, key=accuracy.__getitem__)
    if accuracy[best] < chance + 3 * math.sqrt(chance * (1 - chance) / images):
        return (
            f'No network is above chance ({chance:.0%}) on its training images yet: the page shows that '
            'everything works.'
        )
    ends = f'at {accuracy[best]:.0%} ({best})'
    if len(accuracy) > 1:
        ends = f'between {accuracy[worst]:.0%} ({worst}) and {accuracy[best]:.0%} ({best})'
    return f'Training accuracy ends {ends}, where chance is {chance:.0%}.'
