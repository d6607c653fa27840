"""A dry run of scripts/check_gpu.py on the CPU."""

import json
import shutil
import types

import numpy
import pytest
from processes import script
from small_data_file import save

check_gpu = script('check_gpu')


def dry_run(out, *options):
    return check_gpu.main(['-d', '-1', '--small', '-o', str(out), *options])


def shown(out, part):
    return json.loads((out / f'{part}.json').read_text())['shown']


@pytest.fixture(scope='module')
def known(tmp_path_factory):
    """A folder in which the first two parts are done."""
    out = tmp_path_factory.mktemp('known')
    assert dry_run(out, '--only', 'errors') == 0
    return out


@pytest.fixture
def out(known, tmp_path):
    """A copy of it."""
    return shutil.copytree(known, tmp_path / 'out')


def test_the_first_parts(out):
    assert shown(out, 'versions')['chainer'] == '7.8.1'
    assert 0 < shown(out, 'errors')['layers.convolution float32'] < 1e-4


@pytest.mark.parametrize('part', ['steps', 'speed', 'report', 'same-bits', 'study'])
def test_a_dry_run(part, tmp_path, capfd):
    numbers = numpy.random.RandomState(0)
    labels = numpy.arange(150, dtype='i4') % 10
    images = numbers.randint(0, 256, (2, 150, 3, 32, 32)).astype('u1')
    data = save(tmp_path / 'CIFAR10.hdf5', X_train=images[0], Y_train=labels, X_test=images[1], Y_test=labels)
    assert dry_run(tmp_path, '--only', part, '--data', str(data)) == 0, capfd.readouterr()
    found = shown(tmp_path, part)
    if part == 'steps':
        assert found['seed 0, float32']['eager'] == found['seed 0, float32']['captured']
    elif part == 'speed':
        assert set(found['eager']['contenders']) == {'ours, float32', 'stock Chainer'}
    elif part == 'report':
        assert found['hours'] > 0
    elif part == 'same-bits':
        assert found == {'was killed in the middle': True, 'resumed': True, 'augmented': True}
    else:
        assert (tmp_path / found['ie598']).exists()
        assert list(found) == ['ie598']


@pytest.mark.parametrize('change', ['sources', 'versions', 'failed', 'ended early', None])
def test_what_is_done_is_not_done_again_unless_something_else_is_here(out, capfd, monkeypatch, change):
    content = json.loads((out / 'errors.json').read_text())
    if change == 'sources':
        monkeypatch.setattr(check_gpu, 'sources', lambda: 'others')
    elif change == 'versions':
        content['case']['versions']['chainer'] = '7.8.0'
    elif change is not None:
        content['done'] = False
    (out / 'errors.json').write_text(json.dumps(content))
    monkeypatch.setattr(check_gpu, 'SECONDS', {'versions': 60, 'errors': 0})
    assert dry_run(out, '--only', 'errors') == (0 if change is None else 1)
    told = 'errors: done before' if change is None else 'errors: OUT OF TIME'
    assert told in capfd.readouterr().out


def test_the_checksum_knows_what_is_checked(monkeypatch, tmp_path):
    for name in ('vgg_cifar', 'augment', 'scripts'):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(check_gpu, 'ROOT', tmp_path)
    found = {check_gpu.sources()}
    for name in ('vgg_cifar/kernels.cu', 'augment/transforms.py', 'scripts/bench_step.py'):
        (tmp_path / name).write_text(name)
        found.add(check_gpu.sources())
    assert len(found) == 4


def test_a_part_that_ends_early_leaves_nothing(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(
        check_gpu, 'started', lambda *command: check_gpu.subprocess.Popen(['false'], start_new_session=True)
    )
    assert dry_run(tmp_path, '--only', 'versions') == 1
    output = capfd.readouterr()
    assert 'versions: FAILED' in output.out
    assert 'not done: versions; the same command does them' in output.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('data', [[], ['--data', 'nosuch.hdf5']])
def test_a_study_without_its_data_is_refused(tmp_path, capfd, data):
    with pytest.raises(SystemExit) as caught:
        dry_run(tmp_path / 'out', '--only', 'study', *data)
    assert caught.value.code == 2
    assert '--data' in capfd.readouterr().err
    assert not (tmp_path / 'out').exists()


def broken(x):
    raise RuntimeError('no such plan')


def wrong(x):
    """Have a gradient that is no number on the side that is compared, which has float32."""
    zeros = x * 0
    return zeros / zeros if x.dtype == numpy.float32 else x * 1


@pytest.mark.parametrize(
    ('function', 'why'),
    [
        (broken, 'RuntimeError: no such plan'),
        (wrong, 'AssertionError: the error is nan; expected at most 0.001'),
    ],
)
def test_what_fails_fails_its_part_and_the_rest_is_shown(tmp_path, monkeypatch, function, why):
    monkeypatch.setattr(check_gpu, 'functions', lambda: [('convolution', function, [(2, 2)])])
    monkeypatch.setattr(check_gpu, 'torchs_error', lambda device: 0.0)
    with numpy.errstate(all='ignore'):
        assert dry_run(tmp_path, '--work', 'errors') == 1
    assert shown(tmp_path, 'errors')['failed'] == {'convolution f4': why}
    assert shown(tmp_path, 'errors')['layers.linear float32'] < 1e-4
    assert not json.loads((tmp_path / 'errors.json').read_text())['done']


def test_the_largest_of_errors_is_nan_where_one_is():
    one = numpy.ones(3)
    assert numpy.isnan(check_gpu.apart([one, one], [one, one * numpy.nan]))
    assert check_gpu.apart([one, 2 * one], [one, 3 * one]) == 0.5


@pytest.mark.parametrize(
    ('losses', 'why'),
    [
        (lambda eager, device: [2.0, 1.0 if eager or device == '-1' else 1.001], 'captured steps differ'),
        (lambda eager, device: [2.0, 1.0 if device == '-1' else 1.1], "eager losses are not the CPU's"),
        (lambda eager, device: [2.0, 1.0 if device == '-1' else numpy.nan], "eager losses are not the CPU's"),
    ],
)
def test_losses_that_differ_fail(monkeypatch, losses, why):
    monkeypatch.setattr(
        check_gpu,
        'losses_of',
        lambda seed, count, batch, device, compute, eager: losses(eager, device),
    )
    *_, found = check_gpu.steps(types.SimpleNamespace(small=True, device='@numpy'))
    assert why in found['failed']['seed 0, float32']
