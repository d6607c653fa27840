"""A table per figure, as CSV and as Markdown: what became of each variant, beside the report's numbers."""

import csv
from pathlib import Path
from typing import Any

import numpy

from vgg_cifar.atomic import replacing
from vgg_cifar.reporting.over_epochs import reduced
from vgg_cifar.reporting.statistics import binomial_interval, prediction_interval, standard_error
from vgg_cifar.reporting.wording import column_name, number, with_error
from vgg_cifar.studies.study import Column, Figure, Reported
from vgg_cifar.studies.study_folder import StudyFolder


def rows(folder: StudyFolder, figure: Figure) -> list[dict[str, Any]]:
    """Return a row per variant: mean and standard error of each column over the finished runs.

    Percentages are fractions here. Where the report has a number for a column, it and its error are there
    as well; where a column is a share of images, so is their number, `images`.
    """
    table = []
    for variant in figure.variants:
        runs = [(run, result) for run in folder.runs(variant) if (result := run.result)]
        row: dict[str, Any] = {
            'variant': variant.label,
            'n': len(runs),
            'wanted': folder.seeds_of(variant),
            'diverged': sum(result['status'] == 'diverged' for _, result in runs),
        }
        for column in figure.columns:
            found = [reduced(run.log, column.quantity, column.over) for run, _ in runs]
            factor = column.quantity.factor
            values = numpy.array([value for value in found if numpy.isfinite(value)]) / factor
            row[column.id] = float(values.mean()) if len(values) else None
            row[f'{column.id}_se'] = float(standard_error(values)) if len(values) > 1 else None
            # Of a run that has diverged some numbers are none.
            row[f'{column.id}_n'] = len(values)
            if column.images is not None:
                row[f'{column.id}_images'] = column.images(folder.run_of(variant).settings)
            if column.reported:
                reported = column.reported.get(variant.label)
                row[f'{column.id}_report'] = reported and reported.value / factor
                row[f'{column.id}_report_se'] = reported and reported.error and reported.error / factor
                low, high = _predicted(column, values, reported)
                row[f'{column.id}_predicted_low'], row[f'{column.id}_predicted_high'] = low, high
        table.append(row)
    return table


def _predicted(
    column: Column, values: numpy.ndarray, reported: Reported | None
) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % prediction interval, by our runs, of what the report has; None where it has none.

    Nor is there one of times: they were taken on another machine, and ours beside other work.
    """
    if reported is None or len(values) < 2 or column.quantity.is_time:
        return None, None
    mean = float(values.mean())
    # A share of few images varies by these too, beyond what runs on as many images as ours do.
    variance = mean * (1 - mean) / reported.images if reported.images else 0.0
    low, high = prediction_interval(values, reported.runs, variance)
    return (max(low, 0.0), min(high, 1.0)) if column.quantity.unit == '%' else (low, high)


def inside(column: Column, row: dict[str, Any]) -> bool | None:
    """Return whether the report's number lies in the prediction interval; None without either."""
    low, value, high = (
        row.get(f'{column.id}_{name}') for name in ('predicted_low', 'report', 'predicted_high')
    )
    return None if low is None or value is None else low <= value <= high


def shown(figure: Figure, table: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the cells of what `rows` returned, as a reader wants to see them."""
    heads = ['variant']
    for column in figure.columns:
        heads.append(column_name(column))
        heads += ['in the report'] * bool(column.reported)
    heads.append('n')
    cells = []
    for row in table:
        cells.append([row['variant']])
        for column in figure.columns:
            images = row.get(f'{column.id}_images')
            cell = _shown(column, row[column.id], row[f'{column.id}_se'], images)
            of = row[f'{column.id}_n']
            cells[-1].append(f'{cell} (of {of})' if 0 < of < row['n'] else cell)
            if column.reported:
                reported = column.reported.get(row['variant'])
                value, error = row[f'{column.id}_report'], row[f'{column.id}_report_se']
                text = _shown(column, value, error, reported.images if reported else None)
                cells[-1].append(text + _prediction(column, row))
        diverged = f', {row["diverged"]} diverged' if row['diverged'] else ''
        cells[-1].append(f'{row["n"]} of {row["wanted"]}{diverged}')
    return heads, cells


def _shown(column: Column, value: float | None, error: float | None, images: int | None) -> str:
    factor, digits = column.quantity.factor, column.digits
    text = with_error(value, error, digits, factor)
    if value is None or not images:
        return text
    low, high = (number(end, 1, factor) for end in binomial_interval(value, images))
    return f'{text} [{low} to {high}, {images:,} images]'


def _prediction(column: Column, row: dict[str, Any]) -> str:
    found = inside(column, row)
    if found is None:
        return ''
    ends = (row[f'{column.id}_predicted_{end}'] for end in ('low', 'high'))
    low, high = (number(end, column.digits, column.quantity.factor) for end in ends)
    return f' ({"inside" if found else "outside"} {low} to {high})'


def write(folder: StudyFolder, figure: Figure, table: list[dict[str, Any]]) -> Path:
    """Write what `rows` returned for `figure` as CSV and as Markdown; return the CSV file's path."""
    path = folder.path / 'tables' / f'figure_{figure.id}.csv'
    with replacing(path) as partial, partial.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        for row in table:
            writer.writerow({name: _text(value) for name, value in row.items()})
    with replacing(path.with_suffix('.md')) as partial:
        partial.write_text(markdown(*shown(figure, table)), encoding='utf-8')
    return path


def markdown(heads: list[str], cells: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ['---'] * len(heads), *cells]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def _text(value: Any) -> Any:
    return '' if value is None else f'{value:.6g}' if isinstance(value, float) else value
