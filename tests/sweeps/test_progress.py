"""What a sweep says of how far it has come."""

import sys

import pytest

from vgg_cifar.sweeps import progress, sweep
from vgg_cifar.sweeps.progress import Progress, duration


@pytest.mark.parametrize(
    'seconds, text', [(7.4, '7 s'), (89, '89 s'), (95, '2 min'), (3600, '60 min'), (6000, '1 h 40 min')]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_time_left_follows_the_speed_so_far(monkeypatch, capsys):
    clock = iter([0.0, 30.0, 90.0])
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
    with Progress({'a': 10.0, 'b': 10.0, 'c': 40.0}, speed=1.0, out=sys.stdout) as told:
        # 10 in 30 s, and a prior of 20 at 1 a second: 30 in 50 s, with 50 left.
        told.ended('a', 'test accuracy 0.5', at_once=2)
        # 20 in 90 s and the prior: 40 in 110 s, with 40 left.
        told.ended('b', 'failed: why', at_once=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        '[1/3] a: test accuracy 0.5; 2 running, 0 to come, about 83 s left',
        '[2/3] b: failed: why; 1 running, 0 to come, about 2 min left',
    ]


@pytest.mark.parametrize('load, busy', [(0.2, False), (1.4, True), (7.0, True)])
def test_other_work_on_the_machine_is_told(monkeypatch, load, busy):
    monkeypatch.setattr(sweep.os, 'getloadavg', lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(sweep.os, 'cpu_count', lambda: 2)
    monkeypatch.setattr(sweep.machine, 'cores', lambda: 2.0)
    assert (f'a load of {load} on 2 cores' in sweep._busy()) == busy
