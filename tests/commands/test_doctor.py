"""`vgg-cifar doctor` on a healthy and on a sick environment."""

from importlib.metadata import version

import pytest
from processes import ROOT, python


def doctor(broken=None, folder=None):
    """Run the doctor; `broken` is a package that can't be imported."""
    path = str(ROOT)
    if broken:
        (folder / f'{broken}.py').write_text(f'raise ImportError("no {broken} today")')
        path = f'{folder}:{path}'
    result = python('-m', 'vgg_cifar', 'doctor', environment={'PYTHONPATH': path})
    assert result.stderr == ''
    return result.returncode, result.stdout


def test_a_healthy_environment():
    status, report = doctor()
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in report.splitlines() if line.startswith('  ')}
    assert rows['chainer'] == [version('chainer')]
    assert rows['numpy'] == [version('numpy')]
    assert rows['Dask'] == [version('distributed')]
    assert rows['functions.array.resize_images'][:2] == ['in', 'force']
    assert rows['testing.helper'][:2] == ['not', 'used']
    assert 'CHAINER_DATASET_ROOT' in report


@pytest.mark.parametrize('package', ['matplotlib', 'h5py', 'cupy', 'distributed', 'mpi4py'])
def test_a_broken_package_that_chainer_can_do_without(tmp_path, package):
    status, report = doctor(package, tmp_path)
    assert status == 0
    assert f'no {package} today' in report


def test_a_broken_chainer(tmp_path):
    status, report = doctor('chainer', tmp_path)
    assert status == 1
    assert 'no chainer today' in report
    assert 'setuptools<82' in report
    assert 'numpy' in report
