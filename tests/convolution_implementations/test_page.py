"""The page of the study of convolutions, from made-up costs."""

import json

import pytest
from reporting.made_up_runs import ENVIRONMENT

from vgg_cifar.convolution_implementations import page, study
from vgg_cifar.errors import InputError


def made_up_costs(factor):
    """Costs by formula: each implementation's time is `factor` times the multiply-adds, in three rounds."""
    ranges = study.SCALES['smoke']
    costs = []
    for size in ranges.all_sizes():
        for name in study.IMPLEMENTATIONS[:4]:
            for backward in (False, True):
                seconds = factor[name] * 1e-9 * study.expected_time(size)
                costs.append(
                    {
                        'implementation': name,
                        **vars(size),
                        'backward': backward,
                        'peak_bytes': [study.columns_storage(size) if name == 'im2col' else 9] * 2,
                        'seconds': [seconds, seconds * 1.001, seconds * 0.999],
                    }
                )
    return {'rounds': 3, 'environment': ENVIRONMENT, 'costs': costs}


def test_convolutions_are_judged_by_their_costs(tmp_path):
    factor = {'loops': 100, 'scipy.signal': 10, 'im2col': 1, 'Chainer on NumPy': 2}
    (tmp_path / 'study.json').write_text(json.dumps({'study': study.ID, 'scale': 'smoke'}))
    (tmp_path / 'costs.json').write_text(json.dumps(made_up_costs(factor)))
    built = page.build(tmp_path).read_text()
    content = json.loads((tmp_path / 'claims.json').read_text())
    assert {claim['id'].partition('.')[2]: claim['verdict'] for claim in content['claims']} == {
        'loops-slowest': 'reproduced',
        'im2col-fast-when-large': 'reproduced',
        'im2col-slow-when-small': 'not reproduced',
        'im2col-memory': 'reproduced',
        'time-model': 'reproduced',
    }
    assert built.count('<figure>') == 2 and 'layers.time-model' in built
    assert (tmp_path / 'figures' / 'figure_forward.png').exists()
    rows = (tmp_path / 'tables' / 'costs.csv').read_text().splitlines()
    assert len(rows) == 1 + len(made_up_costs(factor)['costs'])


def test_convolutions_without_costs(tmp_path):
    with pytest.raises(InputError, match=r'study\.json: not there; `vgg-cifar reproduce'):
        page.build(tmp_path)
