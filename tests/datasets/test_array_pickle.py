"""A pickle from outside is a program. None of these may run."""

import os
import pickle
from pathlib import Path

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vgg_cifar.datasets.array_pickle import read_pickle
from vgg_cifar.errors import InputError

# Written by Python 2.7.18 with NumPy 1.16.6, protocol 2:
# {'labels': [3, 1], 'data': np.arange(6, dtype='u1').reshape(2, 3), 'filenames': ['a', 'b']}
OF_PYTHON_2 = (
    b'\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x03K\x01eU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05'
    b'cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87R'
    b'q\t(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06\x00\x01\x02\x03\x04\x05tbU\tfilenamesq\n'
    b']q\x0b(U\x01aU\x01beu.'
)


def test_a_pickle_of_python_2():
    content = read_pickle(OF_PYTHON_2, 'batch')
    assert content['labels'] == [3, 1]
    assert content['filenames'] == ['a', 'b']
    assert content['data'].dtype == numpy.uint8
    assert content['data'].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize('protocol', [0, 1, 2, 3, 4])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_pickles_of_todays_numpy(protocol, order):
    data = numpy.asarray(numpy.arange(256).reshape(2, 128).astype(numpy.uint8), order=order)
    content = read_pickle(pickle.dumps({'data': data, 'labels': [0, 9]}, protocol), 'batch')
    numpy.testing.assert_array_equal(content['data'], data)
    assert content['labels'] == [0, 9]


class Calls:
    """Pickles as a call of `function` with `arguments`, then, where given, a state to be set."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


def object_array(item):
    array = numpy.empty(1, object)
    array[0] = item
    return array


def hostile(folder):
    """Return pickles that would leave a file in `folder` if they could."""
    command = f'touch {folder / "ran"}'
    code = f'open({str(folder / "ran")!r}, "w")'
    reconstruct = numpy.empty(0).__reduce__()[0]
    return {
        'os.system': Calls(os.system, command),
        'eval': Calls(eval, code),
        'exec': Calls(exec, code),
        'a nested call in a list': {'labels': [Calls(os.system, command)]},
        'getattr of a module': Calls(getattr, Calls(__import__, 'os'), 'system'),
        'a call in an object array': {'data': object_array(Calls(os.system, command))},
        'a call in an array state': {
            'data': Calls(reconstruct, numpy.ndarray, (0,), b'b', state=Calls(os.system, command))
        },
        'a call in a dtype state': {'data': Calls(numpy.dtype, 'u1', state=Calls(eval, code))},
        'a scalar of a pickle': Calls(numpy.float64(0).__reduce__()[0], numpy.dtype('O'), Calls(eval, code)),
        'numpy.load of a pickle': Calls(numpy.load, str(folder / 'evil.npy'), None, True),
        'ndarray.tofile': Calls(numpy.ndarray.tofile, numpy.zeros(1), str(folder / 'ran')),
        'pickle in a pickle': Calls(pickle.loads, pickle.dumps(Calls(os.system, command))),
    }


@pytest.mark.parametrize('protocol', [0, 2, 4, 5])
@pytest.mark.parametrize('name', list(hostile(Path())))
def test_a_hostile_pickle_runs_nothing(tmp_path, name, protocol):
    numpy.save(tmp_path / 'evil.npy', object_array(Calls(os.system, f'touch {tmp_path / "ran"}')), True)
    content = pickle.dumps(hostile(tmp_path)[name], protocol)
    with pytest.raises(InputError, match='batch: refused as a pickle') as error:
        read_pickle(content, 'batch')
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'ran').exists()


def test_the_hostile_pickles_do_run_where_nothing_stops_them(tmp_path):
    # Otherwise the test above could not fail.
    numpy.save(tmp_path / 'evil.npy', object_array(Calls(os.system, f'touch {tmp_path / "ran"}')), True)
    for name in (
        'os.system',
        'eval',
        'a call in an object array',
        'numpy.load of a pickle',
        'ndarray.tofile',
    ):
        pickle.loads(pickle.dumps(hostile(tmp_path)[name]))
        assert (tmp_path / 'ran').exists(), name
        (tmp_path / 'ran').unlink()


def test_what_was_asked_for_is_named():
    with pytest.raises(InputError, match=r'it asks for (posix|nt)\.system, expected only arrays'):
        read_pickle(pickle.dumps(Calls(os.system, 'true')), 'batch')


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'\x80\x02}',
        OF_PYTHON_2[:-20],
        # Claims four gigabytes of bytes, and a memo of four billion entries.
        b'\x80\x03B\xff\xff\xff\xff.',
        b'\x80\x02Nr\xff\xff\xff\xff.',
        # A persistent id, an extension code, an instance by its old opcode.
        b'\x80\x02K\x01Q.',
        b'\x80\x02\x82\x01.',
        b'(S"true"\nios\nsystem\n.',
        # Attributes set on the stand-in itself.
        b'\x80\x02cnumpy\ndtype\n}U\x08__init__K\x01sb.',
        b'\x80\x02cnumpy\ndtype\nN}U\x08__init__K\x01s\x86b.',
    ],
)
def test_damaged_and_crafted_streams_are_refused_in_one_line(content):
    with pytest.raises(InputError, match='batch: refused as a pickle') as error:
        read_pickle(content, 'batch')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'content, message',
    [
        ([1, 2], 'it holds a list, expected a dict'),
        ({'data': numpy.zeros(2)}, 'an array that is not of bytes'),
        ({'data': numpy.dtype('u1')}, 'a type where data was expected'),
    ],
)
def test_other_contents_are_refused(content, message):
    with pytest.raises(InputError, match=message):
        read_pickle(pickle.dumps(content, 2), 'batch')


CHANGE = st.tuples(st.integers(0, len(OF_PYTHON_2) - 1), st.integers(0, 255))


@given(changes=st.lists(CHANGE, min_size=1, max_size=4))
@example(changes=[(0, 0)])
def test_a_bent_pickle_gives_arrays_or_one_clear_error(changes):
    content = bytearray(OF_PYTHON_2)
    for position, value in changes:
        content[position] = value
    try:
        found = read_pickle(bytes(content), 'batch')
    except InputError as error:
        assert str(error).startswith('batch: refused as a pickle')
        assert '\n' not in str(error)
    else:
        assert isinstance(found, dict)
        for value in found.values():
            assert type(value).__module__ in ('builtins', 'numpy')
