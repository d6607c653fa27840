"""Timed steps are those of a run."""

import numpy
import pytest

from vgg_cifar.training import step_time
from vgg_cifar.training.build import load_data
from vgg_cifar.training.step_time import step_times


def test_variants_take_turns_forwards_and_backwards(settings, monkeypatch):
    """In two rounds: a, b, then b, a; each with a step that is not timed before those that are."""
    taken = []
    seconds = step_time._seconds

    def noted(updater, compute, steps):
        taken.append((updater.get_optimizer('main').target.predictor._blocks[0][0][1], steps))
        return seconds(updater, compute, steps)

    monkeypatch.setattr(step_time, '_seconds', noted)
    variants = [settings, settings.replace(batch_norm=False)]
    times = step_times(variants, load_data(settings), '-1', rounds=2, steps=3)
    assert numpy.shape(times) == (2, 2) and numpy.min(times) > 0
    a, b = 'bn1_1', None
    warm_up, rounds = taken[:2], taken[2:]
    assert warm_up == [(a, 2), (b, 2)]
    assert rounds == [(a, 1), (a, 3), (b, 1), (b, 3), (b, 1), (b, 3), (a, 1), (a, 3)]


def test_steps_train(settings, monkeypatch):
    """What is timed changes the weights, on the copies where the settings ask for them."""
    built = []
    build = step_time.build_updater
    monkeypatch.setattr(
        step_time, 'build_updater', lambda *arguments: built.append(build(*arguments)) or built[-1]
    )
    augmented = settings.replace(augment=('flip', 'median'))
    step_times([augmented], load_data(settings), '-1', rounds=1, steps=1)
    (updater,) = built
    assert updater.iteration == step_time.WARM_UP + 2
    assert updater.epoch_detail == updater.iteration * settings.batch_size / (3 * settings.train_size)


def test_too_large_a_batch_is_refused(settings):
    with pytest.raises(ValueError, match='--batch-size is 500'):
        step_times([settings.replace(batch_size=500)], load_data(settings), '-1', 1, 1)
