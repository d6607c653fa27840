"""From run folders to the lines of a figure: means and standard errors over the seeds."""

from dataclasses import dataclass

import numpy

from vgg_cifar.reporting.statistics import standard_error
from vgg_cifar.studies.comparison import Quantity, Variant
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder


@dataclass(frozen=True)
class Line:
    """One variant in one quantity: for each epoch its place on the axis, the mean, and its standard error.

    `n` is the number of runs behind the epochs; `error` is NaN where there is but one.
    """

    label: str
    x: numpy.ndarray
    mean: numpy.ndarray
    error: numpy.ndarray
    n: int


def read_line(folder: StudyFolder, figure: Figure, quantity: Quantity, variant: Variant) -> Line:
    """Read a variant's runs; a line covers the epochs that all of its runs have reached."""
    logs = [log for run in folder.runs(variant) if (log := run.log)]
    length = min(map(len, logs), default=0)
    values = numpy.array([[quantity.of(entry) for entry in log[:length]] for log in logs])
    places = numpy.array([[entry[figure.x.key] for entry in log[:length]] for log in logs])
    values, places = values.reshape(len(logs), length), places.reshape(len(logs), length) * figure.x.times
    if figure.x.summed:
        places = places.cumsum(axis=1)
    if not logs:
        return Line(variant.label, numpy.empty(0), numpy.empty(0), numpy.empty(0), 0)
    return Line(variant.label, places.mean(0), values.mean(0), standard_error(values), len(logs))
