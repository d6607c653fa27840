"""Times training steps of several networks in turn, so that all meet the machine in the same state."""

import time
from collections.abc import Sequence

import chainer
import numpy
from chainer.training.updaters import StandardUpdater

from vgg_cifar.accelerators import layers
from vgg_cifar.datasets.image_data import ImageData
from vgg_cifar.training.build import build_model, build_updater, choose
from vgg_cifar.training.device import get_device
from vgg_cifar.training.settings import Settings

WARM_UP = 2


def step_times(
    settings: Sequence[Settings], data: ImageData, device: str, rounds: int, steps: int
) -> list[list[float]]:
    """Return the seconds of a training step, for each of `settings` a number per round.

    The steps are those of a run: a batch is gathered, passed forwards and backwards, the weights updated.
    Round by round each network takes one step that is not timed, because the one before it has filled the
    caches, and then `steps` that are. Every other round goes through them backwards, so that a machine
    that gets slower or faster favours none.
    """
    chainer_device = get_device(device)
    updaters = []
    for each in settings:
        numpy.random.seed(each.seed)
        chosen = choose(each, data)
        model = build_model(each, chosen)
        model.to_device(chainer_device)
        updaters.append(build_updater(each, chosen, model, chainer_device))
    for each, updater in zip(settings, updaters, strict=True):
        _seconds(updater, each.compute, WARM_UP)
    times: list[list[float]] = [[] for _ in settings]
    for number in range(rounds):
        order = range(len(settings))
        for index in order if number % 2 == 0 else reversed(order):
            _seconds(updaters[index], settings[index].compute, 1)
            times[index].append(_seconds(updaters[index], settings[index].compute, steps) / steps)
    for updater in updaters:
        updater.finalize()
    return times


def _seconds(updater: StandardUpdater, compute: str, steps: int) -> float:
    _wait(updater.device)
    started = time.perf_counter()
    with layers.using_compute(compute, updater.device):
        for _ in range(steps):
            updater.update()
    _wait(updater.device)
    return time.perf_counter() - started


def _wait(device: chainer.backend.Device) -> None:
    if device.xp is not numpy:
        device.xp.cuda.get_current_stream().synchronize()
