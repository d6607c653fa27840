""".npz files from anyone: nothing in them runs, and no size that they declare is believed."""

import io
import struct
import zipfile

import numpy
import pytest

from vgg_cifar import npz
from vgg_cifar.errors import InputError
from vgg_cifar.models import MLP
from vgg_cifar.training import snapshot, weights
from vgg_cifar.training.run_folder import RunFolder

ARRAYS = {
    'fc/W': numpy.arange(6, dtype='f4').reshape(2, 3),
    'log': numpy.array('[{"epoch": 1}]'),
    'N': numpy.array(7),
    'flag': numpy.array(True),
    'empty': numpy.zeros((0, 4)),
    'order': numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
}


def header(shape, dtype='<f4', version=(1, 0)):
    file = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(file, {'descr': dtype, 'fortran_order': False, 'shape': shape})
    return file.getvalue()[:6] + bytes(version) + file.getvalue()[8:]


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class Touches:
    """What unpickling would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def plant(path, names, target):
    """Write a file of these arrays, with a pickle that would create `target` in the place of each in turn."""
    for planted in names:
        content = {name: numpy.zeros(3, 'f4') for name in names}
        content[planted] = numpy.array([Touches(target)], dtype=object)
        with path.open('wb') as file:
            numpy.savez(file, **content)
        yield planted


@pytest.mark.parametrize('save', [numpy.savez, numpy.savez_compressed])
def test_reads_what_numpy_wrote(tmp_path, save):
    save(tmp_path / 'a.npz', **ARRAYS)
    with npz.opened(tmp_path / 'a.npz') as found:
        assert found.shapes == {name: array.shape for name, array in ARRAYS.items()}
        assert len(found) == len(ARRAYS)
        for name, array in found.items():
            numpy.testing.assert_array_equal(array, ARRAYS[name], strict=True)
        with pytest.raises(KeyError):
            found['none']


def test_no_pickle_runs_in_any_place(tmp_path):
    """The bait works: NumPy, told to, would take it."""
    path, target = tmp_path / 'a.npz', tmp_path / 'ran'
    for planted in plant(path, list(ARRAYS), target):
        message = rf'a.npz: .*{planted}.npy: holds object, expected numbers'
        with pytest.raises(InputError, match=message), npz.opened(path):
            pass
    assert not target.exists()
    with numpy.load(path, allow_pickle=True) as found:
        dict(found)
    assert target.exists()


def test_no_pickle_runs_from_weights_or_a_snapshot(tmp_path):
    model, target = MLP(hidden=1, units=2, n_classes=3, image_shape=(1, 2, 2)), tmp_path / 'ran'
    names = [name.removeprefix('/') for name, _ in model.namedparams()]
    for _ in plant(tmp_path / 'model.npz', names, target):
        with pytest.raises(InputError, match=r'model.npz'):
            weights.load(tmp_path / 'model.npz', model)
    for _ in plant(tmp_path / 'snapshot.npz', ['updater/iteration', '_log', *names], target):
        with pytest.raises(InputError, match='not a snapshot of this run'):
            snapshot.read(RunFolder(tmp_path))
    assert not target.exists()


HOSTILE = {
    'more than the member holds': ({'a.npy': header((10**12,))}, 'do not hold'),
    'more than any member holds': ({'a.npy': header((2**63, 2**63))}, 'do not hold'),
    'less than the member holds': ({'a.npy': header((1,)) + bytes(100)}, 'do not hold'),
    'negative': ({'a.npy': header((-1,)) + bytes(4)}, 'a.npy'),
    'void': ({'a.npy': header((1,), '|V4') + bytes(4)}, 'expected numbers or text'),
    'object': ({'a.npy': header((1,), '|O') + b'cos\nsystem\n(S"x"\ntR.'}, 'expected numbers or text'),
    'unknown version': ({'a.npy': header((1,), version=(9, 9)) + bytes(4)}, r'version \(9, 9\)'),
    'no array': ({'a.npy': b'hello'}, 'a.npy'),
    'nothing': ({'a.npy': b''}, 'a.npy'),
    'other member': ({'a.txt': b'hello'}, 'expected NAME.npy'),
    'nested header': ({'a.npy': b'\x93NUMPY\1\0' + struct.pack('<H', 9000) + b'(' * 9000}, 'a.npy'),
    'escapes': ({'\x1b[2J.npy': b''}, r'\\x1b\[2J'),
    'long name': ({'a' * 10**4 + '.npy': b''}, 'aaa…aaa'),
}


@pytest.mark.parametrize('members, message', HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize('compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_is_no_array_is_refused_before_it_is_read(tmp_path, members, message, compression):
    path = write(tmp_path / 'a.npz', members, compression)
    with pytest.raises(InputError, match=message) as caught, npz.opened(path):
        pass
    assert len(str(caught.value)) < len(str(path)) + 300
    assert str(caught.value).isprintable()


def test_an_array_larger_than_memory_is_refused_before_it_is_decompressed(tmp_path, monkeypatch):
    numpy.savez_compressed(tmp_path / 'a.npz', a=numpy.zeros(10**6))
    monkeypatch.setattr(npz, 'free_memory', lambda: 10**6)
    monkeypatch.setattr(numpy.lib.format, 'read_array', lambda *_, **__: pytest.fail('read'))
    with npz.opened(tmp_path / 'a.npz') as arrays, pytest.raises(InputError, match='of memory are free'):
        arrays['a']


def test_text_of_no_length_takes_memory_too(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, 'free_memory', lambda: 10**9)
    path = write(tmp_path / 'a.npz', {'a.npy': header((10**15,), '<U0')})
    with npz.opened(path) as arrays, pytest.raises(InputError, match='of memory are free'):
        arrays['a']


def test_a_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive, pytest.warns(UserWarning, match='Duplicate'):
        for value in (b'1', b'2'):
            archive.writestr('a.npy', header((1,), '|S1') + value)
    with pytest.raises(InputError, match='each name once'), npz.opened(tmp_path / 'a.npz'):
        pass


def test_a_wrong_checksum_and_a_cut_file_are_refused(tmp_path):
    numpy.savez(tmp_path / 'a.npz', a=numpy.arange(1000.0))
    content = bytearray((tmp_path / 'a.npz').read_bytes())
    content[4000] ^= 1
    (tmp_path / 'a.npz').write_bytes(content)
    with npz.opened(tmp_path / 'a.npz') as arrays, pytest.raises(InputError, match='Bad CRC-32'):
        arrays['a']
    (tmp_path / 'a.npz').write_bytes(content[:4000])
    with pytest.raises(InputError, match=r'not a .npz file'), npz.opened(tmp_path / 'a.npz'):
        pass


def test_what_is_no_file_is_named(tmp_path):
    for path, message in (
        (tmp_path / 'none.npz', 'no such file'),
        (tmp_path, 'found a folder, expected a .npz'),
    ):
        with pytest.raises(InputError, match=message), npz.opened(path):
            pass


def test_weights_of_another_network_are_refused_before_they_are_read(tmp_path):
    shape = {'n_classes': 2, 'image_shape': (1, 2, 2)}
    weights.save(tmp_path / 'a.npz', MLP(hidden=1, units=2, **shape))
    model = MLP(hidden=1, units=2, **shape)
    weights.load(tmp_path / 'a.npz', model)
    with numpy.load(tmp_path / 'a.npz') as saved:
        for name, parameter in model.namedparams():
            numpy.testing.assert_array_equal(parameter.array, saved[name.removeprefix('/')])
    with pytest.raises(InputError, match=r'a.npz: fc1/W is \(2, 4\), expected \(3, 4\); these are not'):
        weights.load(tmp_path / 'a.npz', MLP(hidden=1, units=3, **shape))
    with pytest.raises(InputError, match=r'a.npz: fc3/W is missing'):
        weights.load(tmp_path / 'a.npz', MLP(hidden=2, units=2, **shape))
    with numpy.load(tmp_path / 'a.npz') as saved:
        text = {name: numpy.full(saved[name].shape, 'x') for name in saved.files}
    numpy.savez(tmp_path / 'a.npz', **text)
    with pytest.raises(InputError, match='not the weights of a network'):
        weights.load(tmp_path / 'a.npz', model)
