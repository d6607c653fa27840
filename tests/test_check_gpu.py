"""A dry run of scripts/check_gpu.py on the CPU."""

import importlib.util
import json

import pytest
from processes import ROOT

SPEC = importlib.util.spec_from_file_location('check_gpu', ROOT / 'scripts' / 'check_gpu.py')
check_gpu = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_gpu)


def dry_run(out, *options):
    return check_gpu.main(['-d', '-1', '--small', '-o', str(out), *options])


def test_parts_that_are_done_are_not_done_again(tmp_path, capfd, monkeypatch):
    assert dry_run(tmp_path, '--only', 'versions', 'errors') == 0
    assert 'errors: done, ' in capfd.readouterr().out
    found = {name: json.loads((tmp_path / f'{name}.json').read_text()) for name in ('versions', 'errors')}
    assert found['versions']['shown']['chainer'] == '7.8.1'
    assert 0 < found['errors']['shown']['layers.convolution float32'] < 1e-4
    assert dry_run(tmp_path, '--only', 'versions', 'errors') == 0
    assert capfd.readouterr().out == 'versions: done before\nerrors: done before\n'
    monkeypatch.setattr(check_gpu, 'sources', lambda: 'others')
    monkeypatch.setattr(check_gpu, 'SECONDS', {'versions': 0})
    assert dry_run(tmp_path, '--only', 'versions') == 1
    assert 'versions: OUT OF TIME' in capfd.readouterr().out


def test_a_part_that_fails_leaves_nothing(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(
        check_gpu, 'started', lambda *command: check_gpu.subprocess.Popen(['false'], start_new_session=True)
    )
    assert dry_run(tmp_path, '--only', 'versions') == 1
    output = capfd.readouterr()
    assert 'versions: FAILED' in output.out
    assert 'not done: versions; the same command does them' in output.err
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_fails_fails_its_part(tmp_path, capfd, monkeypatch):
    def broken(x):
        raise RuntimeError('no such plan')

    monkeypatch.setattr(check_gpu, 'functions', lambda: [('convolution', broken, [(2, 2)])])
    monkeypatch.setattr(check_gpu, 'torchs_error', lambda device: 0.0)
    monkeypatch.setitem(check_gpu.SECONDS, 'errors', 0)
    assert dry_run(tmp_path, '--work', 'errors') == 1
    shown = json.loads((tmp_path / 'errors.json').read_text())['shown']
    assert shown['failed'] == {'convolution f4': 'RuntimeError: no such plan'}
    assert shown['layers.linear float32'] < 1e-4
    assert dry_run(tmp_path, '--only', 'errors') == 1
    assert 'errors: OUT OF TIME' in capfd.readouterr().out


@pytest.mark.parametrize('part', ['steps', 'speed', 'same-bits', 'study'])
def test_every_part_is_known(part):
    assert part in check_gpu.PARTS
    assert part in check_gpu.SECONDS
    assert f'\n{part} ' in check_gpu.__doc__
