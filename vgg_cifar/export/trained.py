"""A trained network, from a run's folder or from weights alone."""

import argparse
import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chainer
import numpy

from vgg_cifar import models, npz
from vgg_cifar.data_file import LONGEST_SIDE, MOST_CLASSES
from vgg_cifar.errors import InputError
from vgg_cifar.foreign_text import shown
from vgg_cifar.json_file import Record, is_number
from vgg_cifar.training import settings_flags, settings_json, weights
from vgg_cifar.training.run_folder import BEST, ENVIRONMENT, MODEL, SETTINGS, RunFolder
from vgg_cifar.training.settings import Settings

Shape = tuple[int, int, int]

# Of an image: a network is traced by running it, which takes a thousand times as many bytes.
MOST_PIXELS = 2**20
# Of a class's name.
LONGEST_NAME = 200
# Of images whose size nobody has recorded: CIFAR's, then MNIST's.
USUAL_SIDES = (32, 28)

ADVICE = 'restore it, or give the weights alone, from another folder'


@dataclass(frozen=True)
class Trained:
    """A network with its weights, in test mode, and what it was trained on.

    Attributes:
        model: from images (N, C, H, W), float32, to scores (N, classes), before the softmax.
        image_shape: (C, H, W) of what it sees.
        original_shape: (C, H, W) of the images of its data set, of which it may see the middle.
        class_names: in the order of the scores; numbers where nobody has recorded names.
        named: whether somebody has.
        scaled: whether its images were bytes, which it sees divided by 255; else they were floats.
        source: the file of the weights.

    """

    model: chainer.Chain
    image_shape: Shape
    original_shape: Shape
    class_names: tuple[str, ...]
    named: bool
    scaled: bool
    source: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a trained network; `from_arguments` reads them back."""
    parser.add_argument(
        'network',
        metavar='RUN',
        type=Path,
        help="a run's folder, its model.npz or best.npz, or any .npz file of such a network's weights",
    )
    alone = parser.add_argument_group('weights that lie in no run folder')
    settings_flags.add_model(alone)
    alone.add_argument(
        '--image-shape',
        metavar=('C', 'H', 'W'),
        nargs=3,
        type=int,
        help='of the images, where they are not of 32x32 or 28x28 pixels',
    )


def from_arguments(arguments: argparse.Namespace) -> Trained:
    """Return the network that the command line names; see `load`."""
    shape = arguments.image_shape
    if shape is not None and not all(0 < side <= LONGEST_SIDE for side in shape):
        raise InputError(f'--image-shape is {shape}; expected three numbers from 1 to {LONGEST_SIDE}')
    return load(arguments.network, arguments.model, dict(arguments.model_options), shape and tuple(shape))


def load(
    path: Path,
    family: str | None = None,
    options: Mapping[str, Any] | None = None,
    image_shape: Shape | None = None,
) -> Trained:
    """Return the network of a run, or the one that a .npz file holds the weights of.

    Args:
        path: a run's folder, for the weights of its last epoch; its model.npz or best.npz; or any .npz file
            of a network of `models`, such as one that the report's listing has saved.
        family: of a network whose weights lie in no run's folder; the listing's by default.
        options: of that family.
        image_shape: (C, H, W) of the images, where they are not recorded and not of a usual size.

    Raises:
        InputError: there is no such run or file, it is damaged, or it holds another network's weights.

    """
    folder = path if path.is_dir() else path.parent
    file = path / MODEL if path.is_dir() else path
    if path.is_dir() or path.name in (MODEL, BEST):
        run = RunFolder(folder)
        found = run.settings
        if found is not None:
            _check_there(file, run)
            if family or options:
                raise InputError(f'{folder}: holds a run, which says what network it is; leave out --model')
            settings = settings_json.from_json(found, str(folder / SETTINGS))
            return _of_run(file, run, settings, image_shape)
        if path.is_dir():
            raise InputError(
                f'{path}: no {SETTINGS} here; expected the folder of one run, such as runs/first or '
                'STUDY/runs/ID, or a .npz file'
            )
    settings = Settings(model=family or Settings().model, model_options=options or {})
    return _of_weights(file, settings, _Images((), image_shape))


def _check_there(file: Path, run: RunFolder) -> None:
    if not file.exists():
        state = 'has not finished: train it to its end' if run.result is None else f'has lost its {file.name}'
        raise InputError(f'{run.path}: this run {state}; there are no weights to take')


@dataclass(frozen=True)
class _Images:
    """What is known of the images that a network was trained on."""

    class_names: tuple[str, ...]
    shape: Shape | None
    scaled: bool = True


def _of_run(file: Path, run: RunFolder, settings: Settings, shape: Shape | None) -> Trained:
    recorded = run.environment
    data = Record(recorded['data'] if recorded else {}, run.path / ENVIRONMENT, ADVICE, 'data.')
    # Runs from before these were recorded have none of them.
    if 'class_names' not in data:
        return _of_weights(file, settings, _Images((), shape))
    if shape is not None:
        raise InputError(
            f'{run.path}: holds a run, which says how large its images are; leave out --image-shape'
        )
    recorded_shape = data.image_shape('image_shape', LONGEST_SIDE)
    names = data.content.get('class_names')
    is_text = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not isinstance(names, list) or not is_text or not 0 < len(names) <= MOST_CLASSES:
        raise data.wrong('class_names', 'a list of names')
    shown_names = tuple(shown(name, LONGEST_NAME) for name in names)
    images = _Images(shown_names, recorded_shape, data.text('dtype') == 'uint8')
    return _of_weights(file, settings, images)


def _of_weights(file: Path, settings: Settings, images: _Images) -> Trained:
    with npz.opened(file) as arrays:
        shapes = arrays.shapes
    n_classes = len(images.class_names) or _number_of_classes(file, shapes)
    numbers = sum(math.prod(shape) for shape in shapes.values())
    refusals = []
    for original in [images.shape] if images.shape else _usual_shapes(shapes):
        channels, *_ = original
        seen = original if settings.crop is None else (channels, settings.crop, settings.crop)
        if math.prod(seen[1:]) > MOST_PIXELS:
            raise InputError(
                f'{file}: its images are of {seen[1]}x{seen[2]} pixels, expected {MOST_PIXELS} at most'
            )
        try:
            with _at_most(numbers, settings.model_options.values()):
                model = models.build(settings.model, settings.model_options, n_classes, seen)
            weights.load(file, model)
        except InputError as error:
            refusals.append(error)
            continue
        names = images.class_names or tuple(map(str, range(n_classes)))
        return Trained(model, seen, original, names, bool(images.class_names), images.scaled, file)
    advice = '' if images.shape else '; --image-shape, --model and --model-options say which network it is'
    raise InputError(f'{refusals[0]}{advice}')


def _values(option: Any) -> tuple[Any, ...]:
    return option if isinstance(option, tuple) else (option,)


def _number_of_classes(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return how many outputs the last linear layer has: fc, or the fc with the highest number."""
    last = [name for name, shape in shapes.items() if name.startswith('fc') and len(shape) == 2]
    if not last:
        names = shown(', '.join(sorted(shapes)[:5]))
        raise InputError(f'{file}: no linear layer fc, fc1, ... ({names}); not the weights of a network')
    return shapes[max(last, key=lambda name: (len(name), name))][0]


def _usual_shapes(shapes: Mapping[str, tuple[int, ...]]) -> list[Shape]:
    """Return the shapes of images to try: of as many channels as the first convolution takes, or 3 and 1."""
    firsts = [shapes[name] for name in ('conv1_1/W', 'conv1/W', 'entry/W') if name in shapes]
    channels = [shape[1] for shape in firsts if len(shape) == 4] or [3, 1]
    return [(each, side, side) for side in USUAL_SIDES for each in channels]


@contextlib.contextmanager
def _at_most(numbers: int, options: Iterable[Any]) -> Iterator[None]:
    """Build networks without drawing weights, and none that needs more numbers than a file has to give.

    So that settings from elsewhere cannot ask for more memory than the weights beside them take.
    """
    made = 0
    more = InputError(f'a network of more than {numbers} numbers; the file of weights has no more')
    # Layers without number, or a number of units.
    if any(each > numbers for option in options for each in _values(option) if is_number(each)):
        raise more
    drawn = chainer.initializers.generate_array

    def generate(initializer: Any, shape: Any, xp: Any, dtype: Any = None, device: Any = None) -> Any:
        nonlocal made
        made += math.prod(shape if isinstance(shape, tuple) else (shape,))
        # Each parameter has a gradient beside it.
        if made > 2 * numbers:
            raise more
        return numpy.zeros(shape, dtype or getattr(initializer, 'dtype', None) or chainer.config.dtype)

    chainer.initializers.generate_array = generate
    try:
        yield
    finally:
        chainer.initializers.generate_array = drawn
