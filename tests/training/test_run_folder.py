"""What a run's folder takes for its own, what it leaves alone, and what it does not believe."""

import json

import filelock
import pytest

from vgg_cifar.errors import InputError, InUse
from vgg_cifar.training.run_folder import FILES, LOCK, RunFolder
from vgg_cifar.training.train import train

LOOK_ALIKES = (
    'logs/mine.txt', 'log.txt', 'log1/mine.txt', 'logabc/log.json', '.notes.partial', '.log.abc.partial',
    '.log.partial.bak', 'snapshot_iter_3', 'snapshot_iter_22.bak', 'snapshot.npz.bak', 'model.npz~',
    'my-model.npz', 'best.npz.old', 'result.json.bak', 'settings.json5', 'tmp123/data', '.lock',
)  # fmt: skip


@pytest.fixture
def small(settings):
    return settings.replace(model='mlp', model_options={'hidden': 1, 'units': 2}, epochs=1)


def plant(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'my own {name}')


def contents(folder, names):
    return {name: (folder / name).read_text() for name in names}


def test_whatever_looks_like_a_runs_file_is_left_alone(small, tmp_path):
    """Before a run, at its end, by --fresh, and by what goes on."""
    plant(tmp_path, LOOK_ALIKES)
    there = contents(tmp_path, LOOK_ALIKES)
    train(small, tmp_path)
    train(small.replace(epochs=2), tmp_path)
    train(small.replace(seed=1), tmp_path, fresh=True)
    assert contents(tmp_path, LOOK_ALIKES) == there


@pytest.mark.parametrize('fresh', [False, True])
@pytest.mark.parametrize('name', [*FILES, *(f'.{name}.partial' for name in FILES)])
def test_a_file_of_somebody_elses_is_not_replaced(small, tmp_path, name, fresh):
    """With -o . for example, where a settings.json may be an editor's."""
    plant(tmp_path, [name])
    with pytest.raises(InputError, match='choose another -o'):
        train(small, tmp_path, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == f'my own {name}'


@pytest.mark.parametrize('content', ['{}', '{"editor.fontSize": 12}', '[]', '{"epochs": 3}'])
def test_settings_that_are_not_a_runs_are_kept(small, tmp_path, content):
    (tmp_path / 'settings.json').write_text(content)
    with pytest.raises(InputError, match=r'settings.json: .*choose another -o'):
        train(small, tmp_path, fresh=True)
    assert (tmp_path / 'settings.json').read_text() == content


def test_what_a_killed_writer_has_left_is_replaced_and_not_followed(small, tmp_path):
    train(small, tmp_path / 'run')
    (tmp_path / 'mine').write_text('my own')
    for name in FILES:
        (tmp_path / 'run' / f'.{name}.partial').symlink_to(tmp_path / 'mine')
    train(small.replace(epochs=2), tmp_path / 'run')
    assert (tmp_path / 'mine').read_text() == 'my own'
    left = {path.name for path in (tmp_path / 'run').glob('.*.partial')}
    # These two were not written.
    assert left == {'.best.npz.partial', '.gradients.json.partial'}
    train(small, tmp_path / 'run', fresh=True)
    assert not list((tmp_path / 'run').glob('.*.partial'))


def test_a_folder_in_use_is_refused_and_one_that_no_run_has_started_in_goes_again(tmp_path):
    folder = RunFolder(tmp_path / 'a' / 'b')
    with pytest.raises(KeyboardInterrupt), folder.locked():
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    folder.path.mkdir(parents=True)
    with (
        filelock.FileLock(folder.path / LOCK),
        pytest.raises(InUse, match='another process is training in this folder'),
        folder.locked(),
    ):
        pass


@pytest.mark.parametrize('name', ['run', 'run/deeper'])
def test_a_file_where_a_folder_should_be_is_an_error_of_the_systems(small, tmp_path, name):
    (tmp_path / 'run').write_text('my own')
    with pytest.raises((OSError, InputError), match='run'):
        train(small, tmp_path / name)
    assert (tmp_path / 'run').read_text() == 'my own'


ENTRY = {
    'epoch': 1, 'iteration': 6, 'main/loss': 1.0, 'main/accuracy': 0.5, 'test/main/loss': 1.0,
    'test/main/accuracy': 0.5, 'seconds': 1.0,
}  # fmt: skip
DATA = {'name': 'tiny', 'source': 'tiny.hdf5', 'fingerprint': 'f'}
ENVIRONMENT = {
    'python': '3', 'packages': {'chainer': '7'}, 'platform': 'Linux', 'processor': 'a', 'device': '@numpy',
    'cores': 2, 'data': DATA,
}  # fmt: skip
DEEP = '[' * 10**5 + ']' * 10**5


@pytest.mark.parametrize(
    'file, content, message',
    [
        ('log', DEEP, 'log: not readable as JSON'),
        ('log', {}, 'expected a list of entries'),
        ('log', [1], r'\[0\] is 1, expected an object'),
        ('log', [{}], r'no \[0\].epoch; expected a whole number'),
        ('log', [{**ENTRY, 'epoch': 1e308}], r'\[0\].epoch is 1e\+308, expected a whole number'),
        ('log', [ENTRY, {**ENTRY, 'main/loss': 1e308}], r'\[1\].main/loss is 1e\+308, expected a number in'),
        ('log', [{**ENTRY, 'main/loss': None}], 'main/loss is null'),
        ('log', [{**ENTRY, 'seconds': [DEEP[:9]]}], 'seconds is'),
        ('log', [{name: ENTRY[name] for name in ENTRY if name != 'seconds'}], r'no \[0\].seconds'),
        ('result.json', {'status': 'won'}, 'status is "won", expected one of finished, diverged'),
        ('result.json', {'status': 'finished', 'epoch': float('inf')}, 'epoch is Infinity'),
        ('result.json', {'status': 'diverged', 'reason': 3}, 'reason is 3, expected a text'),
        ('result.json', [], r'the content is \[\], expected an object'),
        ('environment.json', {**ENVIRONMENT, 'packages': [1]}, r'packages is \[1\], expected an object'),
        ('environment.json', {**ENVIRONMENT, 'cores': 1e308}, 'cores is'),
        ('environment.json', {**ENVIRONMENT, 'data': []}, 'data is'),
        ('environment.json', {**ENVIRONMENT, 'parallel': {'processes': 0}}, 'parallel.processes is 0'),
        ('gradients.json', [{'epoch': 1, 'iteration': 2, 'layers': {'a': 'b'}}], 'layers.a is "b"'),
        ('settings.json', DEEP, r'settings.json: not readable .*; restore it, or choose another -o'),
    ],
)
def test_files_from_elsewhere_are_not_believed(tmp_path, file, content, message):
    (tmp_path / 'log').write_text(json.dumps([ENTRY]))
    (tmp_path / file).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        getattr(RunFolder(tmp_path), file.removesuffix('.json'))
    assert '\n' not in str(caught.value)


def test_what_is_measured_may_be_not_a_number(tmp_path):
    (tmp_path / 'log').write_text(json.dumps([{**ENTRY, 'main/loss': float('nan')}]))
    assert len(RunFolder(tmp_path).log) == 1
