"""A data set of ten images in idx files, in a folder, an archive and on a server."""

import gzip
import struct
import zipfile

import numpy

RANDOM = numpy.random.RandomState(0)


COUNTS = {'train': 6, 'test': 4}


IMAGES = {part: RANDOM.randint(0, 256, (count, 28, 28)).astype('u1') for part, count in COUNTS.items()}


LABELS = {part: (numpy.arange(count) % 10).astype('u1') for part, count in COUNTS.items()}


def idx(array):
    return struct.pack(f'>BBBB{array.ndim}I', 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_files(prefix='', test='t10k', validation=False, suffix=''):
    words = {'train': 'train', 'test': test}
    files = {}
    for part, word in words.items():
        files[f'{prefix}{word}-images-idx3-ubyte{suffix}'] = idx(IMAGES[part])
        files[f'{prefix}{word}-labels-idx1-ubyte{suffix}'] = idx(LABELS[part])
    if validation:
        files[f'{prefix}valid-images-idx3-ubyte'] = idx(IMAGES['test'])
        files[f'{prefix}valid-labels-idx1-ubyte'] = idx(LABELS['test'])
    if suffix:
        files = {name: gzip.compress(content, 1, mtime=0) for name, content in files.items()}
    return files


def folder(path, files):
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def zipped(path, files, inside='gzip'):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in files.items():
            archive.writestr(f'{inside}/{name}', content)
    return path
