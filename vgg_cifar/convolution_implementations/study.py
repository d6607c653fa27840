"""What reports R2 (section 2), R3 (section 2) and R4 (section 5) say that convolutions cost, however written.

Five implementations of one convolution (stride 1, no padding, as many channels out as in) are timed in turn
at sizes along four axes. R3's cost model: time B x F_out x F_in x T for a routine that takes T for a plane;
storage B x F_out x H_out x W_out numbers forwards, B x F_in x H_in x W_in backwards. Which T is not said; it
is taken to be in proportion to H_out x W_out x k^2, what each of these implementations multiplies.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from vgg_cifar.studies.comparison import Ratio
from vgg_cifar.studies.study import Claim

ID = 'convolution_implementations'
TITLE = 'Convolutions from scratch: time and memory'
SOURCE = 'Reports R2 (section 2), R3 (section 2) and R4 (section 5)'
LOOPS, SCIPY, IM2COL = 'loops', 'scipy.signal', 'im2col'
CHAINER, ACCELERATED = 'Chainer on NumPy', 'Chainer with oneDNN'
IMPLEMENTATIONS = (LOOPS, SCIPY, IM2COL, CHAINER, ACCELERATED)
AXES = {
    'batch': 'images in the batch B',
    'channels': 'channels in and out F',
    'image': 'height and width of the image',
    'kernel': 'height and width of the kernel k',
}
BYTES = 4


@dataclass(frozen=True)
class Size:
    """Of a convolution: images, channels in and out, height and width of image and of kernel."""

    batch: int
    channels: int
    image: int
    kernel: int

    @property
    def out(self) -> int:
        """Height and width of the result."""
        return self.image - self.kernel + 1

    @property
    def label(self) -> str:
        """In words."""
        images = f'{self.batch} x {self.channels} x {self.image} x {self.image}'
        return f'{images}, kernel {self.kernel} x {self.kernel}'


@dataclass(frozen=True)
class Cost:
    """Of a convolution's implementation at a size, forwards or backwards."""

    implementation: str
    size: Size
    backward: bool

    @property
    def label(self) -> str:
        """In words."""
        return f'{self.implementation} {"backwards" if self.backward else "forwards"} at {self.size.label}'


@dataclass(frozen=True)
class CostRatio(Ratio):
    """The time or peak memory of `of` over that of `against`, claimed to lie between `low` and `high`."""

    what: str
    of: Cost
    against: Cost
    low: float = 1.0
    high: float = math.inf

    @property
    def sides(self) -> str:
        """The one over the other; the size once, where it is that of both."""
        of = self.of.implementation if self.of.size == self.against.size else self.of.label
        return f'{of} ÷ {self.against.label}'


@dataclass(frozen=True)
class Ranges:
    """How much is measured: each axis is varied around a `base`, everything `rounds` times."""

    base: Size
    values: Mapping[str, tuple[int, ...]]
    rounds: int
    about: str

    def sizes(self, axis: str) -> list[Size]:
        """Return the sizes along an axis."""
        return [dataclasses.replace(self.base, **{axis: value}) for value in self.values[axis]]

    @property
    def smallest(self) -> Size:
        """The least of everything but the kernel."""
        return dataclasses.replace(self.base, **{axis: min(self.values[axis]) for axis in list(AXES)[:3]})

    def twice(self, axis: str) -> Size:
        """Return the base with twice as much along an axis."""
        return dataclasses.replace(self.base, **{axis: 2 * getattr(self.base, axis)})

    def all_sizes(self) -> list[Size]:
        """Return every size that a figure shows or a claim compares, once each."""
        shown = [size for axis in AXES for size in self.sizes(axis)]
        return list(dict.fromkeys([*shown, self.smallest, self.twice('batch'), self.twice('channels')]))


SCALES = {
    'smoke': Ranges(
        Size(2, 4, 10, 3),
        {'batch': (1, 2, 4), 'channels': (2, 4, 8), 'image': (6, 10, 14), 'kernel': (1, 3, 5)},
        rounds=3,
        about='shows that everything works, decides nothing',
    ),
    'quick': Ranges(
        Size(4, 8, 16, 3),
        {'batch': (1, 2, 4, 8, 16), 'channels': (1, 4, 8, 16), 'image': (8, 16, 32), 'kernel': (1, 3, 5, 7)},
        rounds=5,
        about='half a minute on one core',
    ),
    'full': Ranges(
        Size(8, 16, 28, 3),
        {
            'batch': (1, 4, 8, 16, 32, 64),
            'channels': (1, 4, 8, 16, 32),
            'image': (8, 14, 28, 56),
            'kernel': (1, 3, 5, 7, 9),
        },
        rounds=10,
        about='layers as large as those of the reports; some minutes on one core',
    ),
}


def expected_time(size: Size) -> int:
    """Return what R3's time B x F_out x F_in x T is in proportion to: the multiply-adds."""
    return size.batch * size.channels**2 * size.out**2 * size.kernel**2


def expected_storage(size: Size, backward: bool) -> int:
    """Return R3's storage, in bytes of float32: the result's, or the gradient's of the images."""
    width = size.image if backward else size.out
    return BYTES * size.batch * size.channels * width**2


def columns_storage(size: Size) -> int:
    """Return the bytes of im2col's columns, in which each pixel is repeated up to k^2 times (R2, R3)."""
    return BYTES * size.batch * size.channels * size.out**2 * size.kernel**2


def claims(ranges: Ranges) -> tuple[Claim, ...]:
    """Return the claims, at the sizes of a scale."""
    base, small, large = ranges.base, ranges.smallest, ranges.sizes('batch')[-1]

    def time(of: str, against: str, at: Size, low: float = 1.0, backward: bool = False) -> CostRatio:
        return CostRatio('time', Cost(of, at, backward), Cost(against, at, backward), low)

    return (
        Claim(
            'layers.loops-slowest',
            ('forward', 'backward'),
            'Looping over the windows is the slowest (R2, R3, R4).',
            'It takes longer than scipy.signal and than im2col, forwards and backwards, at the middle size.',
            tuple(
                time(LOOPS, other, base, backward=backward)
                for backward in (False, True)
                for other in (SCIPY, IM2COL)
            ),
        ),
        Claim(
            'layers.im2col-fast-when-large',
            ('forward', 'backward'),
            'Serialisation, im2col and one product of matrices, is the fastest when the data is large (R2, '
            'R3).',
            'scipy.signal takes longer at the largest batch, forwards and backwards.',
            tuple(time(SCIPY, IM2COL, large, backward=backward) for backward in (False, True)),
        ),
        Claim(
            'layers.im2col-slow-when-small',
            ('forward', 'backward'),
            'When the matrices are small, serialisation is slower than loops over a convolution routine '
            '(R3).',
            f'im2col takes longer than scipy.signal at the smallest size, {small.label}.',
            (time(IM2COL, SCIPY, small),),
        ),
        Claim(
            'layers.im2col-memory',
            ('forward', 'backward'),
            'Serialisation needs more memory, because its columns repeat the pixels (R2, R3).',
            'Its peak memory is above that of scipy.signal, forwards and backwards, at the middle size.',
            tuple(
                CostRatio('peak memory', Cost(IM2COL, base, backward), Cost(SCIPY, base, backward))
                for backward in (False, True)
            ),
        ),
        Claim(
            'layers.time-model',
            ('forward', 'backward'),
            'With a convolution routine, time is B x F_out x F_in x T, forwards and backwards (R3).',
            'scipy.signal takes 1.8 to 2.2 times as long with twice the batch, and 3.6 to 4.4 times with '
            'twice the channels in and out.',
            tuple(
                CostRatio(
                    'time', Cost(SCIPY, ranges.twice(axis), backward), Cost(SCIPY, base, backward), low, high
                )
                for backward in (False, True)
                for axis, low, high in (('batch', 1.8, 2.2), ('channels', 3.6, 4.4))
            ),
        ),
    )
