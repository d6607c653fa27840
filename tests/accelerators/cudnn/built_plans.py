"""Builds every plan of report R1's network for an H100 that is not there; test_plans runs it."""

import sys
from pathlib import Path

import vgg_cifar  # noqa: F401
from vgg_cifar.accelerators.cudnn import library

library.load()

import cudnn  # noqa: E402

from vgg_cifar.accelerators.cudnn import plans  # noqa: E402

H100 = cudnn.create_device_properties(Path(sys.argv[1]).read_text())
ONES, NONE = (1, 1), (0, 0)
N = 500


def new_graph():
    single = cudnn.data_type.FLOAT
    card = {'device_property': H100, 'sm_count': 132, 'sm_version': 90}
    return cudnn.pygraph(intermediate_data_type=single, compute_data_type=single, **card)


def images(n, channels, side, dtype):
    return plans.Tensor((n, channels, side, side), (channels * side**2, 1, channels * side, channels), dtype)


def build(dtype, tf32, n_in, n_out, side, size, pad):
    moves = ONES, pad, ONES
    x, y, w = (images(*shape, dtype) for shape in ((N, n_in, side), (N, n_out, side), (n_out, n_in, size)))
    bias = plans.Tensor((1, n_out, 1, 1), (n_out, 1, 1, 1), dtype)
    for pattern, given, made in (
        (plans.convolution, (x, w), y),
        (plans.convolution_with_bias, (x, w, bias), y),
        (plans.rectified_convolution, (x, w, bias), y),
        (plans.data_gradient, (y, w), x),
        (plans.weight_gradient, (x, y), w),
    ):
        plan = plans.planned(pattern, given, made, moves, tf32, 0)
        print(dtype, tf32, n_in, n_out, side, pattern.__name__, plan.workspace)


plans.new_graph = new_graph
for dtype, tf32 in (('float32', False), ('float32', True), ('float16', False), ('bfloat16', False)):
    for n_in, n_out, side in (
        # Images get so many channels.
        (4 if dtype == 'float32' else 8, 64, 32),
        (64, 64, 32),
        (64, 128, 16),
        (128, 128, 16),
        (128, 256, 8),
        (256, 256, 8),
    ):
        build(dtype, tf32, n_in, n_out, side, 3, ONES)
    for n_in, n_out in ((4096, 500), (500, 500), (500, 10)):
        build(dtype, tf32, n_in, n_out, 1, 1, NONE)
