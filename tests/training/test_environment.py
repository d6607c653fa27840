"""What a run writes down about where and when it was made."""

import datetime
import subprocess
import types

import chainer
import pytest
from processes import ROOT

from vgg_cifar.reporting import wording
from vgg_cifar.training import environment


@pytest.fixture(autouse=True)
def _anew():
    environment.checkout_commit.cache_clear()
    yield
    environment.checkout_commit.cache_clear()


def test_date_and_commit_are_there():
    before = datetime.datetime.now(datetime.timezone.utc).date()
    found = environment.describe(chainer.get_device('@numpy'))
    assert before <= datetime.date.fromisoformat(found['date']) <= before + datetime.timedelta(days=1)
    if (ROOT / '.git').exists():
        head = subprocess.run(['git', '-C', ROOT, 'rev-parse', 'HEAD'], capture_output=True, text=True)
        assert head.stdout.startswith(found['commit'].rstrip('+')) and len(found['commit']) >= 12


def test_no_commit_of_somebody_elses_repository(tmp_path, monkeypatch):
    """The package lies in a virtual environment within another project's checkout."""
    subprocess.run(['git', 'init', '-q', tmp_path], check=True)
    installed = tmp_path / '.venv' / 'site-packages' / 'vgg_cifar' / 'training' / 'environment.py'
    monkeypatch.setattr(environment, '__file__', str(installed))
    assert environment.checkout_commit() is None


def test_no_commit_where_git_does_not_answer(tmp_path, monkeypatch):
    (tmp_path / '.git').write_text('nonsense')
    monkeypatch.setattr(environment, '__file__', str(tmp_path / 'vgg_cifar' / 'training' / 'environment.py'))
    assert environment.checkout_commit() is None
    environment.checkout_commit.cache_clear()
    monkeypatch.setenv('PATH', str(tmp_path))
    assert environment.checkout_commit() is None


def test_a_gpus_name_is_there_and_on_the_page():
    runtime = types.SimpleNamespace(getDeviceProperties={3: {'name': b'NVIDIA H100'}}.__getitem__)
    xp = types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime))
    found = environment.describe(types.SimpleNamespace(xp=xp, device=types.SimpleNamespace(id=3)))
    assert found['gpu'] == 'NVIDIA H100'
    assert ', NVIDIA H100 (CPU' in wording.environment(found)
    assert 'gpu' not in environment.describe(chainer.get_device('@numpy'))
