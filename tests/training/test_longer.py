"""A run with more epochs than it was started for: the bits of all in one go, or a reason why not."""

import errno

import pytest
from training.same_runs import assert_same, scores

from vgg_cifar.errors import InputError
from vgg_cifar.training.run_folder import RESULT, SETTINGS, SNAPSHOT, RunFolder
from vgg_cifar.training.train import train


@pytest.fixture
def small(settings):
    # 110 images in batches of 20: the second epoch begins in the middle of a batch.
    return settings.replace(
        model='mlp', model_options={'hidden': 1, 'units': 6, 'dropout': 0.2},
        train_size=90, validation_size=20, lr_schedule='step', lr_step=1, epochs=3, random_erasing=0.5,
    )  # fmt: skip


def test_more_epochs_go_on_to_the_bits_of_all_in_one_go(small, tmp_path):
    train(small, tmp_path / 'whole')
    for epochs in (1, 2, 3):
        assert train(small.replace(epochs=epochs), tmp_path / 'parts')['epoch'] == epochs
    assert RunFolder(tmp_path / 'parts').settings == RunFolder(tmp_path / 'whole').settings
    assert_same(tmp_path / 'whole', tmp_path / 'parts')


def test_a_run_that_was_to_be_longer_is_unfinished_until_it_is(small, tmp_path, monkeypatch):
    """Killed before its first new step: whoever looks at the folder must not take it for finished."""
    train(small.replace(epochs=1), tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            'chainer.training.Trainer.run', lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        train(small, tmp_path)
    folder = RunFolder(tmp_path)
    assert folder.result is None and folder.settings['epochs'] == 3
    assert train(small, tmp_path)['epoch'] == 3


@pytest.mark.parametrize('name', [SETTINGS, 'environment.json'])
def test_stopped_between_two_writes_it_is_unfinished_and_goes_on(small, tmp_path, monkeypatch, name):
    train(small.replace(epochs=1), tmp_path)
    write = RunFolder.write

    def fail(self, file, content):
        if file == name:
            raise OSError(errno.ENOSPC, 'No space left on device')
        write(self, file, content)

    there = before(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(RunFolder, 'write', fail)
        train(small, tmp_path)
    if name == SETTINGS:
        assert before(tmp_path) == there
    else:
        assert before(tmp_path)[RESULT] == there[RESULT]
    assert train(small, tmp_path)['epoch'] == 3


def test_a_damaged_snapshot_leaves_a_finished_run_as_it_is(small, tmp_path):
    result = train(small.replace(epochs=1), tmp_path)
    (tmp_path / SNAPSHOT).write_bytes(b'PK')
    there = before(tmp_path)
    with pytest.raises(InputError, match='not a snapshot of this run'):
        train(small, tmp_path)
    assert before(tmp_path) == there
    assert train(small.replace(epochs=1), tmp_path) == result


def before(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'lr_schedule': 'linear'}, r'learning rate moves with them \(--lr-schedule linear\)'),
        ({'lr_schedule': 'cosine'}, r'learning rate moves with them \(--lr-schedule cosine\)'),
        ({'log_steps': 4}, 'its log has an entry at its end, which is no multiple of --log-steps 4'),
        ({'optimizer': 'sgd', 'lr': 1e30, 'epochs': 2}, r'it has ended \(the loss is'),
    ],
)
@pytest.mark.filterwarnings('ignore:(overflow|invalid value) encountered')
def test_what_would_give_something_else_is_refused_with_the_reason(small, tmp_path, changes, message):
    settings = small.replace(**{'epochs': 1, **changes})
    train(settings, tmp_path)
    there = before(tmp_path)
    with pytest.raises(InputError, match=rf'cannot be trained for 5: .*{message}.*; choose another -o'):
        train(settings.replace(epochs=5), tmp_path)
    assert before(tmp_path) == there


def test_without_its_snapshot_a_finished_run_cannot_go_on(small, tmp_path):
    """As runs of a study are left, whose folders are named after their epochs."""
    train(small.replace(epochs=1), tmp_path, keep_snapshot=False)
    assert not (tmp_path / SNAPSHOT).exists() and (tmp_path / RESULT).exists()
    with pytest.raises(InputError, match=r'snapshot.npz, from which it would go on, is gone'):
        train(small, tmp_path)
    # As many or fewer are no more.
    train(small.replace(epochs=1), tmp_path)
    with pytest.raises(
        InputError, match=r'settings.json: this folder holds a run with epochs 1 \(now 3\), seed'
    ):
        train(small.replace(seed=5), tmp_path)


def test_fewer_epochs_are_other_settings(small, tmp_path):
    train(small.replace(epochs=2), tmp_path)
    with pytest.raises(InputError, match=r'a run with epochs 2 \(now 1\)'):
        train(small.replace(epochs=1), tmp_path)
    assert (tmp_path / SETTINGS).exists() and len(scores(tmp_path)) == 2
