"""What lies at a path."""

import os
import socket
from pathlib import Path

import pytest

import augment.__main__
from vgg_cifar import cli
from vgg_cifar.file_kind import kind


def test_each_kind_has_its_name(tmp_path, monkeypatch):
    # A socket's path has to be short.
    monkeypatch.chdir(tmp_path)
    os.mkfifo('pipe')
    Path('link').symlink_to('gone')
    Path('file').touch()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind('socket')
        found = {
            name: kind(Path(name)) for name in ('.', 'file', 'pipe', 'socket', 'link', 'gone', '/dev/null')
        }
    assert found == {
        '.': 'a folder',
        'file': 'a file',
        'pipe': 'a pipe (FIFO)',
        'socket': 'a socket',
        'link': 'a link to nothing',
        'gone': 'nothing',
        '/dev/null': 'a device',
    }


@pytest.mark.parametrize(
    'command, expected',
    [
        ('vgg-cifar train --data {} -o run', 'expected an HDF5 file'),
        ('vgg-cifar reproduce ie598 --scale smoke --data {} -o study', 'expected an HDF5 file'),
        ('vgg-cifar data cifar10 --from {} -o x.hdf5', 'give the archive or its folder'),
        ('vgg-cifar data emnist-balanced --from {} -o x.hdf5', 'give the zip archive or the folder'),
        ('vgg-cifar data shapes10 -o {} --overwrite', 'choose another name'),
        ('vgg-cifar export {} x.onnx', 'expected a .npz file'),
        ('vgg-cifar run {}', 'give the path of a Python file'),
        ('augment {} x.hdf5', 'expected an HDF5 file'),
    ],
)
@pytest.mark.parametrize('place, found', [('/dev/null', 'a device'), ('pipe', 'a pipe (FIFO)')])
def test_what_is_neither_file_nor_folder_is_named_by_every_command(
    tmp_path, monkeypatch, capsys, command, expected, place, found
):
    monkeypatch.chdir(tmp_path)
    os.mkfifo('pipe')
    program, *words = command.format(place).split()
    assert (cli.main if program == 'vgg-cifar' else augment.__main__.main)(words) == 2
    error = capsys.readouterr().err
    assert f'{place}: found {found}' in error and expected in error and error.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['pipe']
