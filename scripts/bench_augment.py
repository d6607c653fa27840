"""Race augmentation, file to file, against the report's loop, SciPy in batches, and bare writing with h5py.

Every contender is a process of its own, timed from its start to its end, in interleaved rounds. All write the
same 4 copies of each image and the test set. 'this' and those 'on disk' also wait until the disk has all;
the others leave that to the system. The outputs' bits are compared in the first round.

    python scripts/bench_augment.py CIFAR10.hdf5 --folder scratch --rounds 5 --json bench_augment.json
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BATCH = 1000


def listing(source: str, out: str) -> None:
    """Do what the listing of report R1 does, all in memory, and write the result."""
    from scipy import ndimage

    with h5py.File(source) as data:
        x_train = numpy.float32(data['X_train'][:])
        y_train = numpy.int32(numpy.array(data['Y_train'][:]))
        x_test = numpy.float32(data['X_test'][:])
        y_test = numpy.int32(numpy.array(data['Y_test'][:]))
    images, labels = [], []
    for image in x_train:
        channels_last = numpy.rollaxis(image, 0, 3)
        flipped = numpy.fliplr(channels_last)
        normalized = (channels_last - channels_last.min()) / (channels_last.max() - channels_last.min())
        median = ndimage.median_filter(channels_last, 2)
        images.append(image)
        images.append(numpy.rollaxis(flipped, 2, 0))
        images.append(numpy.rollaxis(normalized, 2, 0))
        images.append(numpy.rollaxis(median, 2, 0))
    for label in y_train:
        for _ in range(4):
            labels.append(label)
    with h5py.File(out, 'w') as file:
        file['X_train'], file['Y_train'] = numpy.float32(images[:]), numpy.int32(labels[:])
        file['X_test'], file['Y_test'] = x_test, y_test


def scipy_batched(source: str, out: str) -> None:
    """Do the same in batches, with SciPy's filter over each."""
    from scipy import ndimage

    with h5py.File(source) as data, h5py.File(out, 'w') as file:
        count = len(data['X_train'])
        shape = data['X_train'].shape[1:]
        file['X_test'], file['Y_test'] = numpy.float32(data['X_test'][:]), data['Y_test'][:]
        file['Y_train'] = numpy.repeat(data['Y_train'][:], 4)
        x_train = file.create_dataset('X_train', (count * 4, *shape), 'float32')
        for start in range(0, count, BATCH):
            x = numpy.float32(data['X_train'][start : start + BATCH])
            least, most = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
            copies = (x, x[..., ::-1], (x - least) / (most - least), ndimage.median_filter(x, (1, 2, 2, 2)))
            stacked = numpy.stack(copies, axis=1).reshape(-1, *shape)
            x_train[start * 4 : start * 4 + len(stacked)] = stacked


def this(source: str, out: str) -> None:
    """Run the command."""
    from augment.__main__ import main

    main([source, out])


def raw(source: str, out: str, chunks: bool = True, wait: bool = False) -> None:
    """Write as many bytes, from memory, with h5py."""
    with h5py.File(source) as data, h5py.File(out, 'w') as file:
        count, *shape = data['X_train'].shape
        values = numpy.ones((84 * 8, *shape), 'float32')
        rows = count * 4 + len(data['X_test'])
        x = file.create_dataset('X_train', (rows, *shape), 'float32', chunks=(84, *shape) if chunks else None)
        for start in range(0, rows, len(values)):
            x[start : start + len(values)] = values[: rows - start]
    if wait:
        with Path(out).open('rb') as file:
            os.fsync(file.fileno())


CONTENDERS: dict[str, Callable[[str, str], None]] = {
    'listing': listing,
    'SciPy, batched': scipy_batched,
    'this': this,
    'h5py writing, contiguous': lambda source, out: raw(source, out, False),
    'h5py writing, chunks': raw,
    'h5py writing, contiguous, on disk': lambda source, out: raw(source, out, False, True),
    'h5py writing, chunks, on disk': lambda source, out: raw(source, out, True, True),
}

# Name of a bar: (numerator, denominator), of medians of seconds.
BARS = {
    'listing / this': ('listing', 'this'),
    'SciPy, batched / this': ('SciPy, batched', 'this'),
    'h5py writing, chunks / this': ('h5py writing, chunks', 'this'),
    'h5py writing, contiguous / this': ('h5py writing, contiguous', 'this'),
    'h5py writing, chunks, on disk / this': ('h5py writing, chunks, on disk', 'this'),
    'h5py writing, contiguous, on disk / this': ('h5py writing, contiguous, on disk', 'this'),
}


def measure(name: str, source: Path, out: Path) -> tuple[float, float, float]:
    """Return the seconds, the processor's seconds and the peak memory (MiB) of a contender's process."""
    start = time.perf_counter()
    command = [sys.executable, __file__, str(source), '--work', name, '--folder', str(out)]
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f'{name}: ended with status {os.waitstatus_to_exitcode(status)}')
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def same_images(one: Path, other: Path) -> bool:
    """Return whether two outputs have the same bits in X_train, and the same labels."""
    with h5py.File(one) as a, h5py.File(other) as b:
        images = all(
            a['X_train'][i : i + BATCH].tobytes() == b['X_train'][i : i + BATCH].tobytes()
            for i in range(0, len(a['X_train']), BATCH)
        )
        return images and bool((a['Y_train'][:] == b['Y_train'][:]).all())


def race(names: list[str], source: Path, folder: Path, rounds: int) -> dict[str, dict]:
    """Return the times and the peak memory of each contender."""
    found: dict[str, dict] = {name: {'seconds': [], 'cpu': [], 'peak_mib': 0.0} for name in names}
    reference = folder / 'reference.hdf5'
    for number in range(rounds):
        for name in names:
            out = folder / 'out.hdf5'
            os.sync()
            seconds, cpu, peak = measure(name, source, out)
            found[name]['seconds'].append(seconds)
            found[name]['cpu'].append(cpu)
            found[name]['peak_mib'] = max(found[name]['peak_mib'], peak)
            if number == 0 and not name.startswith('h5py'):
                if not reference.exists():
                    out.rename(reference)
                elif not same_images(reference, out):
                    raise SystemExit(f'{name}: other bits than {names[0]}')
            out.unlink(missing_ok=True)
        reference.unlink(missing_ok=True)
    for result in found.values():
        result['median'] = statistics.median(result['seconds'])
    return found


def bars(found: dict[str, dict]) -> dict[str, dict]:
    """Return each ratio of medians, with the smallest and the largest ratio of the single rounds."""
    result = {}
    for name, (top, bottom) in BARS.items():
        if top in found and bottom in found:
            pairs = zip(found[top]['seconds'], found[bottom]['seconds'], strict=True)
            single = sorted(a / b for a, b in pairs)
            ratio = found[top]['median'] / found[bottom]['median']
            result[name] = {'ratio': ratio, 'range': [single[0], single[-1]]}
    return result


def main() -> int:
    """Race, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='a data file, such as CIFAR10.hdf5')
    parser.add_argument('--folder', type=Path, required=True, help='where to write: 5.2 GB for CIFAR-10')
    parser.add_argument('--rounds', type=int, default=5, help='runs of each contender')
    parser.add_argument('--only', nargs='+', choices=CONTENDERS, help='leave the others out')
    parser.add_argument('--json', type=Path, help='where to write all times')
    parser.add_argument('--work', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        CONTENDERS[arguments.work](str(arguments.source), str(arguments.folder))
        return 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    found = race(arguments.only or list(CONTENDERS), arguments.source, arguments.folder, arguments.rounds)
    with h5py.File(arguments.source) as file:
        count = len(file['X_train'])
    print(f'{count} images, 4 copies, {arguments.rounds} rounds')
    print(f'{"":36} {"median":>8} {"min":>8} {"max":>8} {"images/s":>10} {"CPU":>8} {"peak":>10}')
    for name, result in found.items():
        times = result['seconds']
        print(
            f'{name:36} {result["median"]:6.2f} s {min(times):8.2f} {max(times):8.2f} '
            f'{count / result["median"]:10,.0f} {statistics.median(result["cpu"]):6.2f} s '
            f'{result["peak_mib"]:6.0f} MiB'
        )
    for name, bar in bars(found).items():
        low, high = bar['range']
        print(f'  {name:42} {bar["ratio"]:6.2f}  (rounds: {low:.2f} to {high:.2f})')
    if arguments.json:
        report = {'images': count, 'contenders': found, 'bars': bars(found)}
        arguments.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
