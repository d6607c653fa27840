"""The processor that computes the copies."""

from collections.abc import Callable
from typing import Any

import numpy

from augment.recipe import Recipe
from vgg_cifar.errors import InputError, first_line

Apply = Callable[[numpy.ndarray, numpy.ndarray], Any]
"""Computes the copies of a batch (N, C, H, W) into (N * copies, C, H, W), both in the CPU's memory."""


def applier(recipe: Recipe, device: str) -> Apply:
    """Return what computes `recipe` on `device`: '-1' is the CPU; '0', '1', ... or '@cupy:0' is a GPU.

    Raises InputError where the device is not there.
    """
    number = device.removeprefix('@cupy:')
    if device in ('-1', '@numpy'):
        return recipe.apply
    if not number.isdecimal():
        raise InputError(f'--device {device}: expected -1 for the CPU, or a GPU as 0, 1, ... or @cupy:0')
    try:
        import cupy

        gpu = cupy.cuda.Device(int(number))
        with gpu:
            cupy.zeros(1)
    except ImportError:
        raise InputError(
            f"--device {device}: CuPy is not installed; pip install '.[gpu]', or leave it out"
        ) from None
    # CuPy and CUDA raise many types, none of which the caller can do anything about.
    except Exception as error:
        raise InputError(f'--device {device}: not usable ({first_line(error)}); -1 is the CPU') from None

    def apply(x: numpy.ndarray, out: numpy.ndarray) -> None:
        with gpu:
            computed = cupy.empty(out.shape, out.dtype)
            recipe.apply(cupy.asarray(x), computed)
            computed.get(out=out)

    return apply
