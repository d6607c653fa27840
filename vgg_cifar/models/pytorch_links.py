"""Chainer's links with weights that start as PyTorch's do: reports R2 and R3 were made with PyTorch.

PyTorch draws the weights and biases of a convolution or linear layer evenly from -1 / sqrt(n) to 1 / sqrt(n)
for n inputs to each output. That is a third of the variance of Chainer's own LeCunNormal, and R3's deep
network fails because of it.
"""

import math

import chainer.links as L
from chainer.initializers import LeCunUniform, Uniform

WEIGHTS = LeCunUniform(scale=1 / math.sqrt(3))


def convolution(
    n_in: int, n_out: int, bias: bool, stride: int = 1, dilation: int = 1, size: int = 3, pad: int = 1
) -> L.Convolution2D:
    """Return a convolution of `n_in` to `n_out` channels."""
    return L.Convolution2D(
        n_in,
        n_out,
        size,
        stride,
        pad,
        nobias=not bias,
        initialW=WEIGHTS,
        initial_bias=Uniform(1 / math.sqrt(n_in * size**2)),
        dilate=dilation,
    )


def linear(n_in: int, n_out: int, bias: bool) -> L.Linear:
    """Return a linear layer of `n_in` to `n_out` units."""
    return L.Linear(n_in, n_out, nobias=not bias, initialW=WEIGHTS, initial_bias=Uniform(1 / math.sqrt(n_in)))
