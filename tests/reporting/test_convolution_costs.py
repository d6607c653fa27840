"""The page of the study of convolutions, from made-up costs."""

import json

import pytest
from reporting.made_up_runs import ENVIRONMENT

from vgg_cifar.errors import InputError
from vgg_cifar.reporting import convolution_costs
from vgg_cifar.studies import (
    convolution_implementations,
)


def made_up_costs(factor):
    """Costs by formula: each implementation's time is `factor` times the multiply-adds, in three rounds."""
    sweep = convolution_implementations.SCALES['smoke']
    costs = []
    for size in sweep.all_sizes():
        for name in convolution_implementations.IMPLEMENTATIONS[:4]:
            for backward in (False, True):
                seconds = factor[name] * 1e-9 * convolution_implementations.expected_time(size)
                costs.append(
                    {
                        'implementation': name,
                        **vars(size),
                        'backward': backward,
                        'peak_bytes': [
                            convolution_implementations.columns_storage(size) if name == 'im2col' else 9
                        ]
                        * 2,
                        'seconds': [seconds, seconds * 1.001, seconds * 0.999],
                    }
                )
    return {'rounds': 3, 'environment': ENVIRONMENT, 'costs': costs}


def test_convolutions_are_judged_by_their_costs(tmp_path):
    factor = {'loops': 100, 'scipy.signal': 10, 'im2col': 1, 'Chainer on NumPy': 2}
    (tmp_path / 'study.json').write_text(
        json.dumps({'study': convolution_implementations.ID, 'scale': 'smoke'})
    )
    (tmp_path / 'costs.json').write_text(json.dumps(made_up_costs(factor)))
    page = convolution_costs.build(tmp_path).read_text()
    content = json.loads((tmp_path / 'claims.json').read_text())
    assert {claim['id'].partition('.')[2]: claim['verdict'] for claim in content['claims']} == {
        'loops-slowest': 'reproduced',
        'im2col-fast-when-large': 'reproduced',
        'im2col-slow-when-small': 'not reproduced',
        'im2col-memory': 'reproduced',
        'time-model': 'reproduced',
    }
    assert page.count('<figure>') == 2 and 'layers.time-model' in page
    assert (tmp_path / 'figures' / 'figure_forward.png').exists()
    rows = (tmp_path / 'tables' / 'costs.csv').read_text().splitlines()
    assert len(rows) == 1 + len(made_up_costs(factor)['costs'])


def test_convolutions_without_costs(tmp_path):
    with pytest.raises(InputError, match=r'study\.json: not readable'):
        convolution_costs.build(tmp_path)
