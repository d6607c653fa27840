"""Numbers of things, and sizes, in words."""

import pytest

from vgg_cifar.counting import counted, in_bytes


def test_one_of_a_thing_is_no_plural():
    assert [counted(n, 'image') for n in (0, 1, 2, 1000)] == [
        '0 images',
        '1 image',
        '2 images',
        '1,000 images',
    ]
    assert counted(1, 'class', 'classes') == '1 class' and counted(3, 'class', 'classes') == '3 classes'


@pytest.mark.parametrize(
    'size, said',
    [
        (0, '0 bytes'),
        (999, '999 bytes'),
        (3e6, '3.0 MB'),
        (999_960, '1.0 MB'),
        (2**31, '2.1 GB'),
        (4e15, '4,000.0 TB'),
    ],
)
def test_a_size_has_the_unit_that_shows_it(size, said):
    assert in_bytes(size) == said
