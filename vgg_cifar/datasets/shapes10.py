"""shapes10: a synthetic set of ten shapes, drawn by a procedure. Nothing is downloaded.

Each image shows one shape, 32 x 32, RGB. Its position, size, rotation, stretch, colours, fill, background,
lighting, contrast and noise are drawn at random, all independently of the class; strokes lie behind it and
across it. So neither colour nor place nor single pixels give the class away: only the outline does.

Measured with 5,000 training images (chance is 10 %): ridge on pixels 14 %, ridge on colour histograms 12 %, a
network of three convolutions 28 % after one epoch, 56 % after five and 63 % after eight.
"""

import dataclasses

import numpy

from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.datasets.shape_outlines import OUTLINES, Outline
from vgg_cifar.errors import InputError

CLASS_NAMES = tuple(OUTLINES)
SIZE = 32

# Images are drawn in chunks, each from its own random stream: image i does not depend on how many are
# asked for. The number is part of what the set is.
CHUNK = 500

# How many random numbers an image's parameters take.
PARAMETERS = 80
STROKES = 3

Array = numpy.ndarray


def generate(train_size: int = 10_000, test_size: int = 2_000, seed: int = 0) -> ImageData:
    """Draw the set: uint8 (N, 3, 32, 32), each class once in every ten images, train and test disjoint draws.

    A longer part begins with the shorter one of the same seed. Raises InputError for sizes below 1 and for
    a negative seed.
    """
    for name, value, least in (('train size', train_size, 1), ('test size', test_size, 1), ('seed', seed, 0)):
        if value < least:
            raise InputError(f'shapes10: {name}: found {value}, expected {least} or more')
    x_train, y_train = _draw_part(train_size, seed, 0)
    x_test, y_test = _draw_part(test_size, seed, 1)
    return ImageData(
        name='shapes10',
        synthetic=True,
        class_names=CLASS_NAMES,
        source='generated',
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        provenance={'seed': str(seed)},
    )


def generate_grey(train_size: int = 10_000, test_size: int = 2_000, seed: int = 0) -> ImageData:
    """Draw the set in grey and without its rim of two pixels, which gives the shape of MNIST's images.

    uint8 (N, 1, 28, 28); the grey is the mean of the three colours. As EMNIST's reports need one, there is a
    validation part, as large as the test part. Raises InputError as `generate` does.
    """
    data = generate(train_size, test_size, seed)
    x, y = _draw_part(test_size, seed, 2)
    return dataclasses.replace(
        data,
        name='shapes10-grey',
        x_train=_grey(numpy.asarray(data.x_train)),
        x_test=_grey(data.x_test),
        x_validation=_grey(x),
        y_validation=y,
    )


def _grey(x: Array) -> Array:
    inside = x[:, :, 2:-2, 2:-2]
    return (inside.sum(axis=1, keepdims=True, dtype=numpy.uint16) // 3).astype(numpy.uint8)


def _draw_part(size: int, seed: int, part: int) -> tuple[Array, Array]:
    x = numpy.empty((size, 3, SIZE, SIZE), numpy.uint8)
    y = numpy.empty(size, numpy.int32)
    for start in range(0, size, CHUNK):
        images, labels = _draw_chunk((seed, part, start // CHUNK))
        x[start : start + CHUNK] = images[: size - start]
        y[start : start + CHUNK] = labels[: size - start]
    return x, y


def _draw_chunk(key: tuple[int, int, int]) -> tuple[Array, Array]:
    # Raw bits instead of a Generator's distributions: NumPy may change those from release to release.
    bits = numpy.random.PCG64(numpy.random.SeedSequence(key))
    order = bits.random_raw((CHUNK // 10, 10)).argsort(axis=1, kind='stable')
    labels = order.reshape(-1).astype(numpy.int32)
    parameters = (bits.random_raw((CHUNK, PARAMETERS)) >> numpy.uint64(11)) * 2.0**-53
    grain = bits.random_raw((CHUNK, 2 * 3 * SIZE * SIZE // 8)).astype('<u8', copy=False).view(numpy.uint8)
    images = numpy.empty((CHUNK, 3, SIZE * SIZE), numpy.uint8)
    for label, outline in enumerate(OUTLINES.values()):
        rows = numpy.flatnonzero(labels == label)
        images[rows] = _Scene(parameters[rows], grain[rows]).draw(outline)
    return images.reshape(CHUNK, 3, SIZE, SIZE), labels


class _Scene:
    """One class's images of a chunk: planes are float32 (n, 1024), colours (n, 3, 1)."""

    def __init__(self, parameters: Array, grain: Array) -> None:
        self._parameters, self._used = parameters, 0
        self._grain = grain.reshape(len(grain), 2, 3, SIZE * SIZE)
        self._axis = numpy.arange(SIZE, dtype=numpy.float32) - numpy.float32((SIZE - 1) / 2)

    def draw(self, outline: Outline) -> Array:
        """Return uint8 (n, 3, 1024)."""
        background = self._colour()
        foreground = self._apart_from(background)
        picture = self._filled(background)
        for stroke in range(STROKES):
            if stroke == STROKES - 1:
                self._paint(picture, self._shape(outline), self._filled(foreground))
            # The one in front is thin. Any may have the colour of the shape or of the ground.
            stroke_colour = self._stroke_colour(background, foreground)
            self._paint(picture, self._stroke(thin=stroke == STROKES - 1), stroke_colour)
        self._light(picture)
        return self._with_grain(picture)

    def _next(self, low: float = 0.0, high: float = 1.0) -> Array:
        """Return the next parameter, uniform from low to high, float32 (n, 1)."""
        column = self._parameters[:, self._used : self._used + 1]
        self._used += 1
        return (low + (high - low) * column).astype(numpy.float32)

    def _colour(self) -> Array:
        return numpy.stack([self._next(0.1, 0.9) for _ in range(3)], axis=1)

    def _apart_from(self, colour: Array) -> Array:
        """Return a colour at some distance from `colour`, to whichever side there is room."""
        direction = numpy.stack([self._next(-1, 1) for _ in range(3)], axis=1)
        length = numpy.sqrt((direction * direction).sum(axis=1, keepdims=True)) + numpy.float32(1e-3)
        offset = direction / length * self._next(0.45, 0.85)[:, None]
        there = colour + offset
        return numpy.where((there < 0) | (there > 1), colour - offset, there)

    def _turned(self, centre_x: Array, centre_y: Array, most: float = 0.5) -> tuple[Array, Array]:
        """Return the pixels' coordinates around a centre, turned by `most` of a full turn to either side."""
        (x_across, x_down), (y_across, y_down) = self._turned_axes(centre_x, centre_y, most)
        return self._plane(x_across, x_down), self._plane(y_across, y_down)

    def _along(self) -> Array:
        """Return each pixel's distance from the middle of the image along a random direction."""
        middle = numpy.zeros((len(self._parameters), 1), numpy.float32)
        return self._plane(*self._turned_axes(middle, middle)[0])

    def _turned_axes(
        self, centre_x: Array, centre_y: Array, most: float = 0.5
    ) -> tuple[tuple[Array, Array], ...]:
        # The sines are taken once an image, in float64: rounded to float32 they agree between machines.
        angle = self._next(-most, most).astype(numpy.float64) * (2 * numpy.pi)
        cosine, sine = numpy.cos(angle).astype(numpy.float32), numpy.sin(angle).astype(numpy.float32)
        across, down = self._axis - centre_x, self._axis - centre_y
        return (cosine * across, -sine * down), (sine * across, cosine * down)

    @staticmethod
    def _plane(across: Array, down: Array) -> Array:
        return (across[:, None, :] + down[:, :, None]).reshape(len(across), SIZE * SIZE)

    def _wave(self) -> Array:
        """Return a triangle wave along a random direction, -1 to 1; slow ones look like a gradient."""
        phase = self._along()
        phase /= 4 + 36 * self._next() ** 2
        phase += self._next()
        phase -= numpy.floor(phase)
        phase -= numpy.float32(0.5)
        numpy.abs(phase, out=phase)
        phase *= 4
        phase -= 1
        return phase

    def _filled(self, colour: Array) -> Array:
        """Return planes of `colour`, plain, graded, striped or chequered; float32 (n, 3, 1024)."""
        pattern = self._wave()
        pattern *= numpy.where(self._next() < 0.4, self._wave(), numpy.float32(1))
        towards = numpy.stack([self._next(-1, 1) for _ in range(3)], axis=1)
        towards *= (self._next(0, 0.16) * (self._next() < 0.8))[:, None]
        plane = towards * pattern[:, None]
        plane += colour
        return plane

    def _shape(self, outline: Outline) -> Array:
        """Return how far each pixel is covered by the class's shape, 0 to 1, float32 (n, 1024)."""
        radius = self._next(9, 13.5)
        room = SIZE / 2 + 1 - radius
        x, y = self._turned(room * self._next(-1, 1), room * self._next(-1, 1), most=0.1)
        stretch = self._next(0.85, 1.18)
        mirror = numpy.where(self._next() < 0.5, numpy.float32(-1), numpy.float32(1))
        # Rows count downwards, the outlines' y upwards.
        distance = outline(x * (mirror * stretch / radius), -y / (radius * stretch))
        return _covered(distance * radius)

    def _stroke(self, thin: bool) -> Array:
        """Return how far each pixel is covered by a stroke of random place, length and width."""
        x, y = self._turned(self._next(-15, 15), self._next(-15, 15))
        length, width = self._next(2, 8), self._next(0.6, 1.0 if thin else 1.8)
        return _covered(numpy.maximum(numpy.abs(x) - length, numpy.abs(y) - width))

    def _stroke_colour(self, background: Array, foreground: Array) -> Array:
        choice = self._next()[:, None]
        any_colour = self._colour()
        return numpy.where(choice < 0.25, foreground, numpy.where(choice < 0.4, background, any_colour))

    @staticmethod
    def _paint(picture: Array, covered: Array, colours: Array) -> None:
        difference = colours - picture
        difference *= covered[:, None]
        picture += difference

    def _light(self, picture: Array) -> None:
        """Light the scene from one side."""
        light = self._along()
        light *= self._next(0, 0.35) / SIZE
        light += 1
        picture *= light[:, None]

    def _with_grain(self, picture: Array) -> Array:
        # The sum of two even distributions, close enough to a bell.
        grain = self._grain[:, 0].astype(numpy.float32)
        grain += self._grain[:, 1]
        grain -= 255
        grain *= self._next(0.02, 0.14)[:, None]
        picture *= 255
        picture += grain
        numpy.clip(picture, 0, 255, out=picture)
        picture += numpy.float32(0.5)
        return picture.astype(numpy.uint8)


def _covered(distance: Array) -> Array:
    """Turn a signed distance in pixels (inside below 0) into coverage: edges are smooth over one pixel."""
    distance *= -1
    distance += numpy.float32(0.5)
    return numpy.clip(distance, 0, 1, out=distance)
