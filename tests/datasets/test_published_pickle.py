"""A pickle from outside is a program. None but the published ones is looked at."""

import hashlib
import pickle

import numpy
import pytest

from vgg_cifar.datasets.published_pickle import read_published_pickle
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
    content = read_published_pickle(OF_PYTHON_2, hashlib.md5(OF_PYTHON_2).hexdigest(), 'batch')
    assert content['labels'] == [3, 1]
    assert content['data'].dtype == numpy.uint8
    assert content['data'].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    'content',
    [
        b'',
        OF_PYTHON_2[:-1] + b'\0',
        pickle.dumps({'data': numpy.zeros((2, 3), 'u1')}, 5),
        b'\x80\x05\x96' + (2**33).to_bytes(8, 'little') + b'.',
        b'\x80\x02' + b'(' * 10**6,
    ],
)
def test_anything_else_is_not_looked_at(content, monkeypatch):
    monkeypatch.setattr(pickle, 'loads', None)
    with pytest.raises(InputError, match=r'batch: checksum: found .* get the official archive') as error:
        read_published_pickle(content, hashlib.md5(OF_PYTHON_2).hexdigest(), 'batch')
    assert '\n' not in str(error.value)
