"""What values an option may have."""

import pytest

from vgg_cifar.option_kinds import FRACTION, TRUTH, check, choice, or_none, whole, wholes


@pytest.mark.parametrize(
    'kind, good, bad',
    [
        (whole(1), [1, 10**9], [0, 1.0, True, '1', None]),
        (wholes(0), [(0,), [1, 2]], [(), 3, (1.0,), (True,), 'abc', (-1,)]),
        (FRACTION, [0, 0.5], [1, -0.1, False, 'x', float('nan'), float('inf')]),
        (TRUTH, [True, False], [1, 0, 'True', None]),
        (choice((3, 5)), [3, 5], [4, 3.0, '3', True, {}]),
        (choice({'max': 1}), ['max'], ['min', 1, [], {}]),
        (or_none(whole(1)), [None, 1], [0, 'None']),
    ],
)
def test_what_is_of_a_kind(kind, good, bad):
    assert all(map(kind.fits, good))
    assert not any(map(kind.fits, bad))


def test_what_is_found_and_expected_is_said_in_a_line():
    check({'units': whole(1)}, {'units': 3})
    with pytest.raises(ValueError, match=r"^units is '\\x1b\[2J'; expected a whole number, 1 or more$"):
        check({'units': whole(1)}, {'units': '\x1b[2J'})
