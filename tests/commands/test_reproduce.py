"""`vgg-cifar reproduce` and the comparison scripts, as a user runs them, on a small file of images."""

import errno
import json
import re
import runpy
import signal
import subprocess
import sys
import time

import h5py
import numpy
import pytest
from processes import ROOT, python

from vgg_cifar.cli import main
from vgg_cifar.commands import reproduce as command
from vgg_cifar.sweeps import serial


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


def reproduce(images, out, *arguments, report='ie598'):
    """The arguments of a command in a process of its own."""
    command = ('-m', 'vgg_cifar', 'reproduce', report, '--scale', 'smoke')
    return (*map(str, (*command, '--data', images, '-o', out, *arguments)),)


@pytest.fixture
def reproduced(capsys):
    """Run a command in this process, which has imported all; return its status, output and errors."""

    def run(*arguments, **options):
        status = main([*reproduce(*arguments, **options)[2:]])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def no_page(monkeypatch):
    """Leave out the page, where it is the runs that matter."""
    monkeypatch.setattr('vgg_cifar.reporting.report.build', lambda *_: 'the page')


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
    assert re.search(r'about \d+ (s|min) to go, by 3 timed steps', printed)
    # A line a run, beside the heading, the number of runs, the estimate, the sentence and the page.
    assert len(printed.splitlines()) == 3 + 5
    ended = r'\[2/3\] [^:]*, Figure 7: test accuracy 0\.\d+; 1 running, 0 to come, about \d+ (s|min) left'
    assert re.search(ended, printed)
    outputs = ('figures/figure_7.png', 'figures/figure_7.svg', 'tables/figure_7.csv', 'tables/figure_7.md')
    for path in (*outputs, 'claims.json', 'report.md', 'report.html'):
        assert (out / path).stat().st_size
    runs = sorted(path.name.rpartition('-')[0] for path in (out / 'runs').iterdir())
    assert runs == [
        'pooling-average-optimizer-momentum_sgd-seed0',
        'pooling-average-optimizer-rmsprop-seed0',
        'pooling-average-seed0',
    ]


def test_repeated_command_trains_nothing(images, done, reproduced, no_page):
    out, _ = done
    before = {path: path.stat().st_mtime_ns for path in out.glob('runs/*/*')}
    assert '3 runs, 3 finished, 0 to do' in reproduced(images, out, '--figure', '7')[1]
    assert {path: path.stat().st_mtime_ns for path in out.glob('runs/*/*')} == before


def test_same_seed_same_figures_byte_for_byte(images, done, tmp_path, reproduced):
    """In this process, and in one of its own."""
    out, _ = done
    assert reproduced(images, tmp_path, '--figure', '7')[0] == 0
    names = [path.name for path in sorted((out / 'figures').iterdir()) if 'figure_7' in path.name]
    assert names == ['figure_7.png', 'figure_7.svg']
    for name in names:
        assert (tmp_path / 'figures' / name).read_bytes() == (out / 'figures' / name).read_bytes()


def test_augmentation_is_timed_in_turn_with_its_absence_and_once(images, tmp_path, monkeypatch, reproduced):
    status, first, _ = reproduced(images, tmp_path, '--figure', '9')
    assert status == 0
    assert '2 runs, 0 finished, 2 to do' in first
    assert 'timing augmentation:' in first
    path = tmp_path / 'timings' / 'augmentation.json'
    timing = json.loads(path.read_text())
    assert timing['environment']['python'] and timing['batch_size'] == 25
    steps = {each['label']: each['steps_per_epoch'] for each in timing['variants'].values()}
    assert steps == {'with 4x augmentation': 16, 'without augmentation': 4}
    assert all(len(each['seconds']) == 1 for each in timing['variants'].values())

    claims = {each['id']: each for each in json.loads((tmp_path / 'claims.json').read_text())['claims']}
    assert claims['R1.aug']['verdict'] == 'undecided'
    assert [each['n'] for each in claims['R1.aug']['comparisons']] == [1, 1]
    assert claims['R1.tuned']['verdict'] == 'not run'
    monkeypatch.setattr('vgg_cifar.reporting.report.build', lambda *_: 'the page')
    written = path.stat().st_mtime_ns
    assert 'timing' not in reproduced(images, tmp_path, '--figure', '9')[1]
    assert path.stat().st_mtime_ns == written
    path.unlink()
    assert 'timing augmentation:' in reproduced(images, tmp_path, '--figure', '9')[1]
    assert path.exists()


def test_script_shares_the_runs_of_the_command(images, done, monkeypatch, no_page):
    """Six pairs and two slower RMSprops, of which figure 7's three pairs are there."""
    seen = []

    def run_all(figures, folder, *_):
        runs = folder.all_runs(figures)
        finished = [run for run in runs if folder.run_folder(run.id).result is not None]
        seen.append(([figure.id for figure in figures], len(finished), len(runs)))

    monkeypatch.setattr(command, 'run_all', run_all)
    arguments = ['--scale', 'smoke', '--data', str(images), '-o', str(done[0])]
    monkeypatch.setattr(sys, 'argv', ['compare_optimizers', *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / 'scripts' / 'compare_optimizers.py'), run_name='__main__')
    assert ended.value.code == 0
    assert seen == [(['6', '6b', '7'], 3, 8)]


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
def test_scripts_default_to_the_reports_scale_and_refuse_a_missing_file(
    script, figures, tmp_path, monkeypatch, capsys
):
    def status(*arguments):
        monkeypatch.setattr(sys, 'argv', [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / 'scripts' / f'{script}.py'), run_name='__main__')
        return ended.value.code

    assert status('--data', tmp_path / 'none.hdf5') == 2
    errors = capsys.readouterr().err
    assert errors.count('\n') == 1 and 'none.hdf5' in errors
    assert status('--help') == 0
    help_text = capsys.readouterr().out
    assert '(default: full)' in help_text
    assert figures in help_text


def test_stopped_in_the_middle_goes_on(images, tmp_path, reproduced, no_page):
    arguments = [sys.executable, *reproduce(images, tmp_path, '--figure', '7')]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
    status, output, _ = reproduced(images, tmp_path, '--figure', '7')
    assert '3 runs, 1 finished, 2 to do' in output
    assert status == 0


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--figure', '60'), '--figure is 60; ie598 has 2, 3, 3b, 4, 5, 5b, 6, 6b, 7, 8, 9, 9b, 10, 10b'),
        (('--seeds', '0'), '--seeds is 0'),
        (('-d', '0'), 'or use -d -1 for the CPU'),
        (('-d', '@tpu'), '-d @tpu: no such device'),
        (('--scheduler', 'tcp://127.0.0.1:1', '--jobs', '2'), 'leave out --jobs'),
        (('--scheduler', 'tcp://127.0.0.1:1', '-d', '0,1'), 'one -d for all'),
    ],
)
def test_bad_usage_is_one_line(images, tmp_path, reproduced, arguments, message):
    status, output, errors = reproduced(images, tmp_path / 'out', *arguments)
    assert (status, output, errors.count('\n')) == (2, '', 1)
    assert message in errors
    assert not (tmp_path / 'out').exists()


def grey(path, validation=True):
    """A file of 28x28 grey images in 12 classes, enough for smoke scale."""
    random = numpy.random.RandomState(0)
    parts = {'train': 400, 'test': 100, 'validation': 50 if validation else 0}
    with h5py.File(path, 'w') as file:
        for part, count in parts.items():
            if count:
                file[f'X_{part}'] = random.randint(0, 256, (count, 1, 28, 28)).astype('u1')
                file[f'Y_{part}'] = numpy.arange(count, dtype='i4') % 12
        file.attrs['name'] = 'grey'
    return path


def test_another_report_trains_its_own_networks_on_its_own_file(tmp_path, reproduced):
    """A folder stands for the report's file in it."""
    grey(tmp_path / 'EMNIST-BALANCED.hdf5')
    out = tmp_path / 'out'
    status, output, _ = reproduced(tmp_path, out, '--figure', 'table-6', report='emnist_learning_rules')
    assert status == 0
    assert 'grey, 100 training images, batch 25, 2 epochs, float32' in output
    settings = [json.loads(path.read_text()) for path in sorted(out.glob('runs/*/settings.json'))]
    assert [each['model'] for each in settings] == ['conv_pool'] * 4
    assert 'depth' not in settings[0]
    claims = {each['id']: each for each in json.loads((out / 'claims.json').read_text())['claims']}
    assert claims['R4.depth-cnn']['verdict'] == 'undecided' and claims['R4.lr']['verdict'] == 'not run'
    assert 'not EMNIST balanced' in (out / 'report.html').read_text()


def test_a_report_with_gradients_windows_and_erasing_runs_to_its_page(images, tmp_path, capsys):
    """On synthetic images of the report's shape where no file is given."""
    for report, figure, given, said in (
        ('mnist_convnetjs', '5-6', (), 'shapes10-grey (synthetic), '),
        ('cifar100_vgg38', 'broken', ('--data', str(images)), 'small, '),
    ):
        command = ['reproduce', report, '--scale', 'smoke', '--figure', figure, *given]
        assert main([*command, '-o', str(tmp_path / report)]) == 0
        assert capsys.readouterr().out.startswith(said)
        files = {path.name for path in (tmp_path / report / 'figures').iterdir()}
        assert {f'figure_{figure}.png', f'figure_{figure}.svg'} <= files
    gradients = [
        json.loads(path.read_text()) for path in tmp_path.glob('cifar100_vgg38/runs/*/gradients.json')
    ]
    assert sorted(len(each[0]['layers']) for each in gradients) == [8, 38]

    # All that is there, rebuilt and put under one index.
    assert main(['report', str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / 'index.html')
    assert 'R3.broken' in (tmp_path / 'index.html').read_text()


def test_convolutions_are_measured_once(tmp_path, monkeypatch, capsys):
    def reproduced(study, scale):
        status = main(['reproduce', study, '--scale', scale, '-o', str(tmp_path)])
        return status, *capsys.readouterr()

    status, output, _ = reproduced('convolution_implementations', 'smoke')
    assert status == 0
    assert output.splitlines()[-1] == str(tmp_path / 'report.html')
    costs = json.loads((tmp_path / 'costs.json').read_text())
    assert all(len(each['seconds']) == 3 and min(each['peak_bytes']) > 0 for each in costs['costs'])
    assert {each['implementation'] for each in costs['costs']} >= {'loops', 'scipy.signal', 'im2col'}
    written = (tmp_path / 'costs.json').stat().st_mtime_ns
    monkeypatch.setattr('vgg_cifar.convolution_implementations.page.build', lambda *_: 'the page')
    assert reproduced('convolution_implementations', 'smoke')[0] == 0
    assert (tmp_path / 'costs.json').stat().st_mtime_ns == written
    for other in (('convolution_implementations', 'quick'), ('emnist_kernels', 'smoke')):
        status, _, errors = reproduced(*other)
        assert status == 2 and 'choose another -o' in errors


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('nothing',), "'nothing' is not a study; expected one of ie598, emnist_kernels"),
        (('all', '--figure', '7'), '--figure is for one report'),
        (('all', '--data', 'CIFAR10.hdf5'), 'with all, expected a folder'),
        (('all', '--data', '.'), 'CIFAR10.hdf5: no such file'),
        (('emnist_kernels', '--data', 'absent.hdf5'), 'absent.hdf5: no such file'),
        (('emnist_kernels', '--jobs', '0'), '--jobs is 0'),
        (('all', '--jobs', '0'), '--jobs is 0'),
        (('emnist_kernels', '--scheduler', 'foo'), '--scheduler foo: no connection'),
        (('emnist_kernels', '--jobs', '2', '--verbose'), 'leave it out'),
        (
            ('emnist_kernels', '--print-slurm-array', '-d', '0', '--compute', 'bfloat16'),
            'leave it out on -d 0',
        ),
    ],
)
def test_bad_usage_of_other_reports_is_one_line(tmp_path, capsys, arguments, message):
    assert main(['reproduce', *arguments, '--scale', 'smoke', '-o', str(tmp_path / 'out')]) == 2
    printed, errors = capsys.readouterr()
    assert errors.count('\n') == 1 and not printed
    assert message in errors
    assert not (tmp_path / 'out').exists()


def test_all_is_refused_before_its_first_report_where_a_later_file_is_missing(
    tmp_path, monkeypatch, reproduced
):
    # Whether the images suit each network is another test's.
    monkeypatch.setattr(command.Cost, 'check', lambda *_: None)
    with h5py.File(tmp_path / 'CIFAR10.hdf5', 'w') as file:
        for part, count in (('train', 200), ('test', 60)):
            file[f'X_{part}'] = numpy.full((count, 3, 32, 32), 7, 'u1')
            file[f'Y_{part}'] = numpy.arange(count, dtype='i4') % 10
    status, output, errors = reproduced(tmp_path, tmp_path / 'out', report='all')
    assert (status, output) == (2, '')
    assert re.fullmatch(r'vgg-cifar: .*EMNIST-BALANCED.hdf5: no such file[^\n]*\n', errors)
    assert not (tmp_path / 'out').exists()


def test_too_few_images_for_a_batch_leave_nothing(tmp_path, reproduced):
    with h5py.File(tmp_path / 'few.hdf5', 'w') as file:
        for part in ('train', 'test'):
            file[f'X_{part}'] = numpy.zeros((30, 3, 8, 8), 'u1')
            file[f'Y_{part}'] = numpy.arange(30, dtype='i4') % 10
    status, output, errors = reproduced(tmp_path / 'few.hdf5', tmp_path / 'results' / 'out')
    assert (status, output) == (2, '')
    assert errors.count('\n') == 1 and 'few.hdf5' in errors
    assert not (tmp_path / 'results').exists()


def test_a_file_where_the_folder_should_be_is_one_line(images, tmp_path, reproduced):
    (tmp_path / 'out').write_text('precious')
    for out in (tmp_path / 'out', tmp_path / 'out' / 'below'):
        status, output, errors = reproduced(images, out)
        assert (status, output) == (2, '')
        assert 'is a file, expected a folder' in errors and errors.count('\n') == 1
    assert (tmp_path / 'out').read_text() == 'precious'


def test_a_full_disk_stops_the_sweep_in_one_line(images, tmp_path, monkeypatch, reproduced):
    def train(settings, path, *_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device', str(path))

    monkeypatch.setattr(serial, 'train', train)
    status, _, errors = reproduced(images, tmp_path / 'out', '--figure', '7')
    assert status == 1
    assert errors.count('\n') == 1 and 'no space left on device; free some space' in errors


def test_a_job_array_for_gpus_is_printed_where_there_is_none(images, tmp_path, reproduced):
    status, output, _ = reproduced(images, tmp_path, '--figure', '7', '-d', '0', '--print-slurm-array')
    assert status == 0
    assert '#SBATCH --gres=gpu:1\n' in output and ' -d 0 ' in output


def test_a_report_without_validation_images_is_refused_before_it_starts(tmp_path, reproduced):
    path = grey(tmp_path / 'grey.hdf5', validation=False)
    status, _, errors = reproduced(path, tmp_path / 'out', '--scale', 'full', report='emnist_kernels')
    assert status == 2
    assert 'needs a validation part, and there is none' in errors
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'report, figure, message',
    [
        ('mnist_convnetjs', '7', 'small.hdf5: does not suit mnist_convnetjs: the images have 3 channels'),
        ('emnist_learning_rules', '2', 'does not suit emnist_learning_rules: the images have 3 channels'),
        ('ie598', '2', "depth 'A' halves images 4 times and needs at least 16x16 pixels"),
    ],
)
def test_images_that_do_not_suit_are_refused_before_anything_is_written(
    images, tmp_path, reproduced, report, figure, message
):
    status, _, errors = reproduced(images, tmp_path / 'out', '--figure', figure, report=report)
    assert status == 2
    assert message in errors and errors.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_another_scale_does_not_go_into_the_folder(images, done, reproduced):
    status, _, errors = reproduced(images, done[0], '--scale', 'full')
    assert status == 2
    assert 'holds the scale smoke, not full' in errors


def test_another_compute_type_does_not_go_into_the_folder(images, done, reproduced):
    status, _, errors = reproduced(images, done[0], '--compute', 'bfloat16')
    assert status == 2
    # Where the CPU has no bfloat16, that is what is said.
    assert 'holds the compute type float32, not bfloat16' in errors or 'needs' in errors
