"""A table per figure: what each variant ended with."""

import csv
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar.atomic import replacing
from vgg_cifar.reporting.lines import standard_error
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder

FINAL = {
    'train_accuracy': 'main/accuracy',
    'train_loss': 'main/loss',
    'test_accuracy': 'test/main/accuracy',
    'test_loss': 'test/main/loss',
    'seconds_per_epoch': 'seconds',
}
"""Column to quantity of the log; accuracies are fractions, times are seconds of training steps."""


def rows(folder: StudyFolder, figure: Figure) -> list[dict[str, Any]]:
    """Return a row per variant: mean and standard error of the last epoch over the finished runs."""
    table = []
    for variant in figure.variants:
        results = [result for run in folder.runs(variant) if (result := run.result)]
        row: dict[str, Any] = {
            'variant': variant.label,
            'runs': f'{len(results)} of {folder.seeds}',
            'diverged': sum(result['status'] == 'diverged' for result in results),
        }
        for column, quantity in FINAL.items():
            values = numpy.array([result[quantity] for result in results if quantity in result])
            row[column] = values.mean() if len(values) else None
            row[f'{column}_se'] = standard_error(values) if len(values) > 1 else None
        table.append(row)
    return table


def write(folder: StudyFolder, figure: Figure, table: list[dict[str, Any]]) -> Path:
    """Write what `rows` returned for `figure` as CSV; return the file's path."""
    path = folder.path / 'tables' / f'figure_{figure.id}.csv'
    with replacing(path) as partial, partial.open('w', newline='') as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        for row in table:
            writer.writerow({name: _text(value) for name, value in row.items()})
    return path


def _text(value: Any) -> Any:
    return '' if value is None else f'{value:.6g}' if isinstance(value, float) else value
