"""The one type that every data set becomes."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy

from vgg_cifar.counting import counted
from vgg_cifar.datasets.images_on_disk import ImagesOnDisk
from vgg_cifar.errors import InputError

# Hashed at once.
PIECE_ROWS = 1024

ARRAYS = ('x_train', 'y_train', 'x_test', 'y_test', 'x_validation', 'y_validation')


# No generated __eq__: the truth of an array's comparison is ambiguous. Compare fingerprints.
@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """Images with their labels, kept apart as train, test and, where there is one, validation part.

    x_*: uint8 (0 to 255) or float32 of shape (N, C, H, W); y_*: int32 of shape (N,), 0 to n_classes - 1.
    Training images that are too many for memory are ImagesOnDisk, which are indexed alike.
    A batch is `data.x_train[indices]`, one gather; `scale` makes it what a network takes.

    `source` is the path that the arrays came from, or 'generated'. `provenance` is what a file made from
    this data should remember beside it, such as the checksums that were verified. `copies` training images
    in turn are copies of one, where they come from `python -m augment`.
    """

    name: str
    synthetic: bool
    class_names: tuple[str, ...]
    source: str
    x_train: numpy.ndarray | ImagesOnDisk
    y_train: numpy.ndarray
    x_test: numpy.ndarray
    y_test: numpy.ndarray
    x_validation: numpy.ndarray | None = None
    y_validation: numpy.ndarray | None = None
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    copies: int = 1

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.x_train.shape[1:]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the arrays' names, shapes, types and bytes: the same on every platform."""
        digest = hashlib.sha256()
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                dtype = array.dtype.newbyteorder('<')
                digest.update(f'{name} {array.shape} {dtype.str}\n'.encode())
                # In pieces, because the array may be larger than memory.
                for start in range(0, len(array), PIECE_ROWS):
                    piece = numpy.ascontiguousarray(array[start : start + PIECE_ROWS], dtype=dtype)
                    digest.update(piece.reshape(-1).view(numpy.uint8).data)
        return digest.hexdigest()

    @property
    def identity(self) -> dict[str, Any]:
        """What tells these images from others, for records."""
        parts = {'train': self.y_train, 'validation': self.y_validation, 'test': self.y_test}
        return {
            'name': self.name,
            'synthetic': self.synthetic,
            'source': self.source,
            'sizes': {part: 0 if y is None else len(y) for part, y in parts.items()},
            'image_shape': list(self.image_shape),
            'n_classes': self.n_classes,
            'fingerprint': self.fingerprint,
            'dtype': str(self.x_train.dtype),
            'class_names': list(self.class_names),
        }

    def subset(
        self,
        train_size: int | None = None,
        validation_size: int = 0,
        test_size: int | None = None,
        seed: int = 0,
    ) -> 'ImageData':
        """Return fewer rows, drawn without replacement by a permutation made from `seed`.

        The validation part comes from the data's own validation part where it has one; otherwise it is
        carved from the training rows, so that no row is in both. None takes all there is (for the training
        part: all that validation leaves). What is not asked for is shared with this object, not copied.

        Raises InputError where more is asked for than there is, or copies of one image would be in both.
        """
        for what, size, least in (
            ('training', train_size, 1),
            ('validation', validation_size, 0),
            ('test', test_size, 1),
        ):
            if size is not None and size < least:
                raise InputError(
                    f'{self.source}: {counted(size, f"{what} image")} asked for; ask for {least} or more'
                )

        changes: dict[str, Any] = {}
        carved = validation_size if self.x_validation is None else 0
        if carved:
            if self.copies > 1:
                raise InputError(
                    f'{self.source}: X_train holds {self.copies} copies of each image, and a validation part '
                    'drawn from it would share images with the rest; put X_validation and Y_validation into '
                    'the file before it is augmented'
                )
            kept = 'at least 1' if train_size is None else str(train_size)
            self._require(
                'train', (train_size or 1) + carved, f'{kept} for training and {carved} for validation'
            )
            rows = self._permutation('train', seed)
            held_out, rest = rows[:carved], rows[carved:][:train_size]
            changes.update(x_validation=self.x_train[held_out], y_validation=self.y_train[held_out])
            changes.update(x_train=self.x_train[rest], y_train=self.y_train[rest])
        else:
            changes.update(self._draw('train', train_size, seed))
            changes.update(self._draw('validation', validation_size or None, seed))
        changes.update(self._draw('test', test_size, seed))
        return dataclasses.replace(self, **changes) if changes else self

    def _draw(self, part: str, size: int | None, seed: int) -> dict[str, numpy.ndarray]:
        x, y = getattr(self, f'x_{part}'), getattr(self, f'y_{part}')
        if size is None or size == len(x):
            return {}
        self._require(part, size, f'{size}')
        rows = self._permutation(part, seed)[:size]
        return {f'x_{part}': x[rows], f'y_{part}': y[rows]}

    def _permutation(self, part: str, seed: int) -> numpy.ndarray:
        # RandomState's streams are frozen for good: the same rows with every NumPy.
        key = ('train', 'validation', 'test').index(part)
        return numpy.random.RandomState([seed, key]).permutation(len(getattr(self, f'x_{part}')))

    def _require(self, part: str, least: int, wanted: str) -> None:
        found = len(getattr(self, f'x_{part}'))
        if least > found:
            raise InputError(
                f'{self.source}: X_{part} has {counted(found, "image")}, {wanted} asked for; ask for fewer'
            )


def scale(x: Any) -> Any:
    """Return images as a network takes them: uint8 to float32 in [0, 1], floats as float32.

    Only array methods are used, so that NumPy and CuPy arrays of any shape pass alike.
    """
    if x.dtype != numpy.uint8:
        return x.astype(numpy.float32, copy=False)
    scaled = x.astype(numpy.float32)
    scaled /= 255
    return scaled
