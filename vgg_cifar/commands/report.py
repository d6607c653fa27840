"""`vgg-cifar report`: figures, tables and page again, from the run folders."""

import argparse
from pathlib import Path

from vgg_cifar.convolution_implementations import page as convolutions
from vgg_cifar.convolution_implementations.study import ID as CONVOLUTIONS
from vgg_cifar.reporting import index, report
from vgg_cifar.studies.study_folder import INDEX, StudyFolder, study_id

EXAMPLES = """examples:
  vgg-cifar report results/smoke             one study
  vgg-cifar report results/all-smoke         all studies in it, and index.html over them

Trains nothing, and works in the middle of a sweep."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder."""
    parser.description = 'Draws the figures, tables and pages again from the run folders.'
    parser.epilog = EXAMPLES
    parser.add_argument(
        'folder',
        type=Path,
        metavar='DIR',
        help="a study's folder, made by `vgg-cifar reproduce`, or a folder of such folders, which gets an "
        'index',
    )


def run(arguments: argparse.Namespace) -> int:
    """Rebuild the page, or the pages and their index, and print its path."""
    folder = arguments.folder
    below = [] if (folder / INDEX).exists() else index.study_folders(folder)
    if below:
        for each in below:
            rebuild(each, in_index=True)
        print(index.build(folder))
    else:
        print(rebuild(folder))
    return 0


def rebuild(folder: Path, in_index: bool = False) -> Path:
    """Rebuild one study's page and return its path."""
    if study_id(folder) == CONVOLUTIONS:
        return convolutions.build(folder, in_index)
    return report.build(StudyFolder.open(folder), in_index)
