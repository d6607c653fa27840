"""The pictures of scipy.misc, which SciPy 1.2 and 1.3 dropped: through Pillow, as they were."""

from typing import Any

import numpy as np
from PIL import Image

_FILTERS = {
    'nearest': Image.Resampling.NEAREST,
    'lanczos': Image.Resampling.LANCZOS,
    'bilinear': Image.Resampling.BILINEAR,
    'bicubic': Image.Resampling.BICUBIC,
    'cubic': Image.Resampling.BICUBIC,
}


def bytescale(data: Any, cmin: Any = None, cmax: Any = None, high: int = 255, low: int = 0) -> np.ndarray:
    """Return uint8, cmin to cmax (by default the least and greatest value) spread over low to high."""
    data = np.asarray(data)
    if data.dtype == np.uint8:
        return data
    cmin = data.min() if cmin is None else cmin
    span = (data.max() if cmax is None else cmax) - cmin
    scaled = (data - cmin) * (float(high - low) / (span or 1)) + low
    return (scaled.clip(low, high) + 0.5).astype(np.uint8)


def toimage(
    arr: Any,
    high: int = 255,
    low: int = 0,
    cmin: Any = None,
    cmax: Any = None,
    pal: Any = None,
    mode: str | None = None,
    channel_axis: int | None = None,
) -> Image.Image:
    """Return a picture of an array (H, W), or of three axes one of which has 3 or 4 channels."""
    arr = np.asarray(arr)
    if mode == 'F':
        return Image.fromarray(arr.astype(np.float32))
    if mode == 'I':
        return Image.fromarray(arr.astype(np.int32))
    data = bytescale(arr, cmin, cmax, high, low)
    if data.ndim == 3:
        if channel_axis is None:
            channel_axis = next((data.shape.index(n) for n in (3, 4) if n in data.shape), None)
            if channel_axis is None:
                raise ValueError('Could not find channel dimension.')
        data = np.ascontiguousarray(np.moveaxis(data, channel_axis, 2))
    image = Image.fromarray(data)
    return image.convert(mode) if mode else image


def fromimage(im: Image.Image, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """Return a picture as an array (H, W) or (H, W, C): uint8, or float32 if flattened to grey."""
    if mode:
        im = im.convert(mode)
    elif im.mode == 'P':
        im = im.convert('RGBA' if 'transparency' in im.info else 'RGB')
    elif im.mode == '1':
        im = im.convert('L')
    return np.array(im.convert('F') if flatten else im)


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """Return what `fromimage` does of a file."""
    with Image.open(name) as image:
        return fromimage(image, flatten, mode)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Write what `toimage` makes of an array."""
    toimage(arr, channel_axis=2 if np.ndim(arr) == 3 else None).save(name, format)


def imresize(arr: Any, size: Any, interp: str = 'bilinear', mode: str | None = None) -> np.ndarray:
    """Return the picture in another size: a percentage (int), a factor (float) or (height, width)."""
    image = toimage(arr, mode=mode)
    if isinstance(size, int | np.integer):
        width, height = (int(side * (size / 100.0)) for side in image.size)
    elif isinstance(size, float | np.floating):
        width, height = (int(side * size) for side in image.size)
    else:
        height, width = size
    return fromimage(image.resize((int(width), int(height)), _FILTERS[interp]))


def imrotate(arr: Any, angle: float, interp: str = 'bilinear') -> np.ndarray:
    """Return the picture, turned against the clock by degrees, in its size."""
    return fromimage(toimage(arr).rotate(angle, _FILTERS[interp]))


def imshow(arr: Any) -> None:
    """Show the picture in a window."""
    toimage(arr).show()
