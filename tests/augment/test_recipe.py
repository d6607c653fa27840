"""What can be asked for."""

import pytest

from augment.recipe import Recipe
from vgg_cifar.errors import InputError


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({'gzip': 77}, '--gzip: found 77, expected 0, 1,'),
        ({'gzip': -1}, '--gzip: found -1'),
        ({'dtype': 'float64'}, "--dtype: found 'float64', expected float32, uint8"),
        ({'median_window': '3x3'}, "--median-window: found '3x3', expected channels, plane"),
        ({'copies': ('flip', 'flip')}, '--copies: found flip twice'),
        ({'copies': ()}, '--copies, --rotate: '),
        ({'copies': ('sharpen',)}, "--copies, --rotate: copy 'sharpen'"),
        ({'rotate': 0.0}, '--copies, --rotate: '),
        ({'dtype': 'uint8'}, '--dtype uint8: cannot hold normalize'),
    ],
)
def test_what_cannot_be_made_is_refused(values, expected):
    with pytest.raises(InputError) as refused:
        Recipe(**values)
    assert expected in str(refused.value)
