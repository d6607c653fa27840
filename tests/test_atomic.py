"""Outputs appear whole or not at all."""

import os
import stat

import pytest

from vgg_cifar.atomic import replacing, require_writable
from vgg_cifar.errors import InputError


def test_appears_whole(tmp_path):
    path = tmp_path / 'new' / 'out'
    with replacing(path) as partial:
        partial.write_text('half')
        assert not path.exists()
        partial.write_text('whole')
    assert path.read_text() == 'whole'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_failure_leaves_what_was_there(tmp_path, error):
    path = tmp_path / 'out'
    path.write_text('old')
    with pytest.raises(error), replacing(path) as partial:
        partial.write_text('half')
        raise error
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path):
    umask = os.umask(0o027)
    try:
        with replacing(tmp_path / 'out') as partial:
            partial.write_text('x')
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / 'out').stat().st_mode) == 0o640


def test_a_place_that_no_file_can_have_is_noticed_before_the_work(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='file is a file, expected a folder'):
        require_writable(tmp_path / 'file/sub/data.hdf5', False)
    require_writable(tmp_path / 'new/sub/data.hdf5', False)
    assert [file.name for file in tmp_path.iterdir()] == ['file']
