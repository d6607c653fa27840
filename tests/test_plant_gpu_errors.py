"""What counts as caught in scripts/plant_gpu_errors.py."""

import pytest
from processes import ROOT, script

plant_gpu_errors = script('plant_gpu_errors')

PASSING = 'def test_one(): pass'


@pytest.mark.parametrize(
    ('tests', 'fails'),
    [
        (PASSING, False),
        ('def test_one(): assert False', True),
        ('def test_one(): import os; os.kill(os.getpid(), 11)', True),
        # Neither of these is a test that fails.
        ('import nosuch\n\n\ndef test_one(): pass', None),
        ('def test_other(): pass', None),
    ],
)
def test_only_a_test_that_fails_has_caught_something(tmp_path, tests, fails):
    folder = tmp_path / 'tests' / 'accelerators' / 'cudnn'
    folder.mkdir(parents=True)
    profile = "from hypothesis import settings\n\nsettings.register_profile('no-shrinking')\n"
    (folder / 'conftest.py').write_text(profile)
    (folder / 'test_it.py').write_text(tests)
    if fails is None:
        with pytest.raises(SystemExit, match='planted nothing: pytest could not run'):
            plant_gpu_errors.fails('test_one', tmp_path, 'planted nothing')
    else:
        assert plant_gpu_errors.fails('test_one', tmp_path, 'planted nothing') is fails


@pytest.mark.parametrize('error', plant_gpu_errors.ERRORS, ids=lambda error: error.what)
def test_what_is_replaced_is_there(error):
    text = (ROOT / plant_gpu_errors.FOLDER / error.file).read_text()
    assert error.right in text
    assert error.right != error.wrong
