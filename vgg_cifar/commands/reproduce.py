"""`vgg-cifar reproduce`: a report's figures, from the images to the page."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from vgg_cifar.accelerators.functions import COMPUTE
from vgg_cifar.cli import exit_status
from vgg_cifar.errors import InputError
from vgg_cifar.reporting import report
from vgg_cifar.studies import STUDIES, get_study
from vgg_cifar.studies.study import Figure, Study
from vgg_cifar.studies.study_folder import StudyFolder
from vgg_cifar.sweeps import serial
from vgg_cifar.training.device import get_device
from vgg_cifar.training.train import check_compute, load_data

EXAMPLES = """examples:
  vgg-cifar reproduce ie598 --scale smoke -o results/smoke               minutes, synthetic images
  vgg-cifar reproduce ie598 --figure 6 --scale quick --data CIFAR10.hdf5 one figure, real images
  vgg-cifar reproduce ie598 --scale full --data CIFAR10.hdf5 -d 0        the report's own scale, on a GPU

A run is named after its settings, its seed and its images: the same command again skips what is finished
and resumes what is not, and figures that share a run share its folder."""


def compare(report: str, *figures: str, description: str) -> NoReturn:
    """Run a comparison script: `reproduce` with its report and figures given, at the report's own scale."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_options(parser, scale='full')
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    parser.set_defaults(report=report, figures=figures, run=run)
    sys.exit(exit_status(parser))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the report, the figures and the options."""
    parser.description = "Rebuilds a report's figures, from the images to the page."
    parser.epilog = EXAMPLES
    parser.add_argument('report', metavar='REPORT', help=f'which report: {", ".join(STUDIES)}')
    parser.add_argument(
        '--figure',
        dest='figures',
        nargs='+',
        action='extend',
        metavar='ID',
        help='only these figures (default: all)',
    )
    _add_options(parser, scale='quick')


def _add_options(parser: argparse.ArgumentParser, scale: str) -> None:
    scales = list(dict.fromkeys(name for study in STUDIES.values() for name in study.scales))
    parser.add_argument(
        '--scale', choices=scales, default=scale, help=f'how much of the report to do (default: {scale})'
    )
    parser.add_argument(
        '--data',
        default='shapes10',
        metavar='FILE.hdf5',
        help='images (CIFAR10.hdf5.md; default: shapes10, synthetic)',
    )
    parser.add_argument(
        '--seeds', type=int, metavar='N', help="runs per variant, seeds 0 to N - 1 (default: the scale's)"
    )
    parser.add_argument(
        '--compute', choices=COMPUTE, default='float32', help='what networks multiply in (default: float32)'
    )
    parser.add_argument(
        '-d', '--device', default='-1', help='-1: the CPU; 0, 1, ... or @cupy:0: a GPU (default: -1)'
    )
    parser.add_argument(
        '-o', '--out', type=Path, metavar='DIR', help="the study's folder (default: results/REPORT/SCALE)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing, then build the page and print its path."""
    study = get_study(arguments.report)
    figures = choose_figures(study, arguments.figures)
    scale = study.scales[arguments.scale]
    seeds = scale.seeds if arguments.seeds is None else arguments.seeds
    if seeds < 1:
        raise InputError(f'--seeds is {seeds}; expected at least 1')

    check_compute(arguments.compute, get_device(arguments.device))
    data = load_data(study.base.replace(**{**scale.settings, 'data': arguments.data}))
    out = arguments.out or Path('results') / study.id / arguments.scale
    compute = arguments.compute
    folder = StudyFolder(out, study, arguments.scale, seeds, data.identity, compute).save()
    print(f'{folder.caption()}: {scale.about}', flush=True)
    # The folder may hold more seeds, which are shown; what is trained is what was asked for.
    serial.run_all(figures, dataclasses.replace(folder, seeds=seeds), arguments.device, data)
    print(report.build(folder))
    return 0


def choose_figures(study: Study, ids: Sequence[str] | None) -> tuple[Figure, ...]:
    """Return the figures called `ids`, all for None; an InputError lists those there are."""
    known = {figure.id: figure for figure in study.figures}
    for wanted in ids or ():
        if wanted not in known:
            raise InputError(f'--figure is {wanted}; {study.id} has {", ".join(known)}')
    return tuple(known[wanted] for wanted in ids) if ids else study.figures
