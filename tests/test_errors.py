"""What an error becomes at the end of a command."""

import errno
import logging
import signal
import subprocess
import sys

import pytest
from processes import ROOT

from vgg_cifar.atomic import replacing
from vgg_cifar.errors import InputError, Interrupted, InUse, WorkFailed, exit_status, first_line


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ('error', 'status', 'line'),
    [
        (InputError('a: b'), 2, 'a: b'),
        (InUse('a: b'), 2, 'a: b'),
        (WorkFailed('a: b'), 1, 'a: b'),
        (Interrupted(signal.SIGTERM, 'half is done'), 143, 'stopped by SIGTERM; half is done'),
        (KeyboardInterrupt(), 130, 'stopped by SIGINT'),
        (OSError(errno.ENOSPC, 'No space', 'x'), 1, 'x: no space; free some space'),
        (PermissionError(errno.EACCES, 'Denied', 'x'), 2, 'x: denied; allow it, or choose another place'),
        (MemoryError('of 8 TB'), 1, 'not enough memory (of 8 TB); use fewer'),
    ],
)
def test_an_error_becomes_a_line_and_a_status(capsys, error, status, line):
    assert exit_status('program', raising(error), debug=lambda: False) == status
    printed = capsys.readouterr().err
    assert printed.startswith(f'program: {line}')
    assert printed.count('\n') == 1
    with pytest.raises(type(error)):
        exit_status('program', raising(error), debug=lambda: True)


def test_nobodys_error_keeps_its_traceback():
    with pytest.raises(KeyError):
        exit_status('program', raising(KeyError('x')), debug=lambda: False)


def test_work_that_is_done_gives_its_own_status():
    assert exit_status('program', lambda: 0, debug=lambda: False) == 0


def test_first_line_of_an_error_without_words():
    assert first_line(ValueError()) == 'ValueError'
    assert first_line(ValueError('one\ntwo')) == 'one'


def test_a_message_shows_what_it_quotes_from_files_printably(capsys):
    exit_status('program', raising(InputError('\x1b[2Jname\n\0' + 'x' * 1_000_000)), debug=lambda: False)
    error = capsys.readouterr().err
    assert error.startswith(r'program: \x1b[2Jname\n\x00xxx')
    assert error.count('\n') == 1 and len(error) < 10_000


def test_what_the_package_logs_meanwhile_is_a_printable_line_each(capsys):
    logger = logging.getLogger('vgg_cifar.somewhere')

    def work():
        logger.debug('no')
        logger.info('reading %s', 'a\x1b[31m')
        logging.getLogger('other').info('no')
        return 0

    assert exit_status('vgg-cifar', work, lambda: False) == 0
    assert capsys.readouterr().err == 'reading a\\x1b[31m\n'
    logger.info('no')
    assert not capsys.readouterr().err


def test_a_reader_who_has_had_enough_is_no_error():
    code = (
        'import sys; from vgg_cifar.errors import exit_status; '
        "sys.exit(exit_status('x', lambda: print('y' * 10**6) or 0, lambda: False))"
    )
    command = f'{sys.executable} -c "{code}" | head -c 1; echo ${{PIPESTATUS[0]}}'
    result = subprocess.run(['bash', '-c', command], capture_output=True, text=True, cwd=ROOT)
    assert (result.stdout, result.stderr) == ('y141\n', '')


def test_an_error_of_a_librarys_keeps_its_words(tmp_path):
    with pytest.raises(OSError, match=r'^cannot write data$'), replacing(tmp_path / 'out'):
        raise OSError('cannot write data')
    with pytest.raises(OSError, match='out'), replacing(tmp_path / 'out'):
        raise OSError(errno.ENOSPC, 'No space left on device')
