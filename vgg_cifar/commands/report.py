"""`vgg-cifar report`: figures, tables and page again, from the run folders."""

import argparse
from pathlib import Path

from vgg_cifar.reporting import report
from vgg_cifar.studies.study_folder import StudyFolder

EXAMPLES = """example:
  vgg-cifar report results/smoke

Trains nothing, and works in the middle of a sweep."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder."""
    parser.description = 'Draws the figures, tables and page again from the run folders.'
    parser.epilog = EXAMPLES
    parser.add_argument(
        'folder', type=Path, metavar='DIR', help="a study's folder, made by `vgg-cifar reproduce`"
    )


def run(arguments: argparse.Namespace) -> int:
    """Rebuild the page and print its path."""
    print(report.build(StudyFolder.open(arguments.folder)))
    return 0
