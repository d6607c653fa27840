"""HDF5 files that point elsewhere, claim what they do not hold, or cannot be opened."""

import contextlib
import itertools
import os
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_data_file import save

from vgg_cifar import hdf5_file
from vgg_cifar.errors import InputError
from vgg_cifar.hdf5_file import Rows, opened

X = numpy.arange(60, dtype='int16').reshape(20, 3)


def rows(path, name='X'):
    return Rows(opened(path), name)


def whole(path, name='X'):
    with opened(path) as file, contextlib.closing(Rows(file, name)) as found:
        return found.read(0, len(found))


def refused(path, *fragments, name='X'):
    with pytest.raises(InputError) as error:
        whole(path, name)
    message = str(error.value)
    assert '\n' not in message
    for fragment in (str(path), *fragments):
        assert fragment in message
    return message


def test_no_file_a_folder_and_not_hdf5(tmp_path):
    refused(tmp_path / 'absent.hdf5', 'no such file', 'vgg-cifar data')
    refused(tmp_path, 'found a folder, expected an HDF5 file')
    text = tmp_path / 'text.hdf5'
    text.write_text('X_train')
    refused(text, 'not an HDF5 file')


def test_a_truncated_file(tmp_path):
    path = save(tmp_path / 'cut.hdf5', X=X)
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, 'not readable', 'truncated')


@pytest.mark.parametrize('name', ['x' * 5000, 'a\0b'])
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(InputError, match=r'no name that a file can have|no such file') as error:
        opened(Path(name))
    assert len(str(error.value)) < 400


def write_elsewhere(path, code):
    program = f'import h5py, os; file = h5py.File({str(path)!r}, "w", libver="latest"); file["X"] = 1; {code}'
    return subprocess.Popen([sys.executable, '-c', program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_locked_file_and_one_that_was_not_closed(tmp_path):
    path = tmp_path / 'busy.hdf5'
    with write_elsewhere(path, 'file.flush(); print(flush=True); input(); os._exit(0)') as writer:
        writer.stdout.readline()
        refused(path, 'locked by a program that writes to it', 'HDF5_USE_FILE_LOCKING=FALSE')
        writer.communicate(b'\n')
    refused(path, 'was not closed by what wrote it', '`h5clear -s`')


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    path = save(tmp_path / 'a.hdf5', X=X)

    def fails(*_):
        raise OSError(38, "Unable to open file (unable to lock file, errno = 38, error message = '...')")

    monkeypatch.setattr(h5py, 'File', fails)
    refused(path, 'cannot be locked on its file system', 'HDF5_USE_FILE_LOCKING=FALSE')


def test_a_filter_that_is_missing_is_named(tmp_path):
    # Zstandard, by its registered number; h5py's own files are read without it.
    path = save(tmp_path / 'a.hdf5')
    with h5py.File(path, 'w') as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((5, 3))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(X.shape)
        h5py.h5d.create(file.id, b'X', h5py.h5t.NATIVE_INT16, space, properties)
        file['X'][...] = X
    assert not h5py.h5z.filter_avail(32015)
    refused(path, 'the filter', '(32015), which HDF5 lacks here; `pip install hdf5plugin`')


def test_a_group_and_what_is_missing(tmp_path):
    path = save(tmp_path / 'group.hdf5', Y=X)
    with h5py.File(path, 'r+') as file:
        file.create_group('X')
    refused(path, 'X: found a group, expected a data set')
    refused(path, 'Z: missing, the file holds X, Y; names are case-sensitive', name='Z')
    refused(path, '.: missing', name='.')


@pytest.mark.parametrize(
    'link, message',
    [
        (h5py.SoftLink('/Y'), 'X: found a soft link'),
        (h5py.SoftLink('/nowhere'), 'X: found a soft link'),
        (h5py.ExternalLink('other.hdf5', '/X'), 'X: found an external link'),
    ],
)
def test_links_are_not_followed(tmp_path, link, message):
    save(tmp_path / 'other.hdf5', X=X)
    refused(save(tmp_path / 'linked.hdf5', Y=X, X=link), message)


def test_raw_storage_outside_the_file_is_not_read(tmp_path):
    (tmp_path / 'secret').write_bytes(bytes(120))
    with h5py.File(tmp_path / 'external.hdf5', 'w') as file:
        file.create_dataset('X', X.shape, 'i2', external=[(str(tmp_path / 'secret'), 0, 120)])
    refused(tmp_path / 'external.hdf5', 'X: its values lie in', 'secret')


def virtual(path, *sources, shape=X.shape, dtype='int16'):
    """Save a virtual X over `sources`: a file, a data set, rows of it, and what these are of the whole."""
    layout = h5py.VirtualLayout(shape, dtype)
    for file, name, of_part, of_whole in sources:
        layout[of_whole] = h5py.VirtualSource(str(file), name, (20, *shape[1:]), dtype)[of_part]
    with h5py.File(path, 'w') as file:
        file.create_virtual_dataset('X', layout)
    return path


ALL = slice(0, 20)


@given(cuts=st.sets(st.integers(1, 19), max_size=4), start=st.integers(0, 19), count=st.integers(0, 20))
def test_virtual_rows_are_what_hdf5_reads(tmp_path_factory, cuts, start, count):
    folder = tmp_path_factory.mktemp('virtual')
    ends = [0, *sorted(cuts), 20]
    parts = []
    for number, (first, stop) in enumerate(itertools.pairwise(ends)):
        part = save(folder / f'part {number} of 100%.hdf5', X=X[::-1] + number)
        of_part = slice(20 - stop, 20 - first)
        # HDF5 takes a percent sign for the start of a number's place.
        parts.append((part.name.replace('%', '%%'), 'X', of_part, slice(first, stop)))
    path = virtual(folder / 'whole.hdf5', *parts)
    stop = min(20, start + count)
    with h5py.File(path) as file:
        numpy.testing.assert_array_equal(rows(path).read(start, stop), file['X'][start:stop])


def test_a_virtual_data_set_over_its_own_file(tmp_path):
    path = virtual(tmp_path / 'whole.hdf5', ('.', 'Y', ALL, ALL))
    with h5py.File(path, 'r+') as file:
        file['Y'] = X
    numpy.testing.assert_array_equal(whole(path), X)


def test_parts_lie_beside_the_file_and_are_plain(tmp_path):
    folder = tmp_path / 'here'
    folder.mkdir()
    outside = save(tmp_path / 'part.hdf5', X=X)
    for name in ('../part.hdf5', str(outside)):
        refused(virtual(folder / 'a.hdf5', (name, 'X', ALL, ALL)), 'lies in another folder')
    (folder / 'link.hdf5').symlink_to(outside)
    refused(virtual(folder / 'c.hdf5', ('link.hdf5', 'X', ALL, ALL)), 'lies in another folder')
    refused(virtual(folder / 'd.hdf5', ('absent.hdf5', 'X', ALL, ALL)), 'X: its part absent.hdf5 is missing')
    refused(virtual(folder / 'e.hdf5', ('x' * 400, 'X', ALL, ALL)), 'no name that a file can have')
    (folder / 'text.hdf5').write_text('no')
    with pytest.raises(InputError, match=r'text\.hdf5: not an HDF5 file'):
        whole(virtual(folder / 'f.hdf5', ('text.hdf5', 'X', ALL, ALL)))
    refused(virtual(folder / 'g.hdf5', ('d.hdf5', 'X', ALL, ALL)), 'its part d.hdf5: X: found parts of parts')
    save(folder / 'raw.hdf5', X=h5py.ExternalLink('/etc/passwd', '/'))
    refused(
        virtual(folder / 'h.hdf5', ('raw.hdf5', 'X', ALL, ALL)), 'its part raw.hdf5: X: found an external'
    )
    refused(virtual(folder / 'i.hdf5', ('raw.hdf5', 'G/X', ALL, ALL)), 'found a part inside a group')
    refused(virtual(folder / 'j.hdf5', ('raw.hdf5', 'Y', ALL, ALL)), 'its part raw.hdf5: Y: missing')


def test_a_part_that_a_link_takes_the_place_of_is_noticed(tmp_path, monkeypatch):
    outside = save(tmp_path / 'outside.hdf5', X=X)
    folder = tmp_path / 'here'
    folder.mkdir()
    part = save(folder / 'part.hdf5', X=X)
    path = virtual(folder / 'whole.hdf5', (part.name, 'X', ALL, ALL))
    file = opened(path)

    def swapped(path):
        path.unlink()
        path.symlink_to(outside)
        return opened(path)

    monkeypatch.setattr(hdf5_file, 'opened', swapped)
    with pytest.raises(InputError, match=r'its part part\.hdf5 was replaced'):
        Rows(file, 'X')


@pytest.mark.parametrize(
    'sources, message',
    [
        ([], 'X: rows 0 to 19 have no source'),
        ([(slice(0, 5), slice(0, 5)), (slice(9, 20), slice(9, 20))], 'X: rows 5 to 8 have no source'),
        ([(slice(0, 12), slice(0, 12)), (slice(4, 13), slice(11, 20))], 'X: row 11 has two sources'),
        ([(slice(0, 20, 2), slice(0, 10))], 'does not stand for whole rows'),
        ([(slice(0, 10), slice(0, 20, 2))], 'does not stand for whole rows'),
        ([((ALL, slice(0, 2)), (ALL, slice(0, 2)))], 'does not stand for whole rows'),
    ],
)
def test_every_row_has_one_source(tmp_path, sources, message):
    save(tmp_path / 'part.hdf5', X=X)
    refused(virtual(tmp_path / 'a.hdf5', *(('part.hdf5', 'X', *source) for source in sources)), message)


def test_a_part_is_what_the_whole_says(tmp_path):
    virtual(tmp_path / 'a.hdf5', ('part.hdf5', 'X', slice(5, 20), slice(0, 15)), shape=(15, 3))
    save(tmp_path / 'part.hdf5', X=X[:12])
    refused(tmp_path / 'a.hdf5', 'its part part.hdf5: X: found 12 rows, expected 20')
    for other in (X.astype('int32'), X[:, :2], numpy.int16(3)):
        save(tmp_path / 'part.hdf5', X=other)
        refused(
            tmp_path / 'a.hdf5', 'its part part.hdf5: X: found', 'expected part of int16 of shape (15, 3)'
        )


@pytest.mark.parametrize('shape', [(10**12,), (2**61, 3), (100, 10**6, 10**6)])
@pytest.mark.parametrize('chunked', [True, False])
def test_what_was_never_written_is_not_read_as_zeros(tmp_path, shape, chunked):
    with h5py.File(tmp_path / 'a.hdf5', 'w') as file:
        chunks = (3,) * len(shape) if chunked else None
        file.create_dataset('X', shape, 'i1', chunks=chunks)
    refused(tmp_path / 'a.hdf5', 'never written')


def test_the_first_row_that_was_never_written_is_named(tmp_path):
    with h5py.File(tmp_path / 'a.hdf5', 'w') as file:
        file.create_dataset('X', (20, 3), 'i2', chunks=(4, 2))[:9] = X[:9]
    refused(tmp_path / 'a.hdf5', 'found 6 of 10 chunks, the first that was never written is at row 12')


@pytest.mark.parametrize('options', [{'compression': 'gzip'}, {'compression': 'lzf'}, {}])
@pytest.mark.parametrize('checked', [{'fletcher32': True, 'shuffle': True}, {}])
@pytest.mark.parametrize('chunks', [(7, 2), (20, 3), (1, 3)])
def test_what_was_stored_in_chunks_is_read_back(tmp_path, options, checked, chunks):
    with h5py.File(tmp_path / 'a.hdf5', 'w') as file:
        file.create_dataset('X', data=X, chunks=chunks, **options, **checked)
    found = rows(tmp_path / 'a.hdf5')
    assert found.chunk == chunks[0]
    for start, stop in ((0, 20), (6, 8), (19, 20), (3, 3)):
        numpy.testing.assert_array_equal(found.read(start, stop), X[start:stop])


def test_a_chunk_that_unpacks_to_more_than_it_should_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / 'bomb.hdf5'
    with h5py.File(path, 'w') as file:
        x = file.create_dataset('X', (2**16,), 'u1', chunks=(2**16,), compression='gzip')
        x.id.write_direct_chunk((0,), zlib.compress(bytes(2**26)))
    most = []
    inflate = zlib.decompressobj

    class Watched:
        def decompress(self, packed, most_bytes):
            most.append(most_bytes)
            return inflate().decompress(packed, most_bytes)

    monkeypatch.setattr(zlib, 'decompressobj', Watched)
    refused(path, 'X: the chunk at row 0 unpacks to more than the 65536 bytes that it should')
    assert most == [2**16 + 5]


def test_a_chunk_that_is_larger_packed_than_unpacked_is_not_read(tmp_path):
    path = tmp_path / 'bomb.hdf5'
    with h5py.File(path, 'w') as file:
        x = file.create_dataset('X', (100,), 'u1', chunks=(100,), compression='gzip')
        x.id.write_direct_chunk((0,), bytes(5000))
    refused(path, 'unpacks to more than the 100 bytes')


@pytest.mark.parametrize('compression, mib', [('gzip', 512), ('lzf', 32)])
def test_compressed_chunks_too_large_to_unpack_are_refused(tmp_path, compression, mib):
    path = tmp_path / 'vast.hdf5'
    with h5py.File(path, 'w') as file:
        file.create_dataset('X', (mib * 2**20,), 'u1', chunks=(mib * 2**20,), compression=compression)
    refused(path, f'found compressed chunks of {mib} MiB, expected {mib // 2} MiB at most', 'h5repack -l')


def test_filters_above_gzip_are_refused(tmp_path):
    path = tmp_path / 'twice.hdf5'
    with h5py.File(path, 'w') as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((20, 3))
        properties.set_deflate(1)
        properties.set_shuffle()
        space = h5py.h5s.create_simple(X.shape)
        h5py.h5d.create(file.id, b'X', h5py.h5t.NATIVE_INT16, space, properties)
        file['X'][...] = X
    refused(path, 'found gzip below other filters; `h5repack -f GZIP=4` puts that right')


def test_closing_closes_the_parts(tmp_path):
    save(tmp_path / 'part.hdf5', X=X)
    with opened(virtual(tmp_path / 'a.hdf5', ('part.hdf5', 'X', ALL, ALL))) as file:
        found = Rows(file, 'X')
        assert found.files == (tmp_path / 'part.hdf5',)
        found.close()
    # HDF5 does not write to a file that is open for reading.
    with h5py.File(tmp_path / 'part.hdf5', 'r+'), h5py.File(tmp_path / 'a.hdf5', 'r+'):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything: run as another user')
def test_a_file_that_may_not_be_read(tmp_path):
    path = save(tmp_path / 'a.hdf5', X=X)
    path.chmod(0)
    refused(path, 'may not be read')
