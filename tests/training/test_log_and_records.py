"""What a run records on request: entries by steps, gradients by layer; and how its rate moves."""

import json
import math

import chainer
import chainer.functions as F
import numpy
import pytest
from training.same_runs import step

from vgg_cifar.errors import Interrupted
from vgg_cifar.training.build import build_model, build_updater, choose, load_data
from vgg_cifar.training.extensions.cosine_annealing import CosineAnnealing
from vgg_cifar.training.run_folder import RunFolder
from vgg_cifar.training.train import train


@pytest.fixture
def small(settings):
    return settings.replace(model='mlp', model_options={'hidden': 2, 'units': 8}, epochs=2, chance_patience=0)


def test_entries_by_steps_count_examples(small, tmp_path):
    """120 images in batches of 20 are 6 steps an epoch."""
    train(small.replace(log_steps=4, validation_size=20), tmp_path)
    log = RunFolder(tmp_path).log
    assert [entry['iteration'] for entry in log] == [4, 8, 12]
    assert all({'validation/main/accuracy', 'test/main/loss', 'seconds'} <= set(entry) for entry in log)
    assert (tmp_path / 'best.npz').exists()


def test_the_last_entry_is_at_the_end_where_the_steps_do_not_divide(small, tmp_path):
    """So that it is the weights in model.npz that the result tells of."""
    result = train(small.replace(log_steps=5), tmp_path)
    log = RunFolder(tmp_path).log
    assert [entry['iteration'] for entry in log] == [5, 10, 12]
    assert (result['epoch'], result['iteration']) == (2, 12)
    train(small, tmp_path / 'by_epoch')
    last = RunFolder(tmp_path / 'by_epoch').log[-1]
    for name in ('test/main/accuracy', 'test/main/loss', 'epoch', 'iteration'):
        assert result[name] == last[name]


def test_decay_loss_is_half_the_rate_times_the_squares(small, tmp_path):
    train(small.replace(weight_decay=0.01), tmp_path)
    with numpy.load(tmp_path / 'model.npz') as arrays:
        squares = sum(
            (arrays[name].astype('f8') ** 2).sum() for name in arrays.files if name[-2:] in ('/W', '/b')
        )
    assert RunFolder(tmp_path).log[-1]['decay_loss'] == pytest.approx(0.01 / 2 * squares, rel=1e-5)


def test_gradient_flow_of_one_step_is_the_gradient(small, tmp_path):
    """One step in each entry, plain SGD without a hook: the gradient at the weights before the step."""
    settings = small.replace(gradient_flow=True, log_steps=1, optimizer='sgd', train_size=20, epochs=1)
    train(settings, tmp_path)
    (entry,) = RunFolder(tmp_path).gradients
    assert entry['iteration'] == 1 and list(entry['layers']) == ['fc1', 'fc2', 'fc3']

    numpy.random.seed(settings.seed)
    data = choose(settings, load_data(settings))
    model = build_model(settings, data)
    updater = build_updater(settings, data, model, chainer.get_device('@numpy'))
    x, y = next(updater.get_iterator('main'))
    model.cleargrads()
    F.softmax_cross_entropy(model(x), y).backward()
    updater.finalize()
    for name, found in entry['layers'].items():
        assert found == pytest.approx(float(abs(model[name].W.grad).mean()), rel=1e-5)


def test_gradients_of_a_stopped_run_go_on(small, tmp_path):
    """Stopped in the middle of an interval, resumed: as if it had not been stopped."""
    settings = small.replace(gradient_flow=True, log_steps=4)
    train(settings, tmp_path / 'whole')

    seen = []
    with pytest.raises(Interrupted, match='holds a snapshot'):
        # Asked before the first step and after each.
        train(settings, tmp_path / 'cut', stop_asked=lambda: len(seen) == 5 or seen.append(1))
    assert step(tmp_path / 'cut') == 5
    train(settings, tmp_path / 'cut')
    for name in ('whole', 'cut'):
        assert len(RunFolder(tmp_path / name).gradients) == 3
    whole, cut = (json.loads((tmp_path / name / 'gradients.json').read_text()) for name in ('whole', 'cut'))
    assert cut == whole


@pytest.mark.parametrize('epoch', [0, 1, 25, 50, 99, 100])
def test_the_rate_goes_along_half_a_cosine(epoch):
    """Report R3: from 1e-3 to 2e-5; Loshchilov and Hutter's equation."""

    class At:
        class updater:
            pass

    At.updater.epoch = epoch
    optimizer = chainer.optimizers.Adam(alpha=1e-3)
    annealing = CosineAnnealing('alpha', 0.02, 100, optimizer)
    annealing(At)
    expected = 2e-5 + (1e-3 - 2e-5) * (1 + math.cos(math.pi * epoch / 100)) / 2
    assert optimizer.alpha == pytest.approx(expected)


def test_a_run_is_annealed_epoch_by_epoch(small, tmp_path, monkeypatch):
    rates = []
    monkeypatch.setattr(
        CosineAnnealing,
        '__call__',
        lambda self, trainer, call=CosineAnnealing.__call__: (
            call(self, trainer),
            rates.append(self.optimizer.alpha),
        ),
    )
    train(small.replace(lr=0.01, lr_schedule='cosine', lr_decay=0.1), tmp_path)
    assert rates == pytest.approx([0.01, 0.0055, 0.001])


def test_crops_are_random_in_training_and_in_the_middle_for_testing(small, tiny, tmp_path):
    settings = small.replace(crop=6, validation_size=20)
    data = choose(settings, load_data(settings))
    assert data.x_train.shape[2:] == (8, 8)
    assert data.x_test.shape[2:] == data.x_validation.shape[2:] == (6, 6)
    train(settings, tmp_path)
    with numpy.load(tmp_path / 'model.npz') as arrays:
        assert arrays['fc1/W'].shape == (8, 3 * 6 * 6)
