"""`vgg-cifar predict`: classes and probabilities of images."""

import argparse
import contextlib
import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy

from vgg_cifar.atomic import replacing, require_writable
from vgg_cifar.counting import counted
from vgg_cifar.data_file import PARTS
from vgg_cifar.errors import InputError
from vgg_cifar.export import images, trained
from vgg_cifar.export.images import LONGEST_NAME, Batch
from vgg_cifar.export.prediction import probabilities
from vgg_cifar.foreign_text import shown
from vgg_cifar.training.device import get_device

EXAMPLES = """examples:
  vgg-cifar predict runs/first cat.png dog.jpg              a line of CSV for each image
  vgg-cifar predict runs/first CIFAR10.hdf5 -o test.json    the test images, and how many are right
  vgg-cifar predict runs/first *.png --preview sheet.png    also drawn, the surest of each class

Of each image: the most likely class, its probability, and the probability of every class. A picture of
another size is made the size of the images that the network was trained on."""

MOST_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the network, the images, and where the answer goes."""
    parser.description = 'Classifies images with a trained network.'
    parser.epilog = EXAMPLES
    trained.add_arguments(parser)
    parser.add_argument(
        'images', metavar='IMAGE', nargs='+', type=Path, help='PNG or JPEG files, or a data file, FILE.hdf5'
    )
    parser.add_argument(
        '-o', dest='out', metavar='FILE', type=Path, help='FILE.csv or FILE.json (default: CSV, printed)'
    )
    parser.add_argument('--part', choices=PARTS, default='test', help='of a data file (default: test)')
    parser.add_argument(
        '--preview', metavar='FILE.png', type=Path, help='also draw the surest images of each class'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace files that exist')
    parser.add_argument('-d', '--device', default='-1', help='-1: the CPU; 0, 1, ...: a GPU (default: -1)')


def run(arguments: argparse.Namespace) -> int:
    """Classify the images; say at the end how many with a known class were right."""
    out: Path | None = arguments.out
    if out is not None and out.suffix not in WRITERS:
        raise InputError(f'{out}: found the ending {shown(out.suffix)!r}, expected .csv or .json')
    if arguments.preview is not None:
        from vgg_cifar.image_sheet import require_png

        require_png(arguments.preview)
    for path in filter(None, (out, arguments.preview)):
        require_writable(path, arguments.overwrite)
    network = trained.from_arguments(arguments)
    network.model.to_device(get_device(arguments.device))
    answers = Answers(network.class_names, keep=MOST_SHOWN if arguments.preview else 0)

    def found() -> Iterator[tuple[Batch, numpy.ndarray]]:
        for path in arguments.images:
            for batch in images.batches(path, arguments.part, network):
                likely = probabilities(network, batch.pixels)
                answers.count(batch, likely)
                yield batch, likely

    answered = found()
    # Nothing is printed where already the first image is refused.
    first = next(answered)
    with contextlib.ExitStack() as stack:
        file = sys.stdout
        if out is not None:
            partial = stack.enter_context(replacing(out))
            file = stack.enter_context(partial.open('w', encoding='utf-8', newline=''))
        WRITERS['.csv' if out is None else out.suffix](
            file, network.class_names, itertools.chain([first], answered)
        )
    if arguments.preview is not None:
        answers.draw(arguments.preview)
    print(answers.summary(), file=sys.stderr, flush=True)
    return 0


class Answers:
    """What has been answered so far.

    Args:
        class_names: of the network.
        keep: how many images of each class to keep for a picture, the surest.

    """

    def __init__(self, class_names: Sequence[str], keep: int) -> None:
        self._names = class_names
        self._keep = keep
        self._surest: dict[int, list[tuple[float, numpy.ndarray]]] = {}
        self._images = self._labelled = self._right = 0

    def count(self, batch: Batch, likely: numpy.ndarray) -> None:
        """Take note of a batch and of what it was taken for."""
        answers = likely.argmax(axis=1)
        self._images += len(answers)
        if batch.labels is not None and batch.comparable:
            self._labelled += len(answers)
            self._right += sum(
                self._names[answer] == label for answer, label in zip(answers, batch.labels, strict=True)
            )
        if self._keep:
            for answer, image, each in zip(answers.tolist(), batch.pixels, likely, strict=True):
                kept = self._surest.setdefault(answer, [])
                kept.append((float(each[answer]), image))
                kept.sort(key=lambda pair: -pair[0])
                del kept[self._keep :]

    def draw(self, path: Path) -> None:
        """Draw the surest images of each class, a class a row."""
        # matplotlib takes a while to import.
        from vgg_cifar.datasets.contact_sheet import MOST_CLASSES, visible
        from vgg_cifar.image_sheet import draw_sheet

        classes = sorted(self._surest)[:MOST_CLASSES]
        rows = [[visible(image) for _, image in self._surest[each]] for each in classes]
        draw_sheet(path, rows, 'taken for, the surest first', [self._names[each] for each in classes])

    def summary(self) -> str:
        """Return how many images were classified, and how many rightly."""
        images = counted(self._images, 'image')
        if not self._labelled:
            return images
        return f'{images}, {self._right / self._labelled:.2%} of {self._labelled} rightly'


Found = Iterator[tuple[Batch, numpy.ndarray]]


def _rows(found: Found, class_names: Sequence[str]) -> Iterator[tuple[str, str | None, int, list[float]]]:
    for batch, likely in found:
        labels: Sequence[str | None] = batch.labels or [None] * len(batch.names)
        for name, label, each in zip(batch.names, labels, likely, strict=True):
            rounded = [float(f'{value:.6g}') for value in each]
            yield shown(name, LONGEST_NAME), label, int(each.argmax()), rounded


def _write_csv(file: TextIO, class_names: Sequence[str], found: Found) -> None:
    """Write a line for each image; the label is empty where it is not known."""
    lines = csv.writer(file, lineterminator='\n')
    lines.writerow(['image', 'label', 'class', 'probability', *class_names])
    for name, label, answer, likely in _rows(found, class_names):
        lines.writerow([name, label or '', class_names[answer], likely[answer], *likely])


def _write_json(file: TextIO, class_names: Sequence[str], found: Found) -> None:
    """Write an object for each image, as each is found."""
    file.write(f'{{"classes": {json.dumps(list(class_names))},\n "images": [')
    separator = '\n'
    for name, label, answer, likely in _rows(found, class_names):
        answered = {
            'image': name,
            'label': label,
            'class': class_names[answer],
            'probability': likely[answer],
        }
        file.write(f'{separator}  {json.dumps(answered | {"probabilities": likely})}')
        separator = ',\n'
    file.write('\n]}\n')


WRITERS: dict[str, Callable[[TextIO, Sequence[str], Found], None]] = {
    '.csv': _write_csv,
    '.json': _write_json,
}
