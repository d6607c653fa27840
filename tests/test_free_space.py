"""Room is asked for before it is taken."""

import errno
import shutil

import pytest

from vgg_cifar import free_space, machine
from vgg_cifar.errors import InputError
from vgg_cifar.free_space import require_disk, require_memory


def test_more_memory_than_is_free_is_refused(monkeypatch):
    monkeypatch.setattr(machine, 'free_memory', lambda: 2**30)
    require_memory('X_train', 2**30)
    with pytest.raises(
        InputError, match=r'^X_train: needs 1\.6 GB of memory, 1\.1 GB are free, 536\.9 MB too few; use'
    ):
        require_memory('X_train', 3 * 2**29)
    monkeypatch.setattr(machine, 'free_memory', lambda: None)
    require_memory('X_train', 2**80)


def test_more_disk_than_is_free_is_refused(tmp_path):
    file = tmp_path / 'x'
    require_disk(file, 1000)
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(InputError, match=r'[kMGT]B are needed, .* [kMGT]B are free'):
        require_disk(file, 1000, free)
    assert not file.exists()


def test_nothing_stays_where_the_system_refuses_the_room(tmp_path, monkeypatch):
    def full(path, size):
        path.touch()
        raise OSError(errno.EDQUOT, 'over quota')

    monkeypatch.setattr(free_space, 'reserve', full)
    with pytest.raises(OSError, match='over quota'):
        require_disk(tmp_path / 'x', 1000)
    assert not (tmp_path / 'x').exists()
