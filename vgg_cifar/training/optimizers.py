"""Chainer's optimizers by name, with Chainer's own parameters."""

import functools
import inspect
import warnings
from collections.abc import Mapping

import chainer
import numpy
from chainer import optimizers

from vgg_cifar.accelerators.optimizers import Adam
from vgg_cifar.errors import InputError, first_line
from vgg_cifar.foreign_text import shown
from vgg_cifar.option_kinds import FRACTION, NOT_NEGATIVE, POSITIVE, TRUTH, check

OPTIMIZERS: dict[str, type] = {
    'adam': Adam,
    'momentum_sgd': optimizers.MomentumSGD,
    'rmsprop': optimizers.RMSprop,
    'sgd': optimizers.SGD,
    'adagrad': optimizers.AdaGrad,
    'adadelta': optimizers.AdaDelta,
    'nesterov_ag': optimizers.NesterovAG,
    'corrected_momentum_sgd': optimizers.CorrectedMomentumSGD,
    'rmsprop_graves': optimizers.RMSpropGraves,
    'smorms3': optimizers.SMORMS3,
    'msvag': optimizers.MSVAG,
    'adamw': optimizers.AdamW,
    'amsgrad': optimizers.AMSGrad,
    'adabound': optimizers.AdaBound,
    'amsbound': optimizers.AMSBound,
}

OPTIONS = {
    **dict.fromkeys(('alpha', 'beta', 'beta1', 'beta2', 'momentum', 'rho'), FRACTION),
    **dict.fromkeys(('eta', 'final_lr', 'gamma'), POSITIVE),
    **dict.fromkeys(('eps', 'weight_decay_rate'), NOT_NEGATIVE),
    **dict.fromkeys(('adabound', 'amsgrad', 'eps_inside_sqrt'), TRUTH),
}
"""What the optimizers' arguments may be; an alpha that is no learning rate is a rate of decay."""


# A study's thousands of settings ask again and again.
@functools.cache
def _arguments(name: str) -> tuple[str, ...]:
    return tuple(inspect.signature(OPTIMIZERS[name]).parameters)


def rate_name(name: str) -> str | None:
    """Return the learning rate's name, ``lr`` or ``alpha``; None where there is none (AdaDelta)."""
    # RMSprop has both, and its alpha is a decay rate.
    return next((rate for rate in ('lr', 'alpha') if rate in _arguments(name)), None)


def check_options(name: str, lr: float | None, options: Mapping[str, float]) -> None:
    """Refuse what the optimizer does not take, with an InputError that says what it does."""
    if lr is not None and rate_name(name) is None:
        raise InputError(f'--lr is {lr}, but {name} has no learning rate; leave it out')
    rate = rate_name(name)
    known = [option for option in _arguments(name) if option != rate]
    for option in options:
        if option == rate:
            raise InputError(f'--optimizer-options: {option} is the learning rate; give it by --lr')
        if option not in known:
            expected = f'expected one of {", ".join(known)}' if known else 'it has none; leave that out'
            raise InputError(f'--optimizer-options: {name} has no {shown(option)!r}; {expected}')
    try:
        check(OPTIONS, options)
    except ValueError as error:
        raise InputError(f'--optimizer-options: {error}') from None


def _try(name: str, arguments: Mapping[str, float]) -> None:
    """Refuse arguments with which no step can be taken, by taking one: Chainer looks at them no sooner."""
    weight = chainer.Parameter(numpy.ones(1, numpy.float32))
    weight.grad = numpy.full(1, 0.1, numpy.float32)
    link = chainer.Link()
    with link.init_scope():
        link.weight = weight
    given = ' '.join(f'{argument}={value}' for argument, value in arguments.items())
    try:
        with numpy.errstate(all='ignore'):
            OPTIMIZERS[name](**arguments).setup(link).update()
    except (ValueError, TypeError, ArithmeticError, AssertionError) as error:
        raise InputError(f'--optimizer {name} takes no {given} ({first_line(error)})') from None
    if not numpy.isfinite(weight.array).all():
        raise InputError(f'--optimizer {name} with {given}: a step makes a weight {weight.array[0]}')


def build(
    name: str, model: chainer.Link, lr: float | None, options: Mapping[str, float], weight_decay: float
) -> chainer.Optimizer:
    """Set up an optimizer for `model`; without `lr`, Chainer's default: for Adam the listing's 0.001."""
    arguments = dict(options)
    rate = rate_name(name)
    if lr is not None and rate is not None:
        arguments[rate] = lr
    _try(name, arguments)
    optimizer = OPTIMIZERS[name](**arguments).setup(model)
    if weight_decay:
        optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(weight_decay))
    return optimizer


def scale_losses(optimizer: chainer.Optimizer) -> None:
    """Have an optimizer scale losses, so that their gradients in float16 are neither 0 nor infinite.

    By Chainer's rule: the scale doubles step by step until a gradient is infinite; such a step is left out
    and halves it. From then on it doubles in 1,000 steps. It is at most 65504.
    """
    optimizer.loss_scaling()
    # That a step is left out is how the scale is found; Chainer warns of each parameter.
    warnings.filterwarnings('ignore', 'Non finite number found in param.grad', UserWarning)
