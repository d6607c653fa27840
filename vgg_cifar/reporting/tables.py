"""A table per figure, as CSV and as Markdown: what each variant ended with."""

import csv
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar.atomic import replacing
from vgg_cifar.reporting.statistics import standard_error
from vgg_cifar.reporting.wording import with_error
from vgg_cifar.studies.study import Figure
from vgg_cifar.studies.study_folder import StudyFolder

# Column: quantity of the log, name, factor and digits as shown. The CSV holds fractions and seconds.
FINAL = {
    'train_accuracy': ('main/accuracy', 'training accuracy (%)', 100, 1),
    'validation_accuracy': ('validation/main/accuracy', 'validation accuracy (%)', 100, 1),
    'test_accuracy': ('test/main/accuracy', 'test accuracy (%)', 100, 1),
    'train_loss': ('main/loss', 'training loss', 1, 3),
    'test_loss': ('test/main/loss', 'test loss', 1, 3),
    'seconds_per_epoch': ('seconds', 's per epoch', 1, 1),
}


def rows(folder: StudyFolder, figure: Figure) -> list[dict[str, Any]]:
    """Return a row per variant: mean and standard error of the last epoch over the finished runs."""
    table = []
    for variant in figure.variants:
        results = [result for run in folder.runs(variant) if (result := run.result)]
        row: dict[str, Any] = {
            'variant': variant.label,
            'n': len(results),
            'wanted': folder.seeds,
            'diverged': sum(result['status'] == 'diverged' for result in results),
        }
        for column, (quantity, *_) in FINAL.items():
            values = numpy.array([result[quantity] for result in results if quantity in result])
            row[column] = float(values.mean()) if len(values) else None
            row[f'{column}_se'] = float(standard_error(values)) if len(values) > 1 else None
        table.append(row)
    return table


def shown(table: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the cells of what `rows` returned, as a reader wants to see them."""
    heads = ['variant', 'n', *(name for _, name, _, _ in FINAL.values())]
    cells = []
    for row in table:
        count = f'{row["n"]} of {row["wanted"]}' + (
            f', {row["diverged"]} diverged' if row['diverged'] else ''
        )
        numbers = [
            with_error(row[column], row[f'{column}_se'], digits, factor)
            for column, (_, _, factor, digits) in FINAL.items()
        ]
        cells.append([row['variant'], count, *numbers])
    return heads, cells


def write(folder: StudyFolder, figure: Figure, table: list[dict[str, Any]]) -> Path:
    """Write what `rows` returned for `figure` as CSV and as Markdown; return the CSV file's path."""
    path = folder.path / 'tables' / f'figure_{figure.id}.csv'
    with replacing(path) as partial, partial.open('w', newline='') as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        for row in table:
            writer.writerow({name: _text(value) for name, value in row.items()})
    with replacing(path.with_suffix('.md')) as partial:
        partial.write_text(markdown(*shown(table)))
    return path


def markdown(heads: list[str], cells: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ['---'] * len(heads), *cells]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def _text(value: Any) -> Any:
    return '' if value is None else f'{value:.6g}' if isinstance(value, float) else value
