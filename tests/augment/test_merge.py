"""Shards, joined."""

import itertools
import re

import h5py
import numpy
import pytest

from augment.__main__ import main


def shard(source, folder, start, stop, *options):
    path = folder / f'shard{start}.hdf5'
    assert main([str(source), str(path), '--rows', f'{start}:{stop}', *options]) == 0
    return path


def merge(*arguments):
    return main(['merge', *map(str, arguments)])


# Chunks that are whole in a shard are copied as they are. Cuts lie within chunks, between chunks, and both.
CUTS = ([(41, 90), (0, 33), (33, 41)], [(0, 32), (32, 64), (64, 90)], [(0, 32), (32, 35), (35, 90)])


@pytest.mark.parametrize('how', [[], ['--copy']])
@pytest.mark.parametrize('options', [[], ['--gzip', '1', '--rotate', '90']])
@pytest.mark.parametrize('cuts', CUTS)
def test_merged_shards_are_the_whole(source, tmp_path, how, options, cuts):
    whole, merged = tmp_path / 'WHOLE.hdf5', tmp_path / 'MERGED.hdf5'
    assert main([str(source), str(whole), *options]) == 0
    shards = [shard(source, tmp_path, *rows, *options) for rows in cuts]
    assert merge(merged, *shards, *how) == 0
    if how:
        for path in shards:
            path.unlink()
    with h5py.File(whole) as one, h5py.File(merged) as other:
        assert set(one) == set(other)
        for name in ('X_train', 'Y_train', 'X_test', 'Y_test', 'mean'):
            numpy.testing.assert_array_equal(one[name][()], other[name][()])
            assert one[name].dtype == other[name].dtype
        assert other['X_train'].is_virtual == (not how)
        assert isinstance(other.get('alias', getlink=True), h5py.SoftLink)
        assert set(one.attrs) == set(other.attrs)
        assert list(other.attrs['augment_rows']) == [0, 90]
    assert not list(tmp_path.glob('MERGED.hdf5.*'))


def test_only_the_first_shard_carries_the_rest(source, tmp_path):
    with h5py.File(shard(source, tmp_path, 0, 10)) as file:
        assert {'X_test', 'Y_test', 'mean'} <= set(file)
    with h5py.File(shard(source, tmp_path, 10, 90)) as file:
        assert set(file) == {'X_train', 'Y_train'}


@pytest.mark.parametrize(
    ('rows', 'expected'),
    [
        ([(0, 30), (40, 90)], 'starts at row 40, but .* ends at row 30; write the gap with --rows 30:40'),
        ([(10, 90)], 'starts at row 10, but the first row ends at row 0'),
        ([(0, 40)], 'ends at row 40 of 90; write the rest with --rows 40:90'),
        ([(0, 40), (39, 90)], 'starts at row 39, within'),
    ],
)
def test_gaps_and_overlaps_are_refused(source, tmp_path, capsys, rows, expected):
    shards = [shard(source, tmp_path, *part) for part in rows]
    for order in itertools.permutations(shards):
        assert merge(tmp_path / 'OUT.hdf5', *order) == 2
        error = capsys.readouterr().err
        assert error.count('\n') == 1
        assert re.search(expected, error)
    assert not list(tmp_path.glob('OUT*'))


def test_shards_of_different_jobs_are_refused(source, tmp_path, capsys):
    first = shard(source, tmp_path, 0, 50)
    second = shard(source, tmp_path, 50, 90, '--rotate', '90')
    assert merge(tmp_path / 'OUT.hdf5', first, second) == 2
    assert 'augment_copies' in capsys.readouterr().err
    assert merge(tmp_path / 'OUT.hdf5', first, source) == 2
    assert 'found no shard' in capsys.readouterr().err


def test_virtual_merging_keeps_to_one_folder(source, tmp_path, capsys):
    (tmp_path / 'elsewhere').mkdir()
    shards = [shard(source, tmp_path / 'elsewhere', 0, 50), shard(source, tmp_path, 50, 90)]
    assert merge(tmp_path / 'OUT.hdf5', *shards) == 2
    assert 'lies in another folder' in capsys.readouterr().err
    assert merge(tmp_path / 'OUT.hdf5', *shards, '--copy') == 0


def test_a_shard_is_never_the_output(source, tmp_path):
    shards = [shard(source, tmp_path, 0, 50), shard(source, tmp_path, 50, 90)]
    before = [path.read_bytes() for path in shards]
    for path in shards:
        assert merge(path, *shards, '--overwrite') == 2
        assert merge(path, *shards) == 2
    assert [path.read_bytes() for path in shards] == before


def _external(file):
    images = file['X_train'][()]
    del file['X_train']
    file.create_dataset('X_train', images.shape, images.dtype, external=[('secret.bin', 0, images.nbytes)])


def _elsewhere(file):
    del file['X_train']
    file['X_train'] = h5py.ExternalLink('/elsewhere.hdf5', 'X_train')


def _never_written(file):
    images = file['X_train'][()]
    del file['X_train']
    file.create_dataset('X_train', images.shape, images.dtype, chunks=(8, *images.shape[1:]))


def _contiguous(file):
    images = file['X_train'][()]
    del file['X_train']
    file['X_train'] = images


def _endless(file):
    file.attrs['augment_rows'] = [0, numpy.inf]


def _other_labels(file):
    labels = file['Y_train'][()].astype('S5')
    del file['Y_train']
    file['Y_train'] = labels


def _labels_of_labels(file):
    labels = file['Y_train'][()][:, None, None]
    del file['Y_train']
    file['Y_train'] = labels


def _small_labels(file):
    labels = file['Y_train'][()].astype('u1')
    del file['Y_train']
    file['Y_train'] = labels


def _without_total(file):
    del file.attrs['augment_source_rows']


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (_external, 'X_train: its values lie in secret.bin'),
        (_elsewhere, 'X_train: found an external link'),
        (_never_written, 'X_train: '),
        (_contiguous, 'found no shard'),
        (_without_total, 'found no shard'),
        (_endless, 'found no shard'),
        (_other_labels, 'Y_train: found'),
        (_labels_of_labels, 'Y_train: found'),
        (_small_labels, 'expected int32 as in'),
    ],
)
@pytest.mark.parametrize('how', [[], ['--copy']])
def test_a_shard_is_read_as_strictly_as_a_source(source, tmp_path, capsys, how, change, expected):
    shards = [shard(source, tmp_path, 0, 50), shard(source, tmp_path, 50, 90)]
    (tmp_path / 'secret.bin').write_bytes(bytes(10**6))
    with h5py.File(shards[1], 'r+') as file:
        change(file)
    assert merge(tmp_path / 'OUT.hdf5', *shards, *how) == 2
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.glob('*OUT*'))


@pytest.mark.parametrize('changed', [{'chunks': (8, 1, 4, 8)}, {'fletcher32': True}])
def test_chunks_stored_otherwise_are_not_copied_as_they_are(source, tmp_path, capsys, changed):
    shards = [shard(source, tmp_path, *rows, '--gzip', '1') for rows in ((0, 32), (32, 90))]
    with h5py.File(shards[1], 'r+') as file:
        images, options = file['X_train'][()], {'chunks': file['X_train'].chunks} | changed
        attributes = dict(file['X_train'].attrs)
        del file['X_train']
        file.create_dataset('X_train', data=images, compression='gzip', compression_opts=1, **options)
        file['X_train'].attrs.update(attributes)
    status = merge(tmp_path / 'OUT.hdf5', *shards, '--copy')
    if status == 2:
        assert 'found no shard' in capsys.readouterr().err
        return
    with h5py.File(tmp_path / 'OUT.hdf5') as file:
        numpy.testing.assert_array_equal(file['X_train'][-len(images) :], images)


def test_what_lies_beside_the_output_stays(source, tmp_path):
    shards = [shard(source, tmp_path, 0, 50), shard(source, tmp_path, 50, 90)]
    foreign = [tmp_path / f'OUT.hdf5.{name}' for name in ('partial', 'partial.new', 'partial.journal')]
    for path in foreign:
        path.write_text('mine')
    assert merge(tmp_path / 'OUT.hdf5', *shards, '--copy') == 0
    assert all(path.read_text() == 'mine' for path in foreign)
