"""Runs, from settings to a finished folder."""

import json
import math
import re

import chainer
import h5py
import numpy
import pytest
from chainer import serializers
from training.same_runs import scores

from vgg_cifar.accelerators import layers
from vgg_cifar.datasets.image_data import scale
from vgg_cifar.errors import InputError
from vgg_cifar.training.build import build_model, load_data
from vgg_cifar.training.run_folder import LOCK, RunFolder
from vgg_cifar.training.settings import Settings
from vgg_cifar.training.settings_json import to_json
from vgg_cifar.training.train import train


def chosen(settings):
    return load_data(settings).subset(
        settings.train_size, settings.validation_size, settings.test_size, settings.seed
    )


def accuracy(model, x, y):
    with chainer.using_config('train', False):
        return (model(scale(x)).array.argmax(1) == y).mean()


def test_folder_of_a_finished_run(settings, tmp_path):
    result = train(settings, tmp_path)
    folder = RunFolder(tmp_path)
    assert folder.settings == to_json(settings)
    assert folder.environment['data']['name'] == 'tiny'
    assert folder.environment['packages']['chainer'] == '7.8.1'
    assert [entry['epoch'] for entry in folder.log] == [1, 2, 3]
    assert folder.result == result
    assert result['status'] == 'finished'
    # 120 images in batches of 20: six steps an epoch; one snapshot is kept, and nothing else is left.
    assert result['iteration'] == 18
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        LOCK, 'environment.json', 'log', 'model.npz', 'result.json', 'settings.json', 'snapshot.npz'
    }  # fmt: skip


def test_model_file_holds_what_the_log_says(settings, tmp_path):
    result = train(settings, tmp_path)
    data = load_data(settings)
    model = build_model(settings, data)
    serializers.load_npz(tmp_path / 'model.npz', model)
    assert accuracy(model, data.x_test, data.y_test) == pytest.approx(result['test/main/accuracy'])
    assert result['test/main/accuracy'] > 0.5


def test_same_seed_same_bits(settings, tmp_path):
    for name, seed in (('one', 5), ('two', 5), ('three', 6)):
        train(settings.replace(seed=seed, epochs=2, batch_size=40), tmp_path / name)
    one, two, three = (scores(tmp_path / name) for name in ('one', 'two', 'three'))
    assert one == two != three


def test_throughput_is_images_over_seconds(settings, tmp_path):
    train(settings, tmp_path)
    for entry in RunFolder(tmp_path).log:
        assert entry['images_per_second'] == pytest.approx(120 / entry['seconds'])


def test_training_accuracy_is_the_mean_over_the_epochs_batches(settings, tmp_path):
    """As in the listing: measured on each batch as it is trained on, with dropout."""
    result = train(settings.replace(epochs=1, batch_size=120, dropout=0), tmp_path)
    data = chosen(settings)
    numpy.random.seed(0)
    model = build_model(settings.replace(dropout=0), data)
    with chainer.using_config('train', True):
        scores = model(scale(data.x_train)).array
    assert result['main/accuracy'] == pytest.approx((scores.argmax(1) == data.y_train).mean(), abs=1e-6)


def test_best_model_has_the_best_validation_accuracy(settings, tmp_path):
    settings = settings.replace(train_size=90, validation_size=30, batch_size=30, epochs=4)
    train(settings, tmp_path)
    scores = [entry['validation/main/accuracy'] for entry in RunFolder(tmp_path).log]
    data = chosen(settings)
    model = build_model(settings, data)
    serializers.load_npz(tmp_path / 'best.npz', model)
    assert accuracy(model, data.x_validation, data.y_validation) == pytest.approx(max(scores))
    assert len(data.x_train) == 90


def test_evaluation_counts_each_image_once(settings, tmp_path):
    """The last batch of 30 test images in batches of 20 has ten."""
    result = train(settings.replace(epochs=1), tmp_path)
    assert (result['test/main/accuracy'] * 30) % 1 == pytest.approx(0, abs=1e-4)


def test_finished_run_is_left_alone(settings, tmp_path):
    first = train(settings, tmp_path)
    before = (tmp_path / 'model.npz').stat().st_mtime_ns
    assert train(settings, tmp_path) == first
    assert (tmp_path / 'model.npz').stat().st_mtime_ns == before


def test_fresh_starts_anew(settings, tmp_path):
    train(settings, tmp_path)
    (tmp_path / 'notes.txt').write_text('mine')
    train(settings.replace(epochs=1), tmp_path, fresh=True)
    assert len(RunFolder(tmp_path).log) == 1
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


def test_fresh_deletes_nothing_where_the_new_run_cannot_start(settings, tmp_path):
    train(settings.replace(epochs=1), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError):
        train(settings.replace(data='none.hdf5'), tmp_path, fresh=True)
    with pytest.raises(InputError):
        train(settings.replace(batch_size=1000), tmp_path, fresh=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_settings_are_refused(settings, tmp_path):
    train(settings.replace(epochs=1), tmp_path)
    with pytest.raises(InputError, match=r'settings.json: .* run with dropout 0.2 \(now 0.5\); .* --fresh'):
        train(settings.replace(epochs=1, dropout=0.5), tmp_path)


def test_other_images_are_refused_and_the_same_ones_elsewhere_are_not(settings, tiny, tmp_path):
    settings = settings.replace(epochs=1)
    train(settings, tmp_path / 'run')
    (tmp_path / 'run' / 'result.json').unlink()
    moved = tmp_path / 'tiny.hdf5'
    moved.write_bytes(tiny.read_bytes())
    train(settings.replace(data=str(moved)), tmp_path / 'run')
    (tmp_path / 'run' / 'result.json').unlink()
    with h5py.File(moved, 'r+') as file:
        file['X_train'][0] = 0
    with pytest.raises(InputError, match='started on other images'):
        train(settings.replace(data=str(moved)), tmp_path / 'run')


def test_too_large_a_batch_is_refused_and_leaves_nothing(settings, tmp_path):
    with pytest.raises(InputError, match='--batch-size is 121, but the data has 120 training images'):
        train(settings.replace(batch_size=121), tmp_path / 'a' / 'run')
    with pytest.raises(InputError, match='--log-steps is 19, but the run has 18 steps'):
        train(settings.replace(log_steps=19), tmp_path / 'a' / 'run')
    assert not list(tmp_path.iterdir())


def test_infinite_loss_ends_the_run_with_an_entry_in_the_log(settings, tmp_path):
    """Before the end of the first epoch: without an entry nothing could be said of the run."""
    result = train(settings.replace(optimizer='sgd', lr=1e30, batch_norm=False), tmp_path)
    assert result['status'] == 'diverged'
    assert re.search('the loss is (nan|inf) in epoch 1, step', result['reason'])
    folder = RunFolder(tmp_path)
    (entry,) = folder.log
    assert entry['iteration'] == result['iteration'] < 6
    assert math.isnan(entry['test/main/loss']) and 0 <= result['test/main/accuracy'] <= 1
    assert folder.result == result
    assert not (tmp_path / 'snapshot.npz').exists()


def test_a_result_without_an_entry_in_the_log_is_none(settings, tmp_path):
    """As runs left it that diverged before their first entry: they are done again."""
    (tmp_path / 'settings.json').write_text(json.dumps(to_json(settings)))
    (tmp_path / 'result.json').write_text('{"status": "diverged", "reason": "the loss is nan"}')
    assert RunFolder(tmp_path).result is None
    assert train(settings, tmp_path)['status'] == 'finished'


@pytest.mark.parametrize('n_classes', [1, 2])
@pytest.mark.parametrize('log_steps', [None, 1])
def test_one_or_two_classes_are_never_at_chance_when_every_image_is_right(tmp_path, n_classes, log_steps):
    """Black and white images, so that it is easy to be right; one class always is."""
    y = numpy.arange(40, dtype='i4') % n_classes
    x = numpy.broadcast_to(255 * y[:, None, None, None], (40, 1, 8, 8)).astype('u1')
    with h5py.File(tmp_path / 'few.hdf5', 'w') as file:
        for part in ('train', 'test'):
            file[f'X_{part}'], file[f'Y_{part}'] = x, y
    settings = Settings(
        data=str(tmp_path / 'few.hdf5'), batch_size=4, epochs=3, log_steps=log_steps, chance_patience=2,
        model='mlp', model_options={'hidden': 1, 'units': 8}, optimizer='momentum_sgd', lr=0.1,
    )  # fmt: skip
    result = train(settings, tmp_path / 'run')
    assert (result['status'], result['test/main/accuracy']) == ('finished', 1)


def test_chance_ends_the_run(settings, tmp_path):
    """A learning rate too small to move anything: accuracy stays at one third."""
    stuck = settings.replace(optimizer='sgd', lr=1e-12, batch_size=60, epochs=5, chance_patience=3)
    result = train(stuck, tmp_path / 'stopped')
    assert result['status'] == 'diverged'
    assert 'at chance' in result['reason']
    assert result['epoch'] == 3
    assert train(stuck.replace(chance_patience=0), tmp_path / 'regardless')['epoch'] == 5


@pytest.mark.parametrize(
    'changes, rates',
    [
        ({'lr_schedule': 'constant'}, [0.1, 0.1, 0.1, 0.1]),
        ({'lr_schedule': 'step', 'lr_decay': 0.5, 'lr_step': 2}, [0.1, 0.05, 0.05, 0.025]),
        ({'lr_schedule': 'linear', 'lr_decay': 0.2}, [0.08, 0.06, 0.04, 0.02]),
    ],
)
def test_schedules(settings, tmp_path, changes, rates, monkeypatch):
    """The rate at the end of each epoch, seen by an extension of Chainer's own."""
    seen = []
    original = chainer.training.Trainer.run

    def run(trainer, **arguments):
        optimizer = trainer.updater.get_optimizer('main')
        trainer.extend(
            lambda _: seen.append(optimizer.lr), name='watch', trigger=(1, 'epoch'), priority=-2000
        )
        original(trainer, **arguments)

    monkeypatch.setattr(chainer.training.Trainer, 'run', run)
    train(settings.replace(optimizer='sgd', lr=0.1, batch_size=60, epochs=4, **changes), tmp_path)
    assert seen == pytest.approx(rates)


def test_damaged_snapshot_is_refused(settings, tmp_path):
    train(settings, tmp_path)
    (tmp_path / 'result.json').unlink()
    snapshot = tmp_path / 'snapshot.npz'
    snapshot.write_bytes(snapshot.read_bytes()[:1000])
    with pytest.raises(InputError, match=r'snapshot.npz: not a snapshot of this run'):
        train(settings, tmp_path)


def test_hostile_snapshot_runs_no_code(settings, tmp_path):
    train(settings, tmp_path)
    (tmp_path / 'result.json').unlink()
    target = tmp_path / 'owned'

    class Hostile:
        def __reduce__(self):
            return target.touch, ()

    with numpy.load(tmp_path / 'snapshot.npz') as arrays:
        content = dict(arrays)
    for name in content:
        content[name] = numpy.array([Hostile()], dtype=object)
    with (tmp_path / 'snapshot.npz').open('wb') as file:
        numpy.savez(file, **content)
    with pytest.raises(InputError, match='not a snapshot'):
        train(settings, tmp_path)
    assert not target.exists()


def test_settings_json_that_is_none_is_refused(settings, tmp_path):
    (tmp_path / 'settings.json').write_text('{"epochs": ')
    with pytest.raises(InputError, match=r'settings.json: not readable as JSON'):
        train(settings, tmp_path)
    (tmp_path / 'settings.json').write_text(json.dumps({'colour': 'red'}))
    with pytest.raises(
        InputError, match=r'settings.json: not the settings of a run \(colour\); .* another -o'
    ):
        train(settings, tmp_path)


def test_bfloat16_trains_as_well_where_the_cpu_can(settings, tmp_path):
    """Of real bfloat16 hardware; elsewhere the run is refused before it begins."""
    settings = settings.replace(compute='bfloat16', epochs=5)
    try:
        layers.check_compute('bfloat16')
    except InputError:
        with pytest.raises(InputError, match='bfloat16, which needs'):
            train(settings, tmp_path / 'bfloat16')
        assert not (tmp_path / 'bfloat16' / 'settings.json').exists()
    else:
        results = [
            train(each, tmp_path / each.compute) for each in (settings, settings.replace(compute='float32'))
        ]
        first, second = (RunFolder(tmp_path / compute).log[0] for compute in ('bfloat16', 'float32'))
        assert first['main/loss'] != second['main/loss']
        assert first['main/loss'] == pytest.approx(second['main/loss'], rel=0.3)
        assert min(result['test/main/accuracy'] for result in results) > 0.6
        with numpy.load(tmp_path / 'bfloat16' / 'model.npz') as weights:
            assert {weights[name].dtype.name for name in weights.files} <= {'float32', 'int64', 'int32'}
