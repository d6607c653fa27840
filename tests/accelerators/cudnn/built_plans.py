"""Builds the plans of the reports' networks for an H100 that is not there; test_plans runs it."""

import sys
from pathlib import Path

import vgg_cifar  # noqa: F401
from vgg_cifar.accelerators.cudnn import library

library.load()

import cudnn  # noqa: E402

from vgg_cifar.accelerators.cudnn import plans  # noqa: E402

H100 = cudnn.create_device_properties(Path(sys.argv[1]).read_text())

# Images, channels of them and of the result, height and width of the images, of the filters, stride, padding,
# dilation. Images have as many channels as 16 bytes hold where they have fewer.
COLOURS = 0
R1 = [
    (500, *channels, side, 3, 1, 1, 1)
    for *channels, side in (
        (COLOURS, 64, 32),
        (64, 64, 32),
        (64, 128, 16),
        (128, 128, 16),
        (128, 256, 8),
        (256, 256, 8),
    )
]
LINEAR = [
    (n, n_in, n_out, 1, 1, 1, 0, 1)
    for n, n_in, n_out in ((500, 4096, 500), (500, 500, 500), (500, 500, 10), (100, 784, 100), (100, 100, 47))
]
OTHERS = [
    # R1's filters, and what a set is evaluated by.
    *((500, 64, 64, 32, size, 1, size // 2, 1) for size in (5, 7)),
    (2000, 64, 64, 32, 3, 1, 1, 1),
    # R2: the kernels double, strides, dilation.
    (100, COLOURS, 64, 28, 3, 1, 1, 1),
    (100, 64, 128, 28, 3, 2, 1, 1),
    (100, 256, 512, 4, 3, 2, 1, 1),
    *((100, 128, 256, 28, 3, 1, dilation, dilation) for dilation in (2, 4, 8)),
    # R3, R4 and R5.
    (100, 32, 32, 32, 3, 1, 1, 1),
    (100, 32, 64, 28, 5, 1, 2, 1),
    (20, COLOURS, 8, 28, 5, 1, 2, 1),
    (20, 8, 16, 12, 5, 1, 2, 1),
]


def new_graph():
    single = cudnn.data_type.FLOAT
    card = {'device_property': H100, 'sm_count': 132, 'sm_version': 90}
    return cudnn.pygraph(intermediate_data_type=single, compute_data_type=single, **card)


def images(n, channels, side, dtype):
    return plans.Tensor((n, channels, side, side), (channels * side**2, 1, channels * side, channels), dtype)


def build(dtype, tf32, n, n_in, n_out, side, size, stride, pad, dilation):
    n_in = n_in or (4 if dtype == 'float32' else 8)
    after = (side + 2 * pad - dilation * (size - 1) - 1) // stride + 1
    moves = (stride, stride), (pad, pad), (dilation, dilation)
    x, y, w = (images(*shape, dtype) for shape in ((n, n_in, side), (n, n_out, after), (n_out, n_in, size)))
    bias = plans.Tensor((1, n_out, 1, 1), (n_out, 1, 1, 1), dtype)
    for pattern, given, made in (
        (plans.convolution, (x, w), y),
        (plans.convolution_with_bias, (x, w, bias), y),
        (plans.rectified_convolution, (x, w, bias), y),
        (plans.data_gradient, (y, w), x),
        (plans.weight_gradient, (x, y), w),
    ):
        plan = plans.planned(pattern, given, made, moves, tf32, 0)
        print(dtype, tf32, n, n_in, n_out, side, pattern.__name__, plan.workspace)


plans.new_graph = new_graph
for dtype, tf32 in (('float32', False), ('float32', True), ('float16', False), ('bfloat16', False)):
    for case in (*R1, *LINEAR, *OTHERS):
        build(dtype, tf32, *case)
