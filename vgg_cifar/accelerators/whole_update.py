"""One update of all parameters at once: they, their gradients and their moments lie each in one array.

On a GPU, it is one kernel, of whatever rule.
"""

from collections.abc import Sequence
from typing import Any

import chainer
import numpy
from chainer.optimizer_hooks import WeightDecay
from chainer.optimizers import (
    ada_delta,
    ada_grad,
    adam,
    corrected_momentum_sgd,
    momentum_sgd,
    nesterov_ag,
    rmsprop,
    rmsprop_graves,
    sgd,
)

from vgg_cifar.accelerators.onednn import memory
from vgg_cifar.accelerators.optimizers import AdamRule

# NumPy's or CuPy's.
Array = Any

# What each does to an element depends on nothing but that element, its gradient, its state and t, and it
# changes the state in place.
ELEMENTWISE = (
    AdamRule,
    ada_delta.AdaDeltaRule,
    ada_grad.AdaGradRule,
    adam.AdamRule,
    corrected_momentum_sgd.CorrectedMomentumSGDRule,
    momentum_sgd.MomentumSGDRule,
    nesterov_ag.NesterovAGRule,
    rmsprop.RMSpropRule,
    rmsprop_graves.RMSpropGravesRule,
    sgd.SGDRule,
)

# Each parameter begins at a cache line.
ALIGNMENT = 16


class WholeUpdate:
    """What optimizer.update() does, for all parameters at once; bits, state and snapshots are the same.

    Making one moves the parameters, and the optimizer's state, into arrays of which they are views then. It
    stands in for the optimizer as long as `stands` says so.

    Args:
        optimizer: for which `suits`, after its first update.

    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        self.parameters = list(optimizer.target.params())
        self._rules = [parameter.update_rule for parameter in self.parameters]
        self._places_in_links = [
            (vars(link), name, vars(link)[name]) for link in optimizer.target.links() for name in link._params
        ]
        ends = numpy.cumsum([-(-parameter.size // ALIGNMENT) * ALIGNMENT for parameter in self.parameters])
        self._places = [
            slice(end - -(-each.size // ALIGNMENT) * ALIGNMENT, end - -each.size % ALIGNMENT)
            for each, end in zip(self.parameters, ends, strict=True)
        ]
        size = int(ends[-1])
        self._xp = chainer.backend.get_array_module(self.parameters[0].array)
        self._whole = chainer.Parameter(self._gathered(size, [each.array for each in self.parameters]))
        self._whole.grad = self._zeros(size)
        self._whole.update_rule = rule = optimizer.create_update_rule()
        rule._state = {
            name: self._gathered(size, [each.state[name] for each in self._rules])
            for name in self._rules[0].state
        }
        self._arrays = self._views(self._whole.array)
        self._gradients = self._views(self._whole.grad)
        self._states = {name: self._views(array) for name, array in rule._state.items()}
        for number, (parameter, each) in enumerate(zip(self.parameters, self._rules, strict=True)):
            parameter.array = self._arrays[number]
            for name, views in self._states.items():
                each.state[name] = views[number]

    @staticmethod
    def suits(optimizer: Any) -> bool:
        """Whether the optimizer does the same to each element of each parameter, in float32."""
        parameters = list(optimizer.target.params())
        rules = [each.update_rule for each in parameters]
        hooks = optimizer._hookable
        return (
            type(optimizer).update is chainer.GradientMethod.update
            and not hooks._post_update_hooks
            and all(type(hook) is WeightDecay for hook in hooks._pre_update_hooks.values())
            and bool(rules)
            # An array of two parameters would become two.
            and len({id(each.array) for each in parameters}) == len(parameters)
            and all(type(rule) in ELEMENTWISE and _is_plain(rule, optimizer) for rule in rules)
            and len({(type(rule), rule.t, *rule.state) for rule in rules}) == 1
            and not rules[0].hyperparam.get_dict().get('adabound')
            and type(parameters[0].array) in (numpy.ndarray, chainer.backends.cuda.ndarray)
            and all(
                type(array) is type(parameters[0].array) and array.dtype == numpy.float32
                for each in parameters
                for array in (each.array, *each.update_rule.state.values())
            )
        )

    def stands(self) -> bool:
        """Whether parameters, rules and state are the same, where they were put, and hooks are known ones."""
        hooks = self._optimizer._hookable
        return (
            all(each.array is view for each, view in zip(self.parameters, self._arrays, strict=True))
            and all(names.get(name) is parameter for names, name, parameter in self._places_in_links)
            and all(each.update_rule is rule for each, rule in zip(self.parameters, self._rules, strict=True))
            and all(_is_plain(rule, self._optimizer) for rule in self._rules)
            and all(
                rule.state[name] is view
                for name, views in self._states.items()
                for rule, view in zip(self._rules, views, strict=True)
            )
            and not hooks._post_update_hooks
            and all(type(hook) is WeightDecay for hook in hooks._pre_update_hooks.values())
        )

    def gather(self, gradients: Sequence[Array | None]) -> None:
        """Copy the gradients of optimizer.target.params(), in their order, to where they are taken from."""
        for view, gradient in zip(self._gradients, gradients, strict=True):
            view[...] = 0 if gradient is None else gradient

    def __call__(self) -> None:
        """Update all by the gradients that were gathered last."""
        for parameter, view in zip(self.parameters, self._gradients, strict=True):
            if parameter.grad is not view:
                parameter.grad = view
        optimizer, rule = self._optimizer, self._whole.update_rule
        self._whole._loss_scale = optimizer._loss_scale
        if optimizer._loss_scaling_is_dynamic and self._xp.isfinite(self._whole.grad).all():
            optimizer._loss_scaling_isnan = False
        else:
            # Looks at one parameter after the other, if at all.
            optimizer.check_nan_in_grads()
        for hook in optimizer._hookable._pre_update_hooks.values():
            hook(rule, self._whole)
        optimizer.t += 1
        if optimizer.is_safe_to_update():
            rule.t = self._rules[0].t
            rule.update(self._whole)
            for each in self._rules:
                each.t = rule.t
        optimizer.update_loss_scale()

    def _gathered(self, size: int, arrays: Sequence[Array]) -> Array:
        whole = self._zeros(size)
        for view, array in zip(self._views(whole, arrays), arrays, strict=True):
            view[...] = array
        return whole

    def _zeros(self, size: int) -> Array:
        """Return zeros that begin at a cache line; NumPy's may lie anywhere, and CuPy's do not."""
        if self._xp is not numpy:
            return self._xp.zeros(size, numpy.float32)
        zeros = memory.buffer(4 * size).view(numpy.float32)
        zeros.fill(0)
        return zeros

    def _views(self, whole: Array, models: Sequence[Any] | None = None) -> list[Array]:
        models = self.parameters if models is None else models
        return [whole[place].reshape(each.shape) for place, each in zip(self._places, models, strict=True)]


def _is_plain(rule: Any, optimizer: Any) -> bool:
    """Whether a parameter's rule is the optimizer's own, and has been used."""
    hooks = rule._hookable
    return (
        rule.enabled
        and rule.state is not None
        # Its parent is all that it has.
        and len(vars(rule.hyperparam)) == 1
        and rule.hyperparam.parent is optimizer.hyperparam
        and not hooks._pre_update_hooks
        and not hooks._post_update_hooks
    )
