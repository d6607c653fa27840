"""What to make of each image."""

from dataclasses import dataclass
from typing import Any

import numpy

from augment import transforms
from vgg_cifar.errors import InputError
from vgg_cifar.hdf5_file import Rows

DTYPES = ('float32', 'uint8')

LEVELS = range(10)


@dataclass(frozen=True)
class Recipe:
    """The copies of each image, and how they are stored.

    Args:
        copies: names out of transforms.COPIES, in the order in which the copies lie in the file.
        rotate: the step of the rotations in degrees, which follow the copies; None for no rotations.
        median_window: 'channels' or 'plane', see `transforms.median_filter`.
        dtype: 'float32', or 'uint8' where every copy of uint8 images is of whole numbers.
        gzip: compression level from 1 to 9; 0 for none.

    Raises:
        InputError: a value is out of range, or a copy is asked for that uint8 cannot hold.

    """

    copies: tuple[str, ...] = transforms.COPIES
    rotate: float | None = None
    median_window: str = 'channels'
    dtype: str = 'float32'
    gzip: int = 0

    def __post_init__(self) -> None:
        for name, values in (('median_window', transforms.WINDOWS), ('dtype', DTYPES), ('gzip', LEVELS)):
            if (found := getattr(self, name)) not in values:
                expected = ', '.join(map(str, values))
                raise InputError(f'--{name.replace("_", "-")}: found {found!r}, expected {expected}')
        try:
            transforms.count_copies(self.copies, self.rotate)
        except ValueError as error:
            raise InputError(f'--copies, --rotate: {error}') from None
        twice = [name for name in self.copies if self.copies.count(name) > 1]
        if twice:
            raise InputError(f'--copies: found {twice[0]} twice, expected each copy once; drop one')
        fractions = [name for name in self.names if name not in transforms.WHOLE_NUMBER_COPIES]
        if self.dtype == 'uint8' and fractions:
            raise InputError(
                f'--dtype uint8: cannot hold {fractions[0]}, which gives fractions; '
                f'write float32, or only {", ".join(transforms.WHOLE_NUMBER_COPIES)}'
            )

    @property
    def names(self) -> list[str]:
        """What each copy is, in the order of the file: 'original', 'flip', ..., 'rotate 15', ..."""
        turned = [] if self.rotate is None else transforms.angles(self.rotate)
        return [*self.copies, *(f'rotate {angle:g}' for angle in turned)]

    def check_images(self, images: Rows) -> None:
        """Raise InputError where images cannot become this recipe's type."""
        if self.dtype == 'uint8' and images.dtype != numpy.uint8:
            raise InputError(
                f'{images.what}: found {images.dtype}, expected uint8 for --dtype uint8; leave that out'
            )

    def apply(self, x: Any, out: Any = None) -> Any:
        """Return the copies of the batch x (N, C, H, W) as (N * copies, C, H, W), in `out` if given."""
        if out is None:
            out = numpy.empty((len(x) * len(self.names), *x.shape[1:]), self.dtype)
        return transforms.apply_copies(
            x, self.copies, rotate=self.rotate, median_window=self.median_window, out=out
        )
