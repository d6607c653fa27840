"""oneDNN touches nothing but what it is given: a small part of what scripts/check_memory.py looks at."""

import pytest
from processes import ROOT, python

from vgg_cifar.accelerators.onednn import library


@pytest.mark.parametrize('isa', ['AVX2', 'DEFAULT'])
def test_nothing_outside_the_arguments(isa):
    """The weight gradient of a 1x1 convolution with a stride once wrote past its scratch memory on AVX2."""
    if isa == 'DEFAULT' and library.load().isa_name == 'AVX2':
        pytest.skip('the CPU has AVX2 and no more, which is tried anyway')
    options = ('--seed', 2, '--cases', 72, '--isa', isa, '--threads', 1)
    found = python(ROOT / 'scripts' / 'check_memory.py', *options)
    assert found.returncode == 0, found.stdout + found.stderr
    assert ' 0 findings' in found.stdout
