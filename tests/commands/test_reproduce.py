"""`vgg-cifar reproduce` and the comparison scripts, as a user runs them, on a small file of images."""

import json
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy
import pytest
from processes import ROOT, python


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Path of an HDF5 file of 8x8 images, enough for smoke scale."""
    random = numpy.random.RandomState(0)
    path = tmp_path_factory.mktemp('data') / 'small.hdf5'
    with h5py.File(path, 'w') as file:
        for part, count in (('train', 600), ('test', 200)):
            file[f'X_{part}'] = random.randint(0, 256, (count, 3, 8, 8)).astype('u1')
            file[f'Y_{part}'] = numpy.arange(count, dtype='i4') % 10
    return path


def reproduce(images, out, *arguments):
    command = ('-m', 'vgg_cifar', 'reproduce', 'ie598', '--scale', 'smoke')
    return (*command, '--data', images, '-o', out, *arguments)


@pytest.fixture(scope='module')
def done(images, tmp_path_factory):
    """Figure 7's folder, and what the command printed."""
    out = tmp_path_factory.mktemp('study')
    result = python(*reproduce(images, out, '--figure', '7'))
    assert result.returncode == 0, result.stderr
    return out, result.stdout


def test_ends_with_the_page(done):
    out, printed = done
    assert printed.splitlines()[-1] == str(out / 'report.html')
    assert '3 runs, 0 finished, 3 to do' in printed
    assert re.search(r'about \d+ s to go, by 3 timed steps', printed)
    assert re.search(r'\[2/3\] .*: 1 done, 1 to come, about \d+ s left', printed)
    outputs = ('figures/figure_7.png', 'figures/figure_7.svg', 'tables/figure_7.csv', 'tables/figure_7.md')
    for path in (*outputs, 'claims.json', 'report.md', 'report.html'):
        assert (out / path).stat().st_size
    runs = sorted(path.name.rpartition('-')[0] for path in (out / 'runs').iterdir())
    assert runs == [
        'pooling-average-optimizer-momentum_sgd-seed0',
        'pooling-average-optimizer-rmsprop-seed0',
        'pooling-average-seed0',
    ]


def test_repeated_command_trains_nothing(images, done):
    out, _ = done
    before = {path: path.stat().st_mtime_ns for path in out.glob('runs/*/*')}
    result = python(*reproduce(images, out, '--figure', '7'))
    assert '3 runs, 3 finished, 0 to do' in result.stdout
    assert {path: path.stat().st_mtime_ns for path in out.glob('runs/*/*')} == before


def test_same_seed_same_figures_byte_for_byte(images, done, tmp_path):
    out, _ = done
    assert python(*reproduce(images, tmp_path, '--figure', '7')).returncode == 0
    names = [path.name for path in sorted((out / 'figures').iterdir()) if 'figure_7' in path.name]
    assert names == ['figure_7.png', 'figure_7.svg']
    for name in names:
        assert (tmp_path / 'figures' / name).read_bytes() == (out / 'figures' / name).read_bytes()


def test_augmentation_is_timed_in_turn_with_its_absence_and_once(images, tmp_path):
    result = python(*reproduce(images, tmp_path, '--figure', '9'))
    assert result.returncode == 0, result.stderr
    assert '2 runs, 0 finished, 2 to do' in result.stdout
    assert 'timing augmentation:' in result.stdout
    path = tmp_path / 'timings' / 'augmentation.json'
    timing = json.loads(path.read_text())
    assert timing['environment']['python'] and timing['batch_size'] == 25
    steps = {each['label']: each['steps_per_epoch'] for each in timing['variants'].values()}
    assert steps == {'with 4x augmentation': 32, 'without augmentation': 8}
    assert all(len(each['seconds']) == 1 for each in timing['variants'].values())

    claims = {each['id']: each for each in json.loads((tmp_path / 'claims.json').read_text())['claims']}
    assert claims['R1.aug']['verdict'] == 'undecided'
    assert [each['n'] for each in claims['R1.aug']['comparisons']] == [1, 1]
    assert claims['R1.tuned']['verdict'] == 'not run'
    written = path.stat().st_mtime_ns
    assert 'timing' not in python(*reproduce(images, tmp_path, '--figure', '9')).stdout
    assert path.stat().st_mtime_ns == written
    path.unlink()
    assert python(*reproduce(images, tmp_path, '--figure', '9')).returncode == 0
    assert path.exists()


def test_script_shares_the_runs_of_the_command(images, done):
    out, _ = done
    script = ROOT / 'scripts' / 'compare_optimizers.py'
    result = python(script, '--scale', 'smoke', '--data', images, '-o', out)
    assert result.returncode == 0, result.stderr
    # Six pairs and two slower RMSprops, of which figure 7's three pairs are there.
    assert '8 runs, 3 finished, 5 to do' in result.stdout
    assert (out / 'figures' / 'figure_6.png').exists()


@pytest.mark.parametrize(
    'script, figures',
    [
        ('compare_optimizers', 'figures 6 and 7'),
        ('compare_pooling', 'figure 6'),
        ('compare_filter_sizes', 'figure 8'),
        ('compare_batch_norm', 'figure 3'),
        ('compare_depth', 'figures 2 and 3'),
        ('compare_dropout', 'figures 4 and 5'),
        ('compare_augmentation', 'figure 9'),
        ('compare_tuning', 'figure 10'),
    ],
)
def test_scripts_default_to_the_reports_scale_and_refuse_a_missing_file(script, figures, tmp_path):
    result = python(ROOT / 'scripts' / f'{script}.py', '--data', tmp_path / 'none.hdf5')
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert 'none.hdf5' in result.stderr
    help_text = python(ROOT / 'scripts' / f'{script}.py', '--help').stdout
    assert '(default: full)' in help_text
    assert figures in help_text


def test_stopped_in_the_middle_goes_on(images, tmp_path):
    command = [sys.executable, *map(str, reproduce(images, tmp_path, '--figure', '7'))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    # Until one run has finished, and another its first epoch.
    while not list(tmp_path.glob('runs/*/result.json')) or len(list(tmp_path.glob('runs/*/log'))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert 'the same command resumes it' in errors
    result = python(*reproduce(images, tmp_path, '--figure', '7'))
    assert '3 runs, 1 finished, 2 to do' in result.stdout
    assert result.returncode == 0


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--figure', '60'), '--figure is 60; ie598 has 2, 3, 4, 5, 5b, 6, 6b, 7, 8, 9, 9b, 10, 10b'),
        (('--seeds', '0'), '--seeds is 0'),
        (('-d', '0'), '-d 0: CuPy finds no GPU here'),
        (('-d', '@tpu'), '-d @tpu: no such device'),
    ],
)
def test_bad_usage_is_one_line(images, tmp_path, arguments, message):
    result = python(*reproduce(images, tmp_path / 'out', *arguments))
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not (tmp_path / 'out').exists()


def test_another_scale_does_not_go_into_the_folder(images, done):
    out, _ = done
    result = python(*reproduce(images, out, '--scale', 'full'))
    assert result.returncode == 2
    assert 'holds the scale smoke, not full' in result.stderr


def test_another_compute_type_does_not_go_into_the_folder(images, done):
    out, _ = done
    result = python(*reproduce(images, out, '--compute', 'bfloat16'))
    assert result.returncode == 2
    # Where the CPU has no bfloat16, that is what is said.
    assert 'holds the compute type float32, not bfloat16' in result.stderr or 'needs' in result.stderr
