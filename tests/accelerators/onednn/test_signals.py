"""Signals in the middle of a kernel."""

from processes import run_code

TRAIN = """
import signal
import vgg_cifar.accelerators.onednn
{before}
import chainer.functions as F
import numpy
from vgg_cifar.models import VGG

signal.signal(signal.SIGALRM, lambda *_: None)
numpy.random.seed(0)
model = VGG(dropout=0)
x, t = numpy.random.rand(10, 3, 32, 32).astype('f'), numpy.arange(10, dtype='i')

def gradients():
    model.cleargrads()
    F.softmax_cross_entropy(model(x), t).backward()
    return [parameter.grad.copy() for parameter in model.params()]

expected = gradients()
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
same = all((a == b).all() for _ in range(8) for a, b in zip(gradients(), expected))
signal.setitimer(signal.ITIMER_REAL, 0)
print(same)
"""


def test_signals_change_no_bit():
    """Kernels keep values where a signal on their stack would overwrite them."""
    assert run_code(TRAIN.format(before='')) == 'True\n'
