"""CIFAR10.hdf5.md does what it says."""

import re
from pathlib import Path

import h5py
import numpy

from vgg_cifar import datasets

DOCUMENT = Path(__file__).parents[2] / 'CIFAR10.hdf5.md'


def test_its_python_runs_and_makes_a_file_that_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, use = re.findall(r'```python\n(.*?)```', DOCUMENT.read_text(encoding='utf-8'), re.DOTALL)
    made, used = {}, {}
    exec(make, made)
    exec(use, used)
    data = datasets.load(tmp_path / 'MINE.hdf5')
    assert data.class_names == ('cat', 'dog', 'rabbit')
    numpy.testing.assert_array_equal(data.x_test[0, :, 5, 7], made['images'][100, 5, 7])
    assert (used['batch'].shape, used['batch'].dtype) == ((3, 3, 32, 32), numpy.float32)
    assert len(used['data'].x_validation) == 20


def test_the_layout_of_the_first_report_is_accepted(tmp_path):
    path = tmp_path / 'CIFAR10.hdf5'
    with h5py.File(path, 'w') as file:
        for part, n in (('train', 20), ('test', 10)):
            file[f'X_{part}'] = numpy.full((n, 3, 32, 32), 0.5, 'float32')
            file[f'Y_{part}'] = numpy.arange(n, dtype='int32') % 10
    data = datasets.load(path)
    assert (data.x_train.shape, data.x_train.dtype) == ((20, 3, 32, 32), numpy.float32)
    assert data.n_classes == 10


def test_it_lists_every_data_set_and_attribute_of_a_written_file(tmp_path):
    path = tmp_path / 'S.hdf5'
    datasets.hdf5.write(path, datasets.load('shapes10', train_size=10, test_size=10))
    document = DOCUMENT.read_text(encoding='utf-8')
    with h5py.File(path) as file:
        assert len(file) == 4
        for name in (*file, *file.attrs):
            assert f'`{name}`' in document, name
