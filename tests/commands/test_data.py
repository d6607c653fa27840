import argparse

import h5py
import PIL.Image
import pytest
import tiny_cifar10 as tiny

from vgg_cifar.commands import data as command
from vgg_cifar.datasets import hdf5
from vgg_cifar.errors import InputError


def data(*arguments):
    """Run `vgg-cifar data ARGUMENTS`."""
    parser = argparse.ArgumentParser(prog='vgg-cifar data')
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


SMALL = ('--train-size', 20, '--test-size', 10)


def test_shapes10_into_its_default_file(here, capsys):
    assert data('shapes10', *SMALL) == 0
    made = hdf5.read(here / 'SHAPES10.hdf5')
    assert (len(made.x_train), len(made.x_test), made.name, made.synthetic) == (20, 10, 'shapes10', True)
    assert made.class_names[0] == 'disc'
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        'wrote SHAPES10.hdf5: 20 training and 10 test images of 3 x 32 x 32 (uint8), 10 classes, '
        f'sha256 {made.fingerprint}'
    )
    with h5py.File(here / 'SHAPES10.hdf5') as file:
        assert file.attrs['seed'] == '0'
        assert file.attrs['source'] == 'generated'


def test_an_existing_file_is_refused_before_any_work_and_replaced_when_told_to(here):
    (here / 'out.hdf5').write_text('precious')
    with pytest.raises(InputError, match=r'out\.hdf5: exists already; give --overwrite'):
        data('cifar10', '-o', 'out.hdf5')
    assert (here / 'out.hdf5').read_text() == 'precious'
    data('shapes10', '-o', 'out.hdf5', '--overwrite', *SMALL)
    assert len(hdf5.read(here / 'out.hdf5').x_train) == 20


def test_a_preview(here):
    data('shapes10', '--preview', 'sheet.png', *SMALL)
    with PIL.Image.open(here / 'sheet.png') as picture:
        assert picture.height > picture.width > 200
    with pytest.raises(InputError, match=r"sheet\.jpg: found the ending '\.jpg', expected \.png"):
        data('shapes10', '-o', 'other.hdf5', '--preview', 'sheet.jpg', *SMALL)
    assert not (here / 'other.hdf5').exists()


def test_cifar10_of_other_bytes_is_refused_and_leaves_nothing(here):
    folder = tiny.folder(here / 'cifar-10-batches-bin', tiny.binary_files())
    with pytest.raises(InputError, match=r'data_batch_1\.bin: found 9,219 bytes, expected 30,730,000'):
        data('cifar10', '--from', folder)
    assert [file.name for file in here.iterdir()] == ['cifar-10-batches-bin']


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('shapes10', '--from', 'x'), 'shapes10: --from does not apply'),
        (('cifar10', '--seed', 1), 'cifar10: --seed does not apply'),
        (('cifar10', '--train-size', 1), 'cifar10: --train-size does not apply'),
        (('shapes10', '--train-size', 0), 'shapes10: train size: found 0, expected 1 or more'),
        (('shapes10', '-o', '.'), 'found a folder, expected a file name'),
        (('cifar10', '--from', 'absent'), 'absent: no such file or folder'),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        data(*arguments)


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as end:
        data('--help')
    assert end.value.code == 0
    assert 'vgg-cifar data cifar10 --from' in capsys.readouterr().out


def test_an_unknown_name_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        data('cifar11')
    assert end.value.code == 2
    assert 'cifar10' in capsys.readouterr().err
