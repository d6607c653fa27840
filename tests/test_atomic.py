"""Outputs appear whole or not at all, and only where they can and may."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from processes import ROOT

import augment.__main__
from vgg_cifar import cli
from vgg_cifar.atomic import replacing, require_folder, require_writable
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


def test_a_place_that_no_file_can_have_is_refused_and_nothing_is_made(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'pipe').symlink_to(os.devnull)
    for name, overwrite, message in (
        ('file/sub/data.hdf5', False, 'file is a file, expected a folder'),
        ('file', False, 'exists already'),
        ('pipe', True, 'found a device'),
        ('pipe', False, 'found a device'),
        ('', True, 'found a folder'),
    ):
        with pytest.raises(InputError, match=message):
            require_writable(tmp_path / name, overwrite)
    require_writable(tmp_path / 'new/sub/data.hdf5', False)
    require_writable(tmp_path / 'file', True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['file', 'pipe']


def test_a_folder_that_is_no_place_to_write_to_is_named(tmp_path, monkeypatch):
    """Nobody is told of temporary files, or of a working directory called '.'."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match=r'/file is a file, expected a folder'), replacing('file/x'):
        pass
    # The superuser may write where others may not, so that the answer is made up.
    monkeypatch.setattr(os, 'access', lambda *_: False)
    for folder, said in (
        ('.', f'the working directory ({tmp_path}) cannot be written to; allow it'),
        ('new', f'new: {tmp_path} cannot be written to; allow it'),
        (str(tmp_path), f'{tmp_path} cannot be written to; allow it'),
    ):
        with pytest.raises(InputError, match=f'^{re.escape(said)}'):
            require_folder(Path(folder))
        with pytest.raises(InputError, match='cannot be written to'), replacing(Path(folder) / 'x'):
            pass


def test_an_error_does_not_name_the_temporary_file(tmp_path):
    (tmp_path / 'out').mkdir()
    for partial in (None, tmp_path / '.out.partial'):
        with pytest.raises(OSError, match='directory') as error, replacing(tmp_path / 'out', partial):
            pass
        assert error.value.filename == str(tmp_path / 'out')


@pytest.mark.parametrize(
    'command',
    [
        'vgg-cifar train --train-size 20 --test-size 10 -b 10 -o {}',
        'vgg-cifar reproduce mnist_convnetjs --scale smoke -o {}',
        'vgg-cifar reproduce all --scale smoke -o {}',
        'vgg-cifar data shapes10 -o {}/x.hdf5',
        'vgg-cifar report {}',
        'augment IN.hdf5 {}/x.hdf5',
    ],
)
@pytest.mark.parametrize('below', ['', '/sub'])
def test_a_file_where_a_folder_should_be_is_one_line_in_every_command(tmp_path, capsys, command, below):
    (tmp_path / 'file').write_text('mine')
    program, *words = command.format(f'{tmp_path}/file{below}').split()
    assert (cli.main if program == 'vgg-cifar' else augment.__main__.main)(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'{program}: {tmp_path}/file') and error.count('\n') == 1
    assert 'Errno' not in error and 'JSON' not in error
    assert (tmp_path / 'file').read_text() == 'mine' and len(list(tmp_path.iterdir())) == 1


def test_a_page_that_has_no_place_is_one_line(tmp_path, monkeypatch, capsys):
    study = tmp_path / 'study'
    shutil.copytree(ROOT / 'results' / 'convolution_implementations', study)
    shutil.rmtree(study / 'figures')
    (study / 'figures').write_text('mine')
    assert cli.main(['report', str(study)]) == 2
    assert capsys.readouterr().err.startswith(f'vgg-cifar: {study}/figures is a file, expected a folder; ')
    monkeypatch.setattr(os, 'access', lambda *_: False)
    assert cli.main(['report', str(study)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'vgg-cifar: {study}') and 'cannot be written to; allow it' in error
    assert (study / 'figures').read_text() == 'mine'


def test_a_run_that_cannot_be_gone_on_with_where_it_lies_is_one_line(tmp_path, monkeypatch, capsys):
    run = tmp_path / 'run'
    command = 'train --model conv_pool --train-size 20 --test-size 10 -b 10'.split()
    assert cli.main([*command, '-e', '1', '-o', str(run)]) == 0
    assert f'{run}: finished after 1 epoch, train' in capsys.readouterr().out
    before = sorted(run.iterdir())
    monkeypatch.setattr(os, 'access', lambda *_: False)
    assert cli.main([*command, '-e', '2', '-o', str(run)]) == 2
    assert capsys.readouterr().err == (
        f'vgg-cifar: {run} cannot be written to; allow it, or choose another place\n'
    )
    assert sorted(run.iterdir()) == before
