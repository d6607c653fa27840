"""From file to file, through the command; resuming after a kill at every step."""

import errno
import fcntl
import os
import resource
import signal
import subprocess

import h5py
import numpy
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import ROOT, python

from augment import transforms
from augment.__main__ import main
from augment.layout import layout


def content(path):
    """Return all that a file holds, by name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {})
        )
    return found


def test_copies_lie_beside_each_other_and_the_rest_is_passed_on(source, tmp_path, images):
    out = tmp_path / 'OUT.hdf5'
    assert main([str(source), str(out)]) == 0
    before, after = content(source), content(out)
    assert after['X_train'].dtype == 'float32'
    assert after['X_train'].tobytes() == transforms.apply_copies(images).tobytes()
    numpy.testing.assert_array_equal(after['Y_train'], before['Y_train'].repeat(4))
    assert after['Y_train'].dtype == 'int32'
    assert after['X_test'].dtype == 'float32', 'on the scale of X_train'
    for name in before.keys() - {'X_train', 'Y_train'}:
        numpy.testing.assert_array_equal(after[name], before[name])
    with h5py.File(out) as file:
        assert isinstance(file.get('alias', getlink=True), h5py.SoftLink)
        assert list(file.attrs['class_names']) == [f'class {i}' for i in range(7)]
        assert 'sha256' not in file.attrs
        assert file['Y_train'].attrs['unit'] == 'class number'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['IN.hdf5', 'OUT.hdf5']


def test_the_output_says_where_it_comes_from(source, tmp_path):
    out = tmp_path / 'OUT.hdf5'
    assert main([str(source), str(out), '--copies', 'flip', 'original', '--rotate', '90']) == 0
    with h5py.File(out) as file:
        found = dict(file.attrs)
    assert list(found['augment_copies']) == ['flip', 'original', 'rotate 90', 'rotate 180']
    assert found['augment_source'] == 'IN.hdf5'
    checksum = subprocess.run(['sha256sum', source], capture_output=True, text=True, check=True).stdout
    assert found['augment_source_sha256'] == checksum.split()[0]
    assert found['augment_command'] == f'python -m augment {source} {out} --copies flip original --rotate 90'
    assert any(version.startswith('numpy ') for version in found['augment_versions'])


@pytest.mark.parametrize('dtype', ['>f4', 'float16', 'float64'])
def test_other_floats_become_float32_first(source, tmp_path, images, dtype):
    with h5py.File(source, 'r+') as file:
        del file['X_train']
        file['X_train'] = images.astype(dtype) / 2
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 0
    expected = transforms.apply_copies((images.astype(dtype) / 2).astype('float32'))
    assert content(tmp_path / 'OUT.hdf5')['X_train'].tobytes() == expected.tobytes()


@pytest.mark.parametrize('shape', [(2, 5, 7), (1, 28, 28), (3, 32, 32), (3, 70, 60)])
def test_images_of_any_size(source, tmp_path, shape, monkeypatch):
    # In the real sizes of chunks and blocks; some fill whole pages of the disk, some do not.
    monkeypatch.setattr('augment.layout.CHUNK_BYTES', 2**20)
    monkeypatch.setattr('augment.layout.BLOCK_BYTES', 2**22)
    images = numpy.random.RandomState(0).randint(0, 256, (700, *shape)).astype('uint8')
    with h5py.File(source, 'r+') as file:
        put(file, 'X_train', images)
        put(file, 'Y_train', numpy.arange(700) % 7)
        put(file, 'X_test', images[:20])
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 0
    found = content(tmp_path / 'OUT.hdf5')
    assert found['X_train'].tobytes() == transforms.apply_copies(images).tobytes()
    numpy.testing.assert_array_equal(found['Y_train'], (numpy.arange(700) % 7).repeat(4))


def test_options_choose_the_copies(source, tmp_path, images):
    out = str(tmp_path / 'OUT.hdf5')
    names = ['median', 'original']
    options = ['--median-window', 'plane', '--rotate', '90']
    assert main([str(source), out, '--copies', *names, *options]) == 0
    expected = transforms.apply_copies(images, names, rotate=90, median_window='plane')
    numpy.testing.assert_array_equal(content(out)['X_train'], expected)


def test_uint8_stays_uint8_where_it_can(source, tmp_path, images, capsys):
    out = tmp_path / 'OUT.hdf5'
    assert main([str(source), str(out), '--copies', 'flip', 'median', '--dtype', 'uint8']) == 0
    after = content(out)
    assert after['X_train'].dtype == after['X_test'].dtype == 'uint8'
    numpy.testing.assert_array_equal(after['X_train'], transforms.apply_copies(images, ['flip', 'median']))
    assert main([str(source), str(tmp_path / 'OTHER.hdf5'), '--dtype', 'uint8']) == 2
    assert 'cannot hold normalize' in capsys.readouterr().err
    assert not (tmp_path / 'OTHER.hdf5').exists()


@pytest.mark.parametrize('options', [[], ['--copies', 'original', '--rotate', '45']])
def test_compression_does_not_change_values(source, tmp_path, options):
    plain, packed = tmp_path / 'PLAIN.hdf5', tmp_path / 'PACKED.hdf5'
    assert main([str(source), str(plain), *options]) == 0
    assert main([str(source), str(packed), *options, '--gzip', '1']) == 0
    with h5py.File(packed) as file:
        assert file['X_train'].compression == 'gzip'
    assert content(plain)['X_train'].tobytes() == content(packed)['X_train'].tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['IN.hdf5', 'PACKED.hdf5', 'PLAIN.hdf5']


def test_constant_images_are_counted(source, tmp_path, capsys):
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 0
    assert '1 of one constant value, normalized to zeros' in capsys.readouterr().out


def test_a_virtual_source_is_read_through(source, tmp_path, images):
    whole = h5py.VirtualLayout((90, 3, 8, 8), 'uint8')
    whole[:] = h5py.VirtualSource('PART.hdf5', 'X_train', (90, 3, 8, 8))
    source.rename(tmp_path / 'PART.hdf5')
    with h5py.File(source, 'w') as file, h5py.File(tmp_path / 'PART.hdf5') as part:
        file.create_virtual_dataset('X_train', whole)
        for name in ('Y_train', 'X_test', 'Y_test'):
            part.copy(name, file)
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 0
    numpy.testing.assert_array_equal(
        content(tmp_path / 'OUT.hdf5')['X_train'], transforms.apply_copies(images)
    )
    assert main([str(source), str(tmp_path / 'PART.hdf5'), '--overwrite']) == 2
    (tmp_path / 'PART.hdf5').unlink()
    assert main([str(source), str(tmp_path / 'OTHER.hdf5')]) == 2


@given(st.integers(1, 10_000), st.integers(1, 40), st.sampled_from([1, 784, 3136, 12288, 300_000, 5 * 2**20]))
def test_blocks_are_whole_chunks_and_cover_all_rows_once(rows, copies, image_bytes):
    sizes = layout(rows, copies, image_bytes)
    covered = [sizes.block_rows(number) for number in range(sizes.blocks)]
    assert [row for block in covered for row in range(block.start, block.stop)] == list(range(rows))
    for block in covered[:-1]:
        assert (block.stop - block.start) * copies % sizes.chunk == 0
    assert sizes.block_images % sizes.chunk == 0
    assert sizes.chunk * image_bytes <= max(2**20, image_bytes)


# What is wrong with the source: the change, and what the one line of the error says. What else a file may be
# refused for is tested with `vgg_cifar.data_file`.
BAD_SOURCES = {
    'no images': (lambda file: file.pop('X_train'), 'X_train: missing, the file holds'),
    'few labels': (lambda file: put(file, 'Y_train', numpy.zeros(89, 'int32')), 'expected 90 labels'),
    'labels from 1': (lambda file: put_labels(file, 1), 'they count from 1, store Y - 1'),
    'NaN': (lambda file: put(file, 'X_train', with_value(float('nan'))), 'as float32) first in row 61'),
    'infinity': (lambda file: put(file, 'X_train', with_value(1e300)), 'as float32) first in row 61'),
    'wide': (lambda file: put(file, 'X_train', with_value(3e38, -3e38)), 'row 61 spans more than float32'),
    'NaN in the test set': (lambda file: put(file, 'X_test', with_value(1e99)[50:70]), 'X_test: found NaN'),
}  # fmt: skip


def put(file, name, value):
    del file[name]
    file[name] = value


def put_labels(file, first):
    for name in ('Y_train', 'Y_test'):
        put(file, name, file[name][:] % 7 + first)


def with_value(*values):
    drawn = numpy.ones((90, 3, 8, 8))
    drawn[61, 1, 2, : len(values)] = values
    return drawn


@pytest.mark.parametrize('case', BAD_SOURCES)
def test_a_bad_source_leaves_one_line_and_nothing_else(source, tmp_path, capsys, case):
    change, expected = BAD_SOURCES[case]
    with h5py.File(source, 'r+') as file:
        change(file)
    before = source.read_bytes()
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert str(source) in error
    assert error.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['IN.hdf5']
    assert source.read_bytes() == before


@pytest.mark.parametrize('damage', ['truncated', 'not HDF5', 'missing', 'a folder', 'flipped bit'])
def test_a_damaged_file_leaves_one_line_and_nothing_else(source, tmp_path, capsys, damage, images):
    if damage == 'truncated':
        os.truncate(source, source.stat().st_size // 2)
    elif damage == 'not HDF5':
        source.write_text('hello')
    elif damage == 'flipped bit':
        with h5py.File(source, 'r+') as file:
            del file['X_train']
            file.create_dataset('X_train', data=images, chunks=(10, 3, 8, 8), fletcher32=True)
            place = file['X_train'].id.get_chunk_info(6).byte_offset
        with source.open('r+b') as raw:
            raw.seek(place)
            raw.write(bytes([images[60, 0, 0, 0] ^ 1]))
    else:
        source.unlink()
        if damage == 'a folder':
            source.mkdir()
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 2
    error = capsys.readouterr().err
    assert str(source) in error
    assert error.count('\n') == 1
    assert not list(tmp_path.glob('OUT*'))


def test_wrong_usage_is_refused(source, tmp_path, capsys):
    out = str(tmp_path / 'OUT.hdf5')
    for arguments, expected in (
        ([out, '--rows', '80:91'], 'A < B <= 90'),
        ([out, '--rows', '5:5'], 'A < B <= 90'),
        ([out, '--rotate', '0'], 'at most 180'),
        ([out, '--copies', 'flip', 'flip'], 'found flip twice'),
        ([out, '--copies'], 'at least one'),
        ([out, '-d', 'gpu'], 'expected -1'),
        ([str(tmp_path)], 'found a folder'),
        ([], 'no output named'),
        (['--preview', str(tmp_path / 'x.jpg')], 'expected .png'),
    ):
        assert main([str(source), *arguments]) == 2
        assert expected in capsys.readouterr().err
    with pytest.raises(SystemExit, match='2'):
        main([str(source), out, '--rows', '5'])
    assert [path.name for path in tmp_path.iterdir()] == ['IN.hdf5']


def test_an_existing_output_stays_without_overwrite(source, tmp_path, capsys):
    out = tmp_path / 'OUT.hdf5'
    out.write_text('precious')
    assert main([str(source), str(out)]) == 2
    assert 'exists already; give --overwrite' in capsys.readouterr().err
    assert out.read_text() == 'precious'
    assert main([str(source), str(out), '--overwrite']) == 0
    assert h5py.is_hdf5(out)


def test_the_input_is_never_the_output(source, tmp_path):
    before = source.read_bytes()
    (tmp_path / 'symbolic.hdf5').symlink_to(source)
    (tmp_path / 'hard.hdf5').hardlink_to(source)
    for name in ('IN.hdf5', 'symbolic.hdf5', 'hard.hdf5', './IN.hdf5'):
        assert main([str(source), f'{tmp_path}/{name}', '--overwrite']) == 2
        assert main([f'{tmp_path}/{name}', str(source), '--overwrite']) == 2
    for ending in ('partial', 'partial.new', 'partial.journal'):
        stem = tmp_path / 'OTHER.hdf5'
        renamed = source.rename(f'{stem}.{ending}')
        assert main([str(renamed), str(stem), '--fresh', '--overwrite']) == 2
        assert renamed.rename(source).read_bytes() == before
    assert source.read_bytes() == before


def test_a_link_as_output_keeps_pointing(source, tmp_path):
    (tmp_path / 'folder').mkdir()
    real, link = tmp_path / 'folder' / 'REAL.hdf5', tmp_path / 'OUT.hdf5'
    real.write_text('old')
    link.symlink_to(real)
    assert main([str(source), str(link), '--overwrite']) == 0
    assert link.is_symlink()
    assert h5py.is_hdf5(real)


def test_without_free_space_nothing_is_begun(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('shutil.disk_usage', lambda folder: type('Usage', (), {'free': 1000}))
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 2
    assert 'are free' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['IN.hdf5']


@pytest.mark.parametrize('options', [[], ['--gzip', '1']])
@pytest.mark.parametrize('limit', [30_000, 100_000])
def test_a_disk_that_fills_up_leaves_one_line_and_nothing_else(source, tmp_path, options, limit):
    # A limit on a file's size stands for a full disk: the system refuses to write further.
    def restrict():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = python('-m', 'augment', source, tmp_path / 'OUT.hdf5', *options, cwd=ROOT, preexec_fn=restrict)
    assert result.returncode == 2, result.stderr
    assert 'the disk is full' in result.stderr
    assert result.stderr.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['IN.hdf5']


# Dies before the k-th call that changes the folder, which is after the one before it, for every k, and then
# lets the same command go on. Prints the number of kills. What is written survives its process also without
# fsync, which takes most of the time.
KILLER = """
import os, signal, sys
from pathlib import Path
from augment import layout, pipeline, skeleton
from augment.__main__ import main

layout.CHUNK_BYTES, layout.BLOCK_BYTES, pipeline.SECONDS_BETWEEN_SYNCS = 16 * 768, 64 * 768, 0
out, folder = Path(sys.argv[2]), Path(sys.argv[2]).parent
moments = 0

def deadly(call):
    def wrapped(*arguments, **options):
        global moments
        moments -= 1
        if moments == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return wrapped

os.fsync = lambda file: None
for owner, name in ((os, 'write'), (os, 'pwrite'), (os, 'ftruncate'), (os, 'fsync'), (Path, 'replace'),
                    (Path, 'unlink'), (Path, 'touch'), (skeleton, 'create'), (pipeline, 'assemble')):
    setattr(owner, name, deadly(getattr(owner, name)))

def run(limit):
    global moments
    child = os.fork()
    if not child:
        moments = limit
        os._exit(main(sys.argv[1:]))
    return os.waitpid(child, 0)[1]

# In this process, which then has imported all that each of the others needs.
assert main(sys.argv[1:]) == 0
whole = out.read_bytes()
kills = 0
while True:
    out.unlink()
    status = run(kills + 1)
    if not os.WIFSIGNALED(status):
        assert status == 0
        break
    kills += 1
    assert not out.exists() or out.read_bytes() == whole, f'kill {kills} left a wrong output'
    if not out.exists() or len(list(folder.iterdir())) > 1:
        assert run(0) == 0, f'after kill {kills}'
    assert out.read_bytes() == whole, f'kill {kills} changed the output'
    assert [path.name for path in folder.iterdir()] == [out.name], f'kill {kills} left a file behind'
print(kills)
"""


@pytest.mark.parametrize('options', [[], ['--gzip', '1']])
def test_killed_at_any_moment_a_run_goes_on_to_the_same_bits(source, tmp_path, options):
    result = python('-c', KILLER, source, tmp_path / 'folder' / 'OUT.hdf5', *options, cwd=ROOT)
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout.split()[-1]) > 20


# Lets the k-th call that changes the folder fail, for every k, and then lets the same command go on. Prints
# the number of failures. What a failed fsync was to bring to the disk is lost, and is reported once, as Linux
# does; every write writes a part only, as it may.
FAILER = """
import errno, itertools, os, sys
from pathlib import Path
from augment import layout, pipeline, skeleton
from augment.__main__ import main

layout.CHUNK_BYTES, layout.BLOCK_BYTES, pipeline.SECONDS_BETWEEN_SYNCS = 16 * 768, 64 * 768, 0
out, folder, number = Path(sys.argv[2]), Path(sys.argv[2]).parent, int(sys.argv.pop())
calls = 0
unsynced = {}
pwrite, write = os.pwrite, os.write

def fails():
    global calls
    calls -= 1
    return calls == 0

def fail():
    raise OSError(number, os.strerror(number))

def failing(call):
    def wrapped(*arguments, **options):
        if fails():
            fail()
        return call(*arguments, **options)
    return wrapped

def part(size):
    return size - 4096 if size > 4096 else size

def failing_pwrite(file, values, position):
    if fails():
        fail()
    written = pwrite(file, values[: part(len(values))], position)
    unsynced.setdefault(os.fstat(file).st_ino, []).append((position, written))
    return written

def failing_write(file, values):
    if fails():
        write(file, values[: len(values) // 2])
        fail()
    begin = os.fstat(file).st_size
    written = write(file, values[:-1] or values)
    unsynced.setdefault(os.fstat(file).st_ino, []).append((begin, written))
    return written

def failing_fsync(file):
    lost = unsynced.pop(os.fstat(file).st_ino, [])
    if fails():
        with open(f'/proc/self/fd/{file}', 'r+b') as same:
            for position, size in lost:
                same.seek(position)
                same.write(b' ' * size)
        fail()

os.pwrite, os.write, os.fsync = failing_pwrite, failing_write, failing_fsync
for owner, name in ((os, 'ftruncate'), (Path, 'replace'), (Path, 'touch'), (skeleton, 'create'),
                    (pipeline, 'assemble')):
    setattr(owner, name, failing(getattr(owner, name)))

assert main(sys.argv[1:]) == 0
whole = out.read_bytes()
for failures in itertools.count(1):
    out.unlink()
    unsynced.clear()
    calls = failures
    status = main(sys.argv[1:])
    if calls > 0:
        assert status == 0
        break
    assert status in (1, 2), f'failure {failures} ended with {status}'
    assert not out.exists() or out.read_bytes() == whole, f'failure {failures} left a wrong output'
    if not out.exists():
        assert main(sys.argv[1:]) == 0, f'after failure {failures}'
    assert out.read_bytes() == whole, f'failure {failures} changed the output'
    assert [path.name for path in folder.iterdir()] == [out.name], f'failure {failures} left a file behind'
print(failures - 1)
"""


@pytest.mark.parametrize('number', [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize('options', [[], ['--gzip', '1']])
def test_whatever_call_fails_a_run_goes_on_to_the_same_bits(source, tmp_path, options, number):
    out = tmp_path / 'folder' / 'OUT.hdf5'
    result = python('-c', FAILER, source, out, *options, number, cwd=ROOT)
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout.split()[-1]) > 15
    assert all(line.startswith('augment: ') for line in result.stderr.splitlines())


def killed_after_blocks(source, out, blocks):
    """Leave an unfinished output: kill the command once that many blocks are recorded."""
    code = f"""if True:
        import os, signal, sys
        from augment import journal, layout, pipeline
        layout.CHUNK_BYTES, layout.BLOCK_BYTES, pipeline.SECONDS_BETWEEN_SYNCS = 16 * 768, 64 * 768, 0
        add = journal.Journal.add
        def deadly(self, blocks):
            add(self, blocks)
            if len(self.done) >= {blocks}:
                os.kill(os.getpid(), signal.SIGKILL)
        journal.Journal.add = deadly
        from augment.__main__ import main
        main(sys.argv[1:])"""
    assert python('-c', code, source, out, cwd=ROOT).returncode == -signal.SIGKILL


def test_what_is_done_is_not_done_again(source, tmp_path, monkeypatch):
    out = tmp_path / 'OUT.hdf5'
    killed_after_blocks(source, out, 4)
    assert not out.exists()
    computed = []
    apply = transforms.apply_copies
    monkeypatch.setattr(
        transforms, 'apply_copies', lambda x, *a, **k: computed.append(len(x)) or apply(x, *a, **k)
    )
    assert main([str(source), str(out)]) == 0
    assert sum(computed) < 90 - 16 * 2


def test_an_unfinished_output_of_another_job_is_not_touched(source, tmp_path, capsys):
    out = tmp_path / 'OUT.hdf5'
    killed_after_blocks(source, out, 2)
    left = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([str(source), str(out), '--rotate', '90']) == 2
    assert 'an unfinished output with another recipe' in capsys.readouterr().err
    with h5py.File(source, 'r+') as file:
        file['X_train'][0] = 9
    assert main([str(source), str(out)]) == 2
    assert 'another source_sha256' in capsys.readouterr().err
    assert all(path.read_bytes() == was for path, was in left.items() if path != source)
    assert main([str(source), str(out), '--fresh']) == 0
    assert (content(out)['X_train'][:3:3] == 9).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['IN.hdf5', 'OUT.hdf5']


def test_a_complete_output_that_was_deleted_is_made_again(source, tmp_path):
    out, journal = tmp_path / 'OUT.hdf5', tmp_path / 'OUT.hdf5.partial.journal'
    # As a kill leaves it between the output's name and the end of its journal.
    code = """if True:
        import os, signal, sys
        from augment import journal, layout
        layout.CHUNK_BYTES, layout.BLOCK_BYTES = 16 * 768, 64 * 768
        journal.Journal.delete = lambda self: os.kill(os.getpid(), signal.SIGKILL)
        from augment.__main__ import main
        main(sys.argv[1:])"""
    assert python('-c', code, source, out, cwd=ROOT).returncode == -signal.SIGKILL
    assert main([str(source), str(out)]) == 0
    assert not journal.exists()
    out.unlink()
    assert python('-c', code, source, out, cwd=ROOT).returncode == -signal.SIGKILL
    out.unlink()
    out.write_text('another file')
    assert main([str(source), str(out)]) == 2
    assert out.read_text() == 'another file'
    out.unlink()
    assert main([str(source), str(out)]) == 0
    assert h5py.is_hdf5(out)


def test_a_folder_that_cannot_be_written_to_is_one_line(source, tmp_path, capsys):
    (tmp_path / 'file').touch()
    assert main([str(source), str(tmp_path / 'file' / 'OUT.hdf5')]) == 2
    assert capsys.readouterr().err.count('\n') == 1


def test_a_strange_file_under_the_partial_name_is_not_touched(source, tmp_path, capsys):
    strange = tmp_path / 'OUT.hdf5.partial'
    strange.write_text('somebody else')
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 2
    assert 'no unfinished output of this command' in capsys.readouterr().err
    assert strange.read_text() == 'somebody else'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['IN.hdf5', 'OUT.hdf5.partial']


@pytest.mark.parametrize(
    'content',
    [b'{"a": 1', b'{"a": 1}\n[[1], 0]\n', b'{}\n["x"]\n', b'{}\n7\n', b'{"a": ' + b'[' * 10**6 + b'\n'],
    ids=['torn', 'a list', 'a text', 'a number', 'nested'],
)
def test_a_journal_of_anything_else_counts_as_none(source, tmp_path, images, content):
    (tmp_path / 'OUT.hdf5.partial.journal').write_bytes(content)
    assert main([str(source), str(tmp_path / 'OUT.hdf5')]) == 0
    with h5py.File(tmp_path / 'OUT.hdf5') as file:
        numpy.testing.assert_array_equal(file['X_train'], transforms.apply_copies(images))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['IN.hdf5', 'OUT.hdf5']


def test_two_processes_do_not_write_one_output(source, tmp_path, capsys):
    out = tmp_path / 'OUT.hdf5'
    killed_after_blocks(source, out, 2)
    with (tmp_path / 'OUT.hdf5.partial.journal').open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert main([str(source), str(out)]) == 2
        assert 'another process is writing' in capsys.readouterr().err
    assert main([str(source), str(out)]) == 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_the_same_command_goes_on(source, tmp_path, images, number):
    code = f"""if True:
        import os, signal, sys, time
        from augment import layout, targets
        layout.CHUNK_BYTES, layout.BLOCK_BYTES = 16 * 768, 64 * 768
        write = targets.Target.write
        def signalling(self, number, *images):
            if number == 2:
                os.kill(os.getpid(), {number})
                # Not done before the main thread has heard of it.
                time.sleep(1)
            return write(self, number, *images)
        targets.Target.write = signalling
        from augment.__main__ import main
        sys.exit(main(sys.argv[1:]))"""
    out = tmp_path / 'OUT.hdf5'
    result = python('-c', code, source, out, cwd=ROOT)
    assert result.returncode == 128 + number
    assert 'the same command goes on' in result.stderr
    assert result.stderr.count('\n') == 1
    assert not out.exists()
    assert main([str(source), str(out)]) == 0
    assert content(out)['X_train'].tobytes() == transforms.apply_copies(images).tobytes()


def test_only_the_ground_floor_of_the_package_is_imported(source, tmp_path):
    code = """if True:
        import sys
        from augment.__main__ import main
        assert main(sys.argv[1:]) == 0
        unwanted = ('chainer', 'dask', 'distributed')
        rooms = ('datasets', 'models', 'training', 'studies', 'sweeps', 'reporting', 'commands')
        unwanted += tuple(f'vgg_cifar.{room}' for room in rooms)
        print([name for name in sys.modules if name.startswith(unwanted)])"""
    arguments = [source, tmp_path / 'OUT.hdf5', '--preview', tmp_path / 'x.png']
    result = python('-c', code, *arguments, cwd=tmp_path)
    assert result.stdout.splitlines()[-1] == '[]', result.stderr


@pytest.mark.parametrize('options', [[], ['--gzip', '1']])
def test_what_needs_more_than_the_memory_is_refused_before_anything_is_written(
    source, tmp_path, capsys, monkeypatch, options
):
    monkeypatch.setattr('vgg_cifar.machine.free_memory', lambda: 2**16)
    assert main([str(source), str(tmp_path / 'OUT.hdf5'), *options]) == 2
    assert 'IN.hdf5: X_train: needs' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['IN.hdf5']


def test_the_preview_shows_every_copy(source, tmp_path):
    picture = tmp_path / 'x.png'
    assert main([str(source), '--preview', str(picture), '--rotate', '90']) == 0
    narrow = PIL.Image.open(picture).size
    assert main([str(source), '--preview', str(picture), '--rotate', '15', '--copies', 'flip']) == 0
    assert PIL.Image.open(picture).size[0] > narrow[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['IN.hdf5', 'x.png']


def test_help_names_the_examples():
    for arguments in (['--help'], ['merge', '--help']):
        result = python('-m', 'augment', *arguments, cwd=ROOT)
        assert result.returncode == 0
        assert 'examples:' in result.stdout
