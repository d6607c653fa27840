"""What a worker process runs; a spawned one imports this file alone, and vgg_cifar before Chainer."""

import numpy


def network_output() -> numpy.ndarray:
    """Return what a small network makes of fixed numbers."""
    import vgg_cifar  # noqa: F401, I001
    import chainer.functions as F

    numbers = numpy.random.RandomState(0)
    x = numbers.standard_normal((4, 3, 8, 8)).astype(numpy.float32)
    weights = numbers.standard_normal((16, 3, 3, 3)).astype(numpy.float32)
    return F.max_pooling_2d(F.relu(F.convolution_2d(x, weights, pad=1)), 2).array


def put_output(queue) -> None:
    """Put the output and the accelerator's state."""
    from vgg_cifar.accelerators import onednn

    queue.put((network_output(), onednn.status()))
