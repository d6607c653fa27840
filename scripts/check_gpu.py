#!/usr/bin/env python
"""Show on a GPU what could only be prepared without one; each part leaves its JSON when it is done.

    python scripts/check_gpu.py                              all parts, 8 minutes at most
    python scripts/check_gpu.py --only speed                 one of them
    python scripts/check_gpu.py --data CIFAR10.hdf5          report R1 too, with what is left of the time
    python scripts/check_gpu.py --data DATA                  R1, R2 and R3, if the folder has their files
    python scripts/check_gpu.py -d -1 --small -o /tmp/dry    a dry run on the CPU

A part that is done for these sources is not done again, and one that takes too long is ended, so the script
can be repeated until all is there. Exit status 0: every part is done. 1: one has failed or is missing.

The parts, in order:

versions    of everything, and the GPU's properties, by which plans can be built elsewhere
errors      the largest errors of each function against float64, through Chainer's hook and in our layers
steps       losses of 20 steps on the GPU, captured and eager, and on the CPU
speed       a training step of R1 at batch 500: ours, Chainer's with and without the hook, PyTorch's
same-bits   a run that is killed and resumed; augmentation on the GPU and on the CPU
study       report R1 at the scale `node`, then R2 and R3 at full scale, resumed where they were left
"""

import argparse
import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SECONDS = {'versions': 30, 'errors': 75, 'steps': 60, 'speed': 150, 'same-bits': 90, 'study': 3600}
# Of one image of R1's network, forwards and backwards.
GFLOP = 1.38
PACKAGES = ('chainer', 'numpy', 'cupy-cuda13x', 'nvidia-cudnn-cu13', 'nvidia-cudnn-frontend', 'torch')


def versions(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return versions and properties."""
    from vgg_cifar.accelerators import cudnn
    from vgg_cifar.versions import version

    found: dict[str, Any] = {'python': platform.python_version()}
    found |= {name: version(name) for name in PACKAGES}
    if arguments.device != '-1':
        import cupy
        from cudnn import create_device_properties

        found['cuDNN'] = cudnn.status()
        found['GPU'] = cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()
        found['driver, runtime'] = cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
        found['free, total memory'] = cupy.cuda.runtime.memGetInfo()
        found['cuDNN properties'] = json.loads(create_device_properties(0).serialize())
    return found


def errors(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return for each function and type the largest relative error of outputs and gradients.

    Where functions fail, their last words stand under `failed`, and the part is to be done again.
    """
    on_gpu = arguments.device != '-1'
    chosen, dtypes = [*functions()], ('f4', 'f2', 'f8')
    if arguments.small:
        chosen, dtypes = chosen[::5], dtypes[:1]
    measured = {
        f'{name} {dtype}': functools.partial(worst_error, function, shapes, dtype, arguments.device)
        for name, function, shapes in chosen
        for dtype in dtypes
    } | {
        f'layers.{name} {compute}': functools.partial(worst_layer_error, name, compute, arguments.device)
        for name in our_layers()
        for compute in (('float32', 'tf32', 'float16', 'bfloat16') if on_gpu else ('float32',))
    }
    if importlib.util.find_spec('torch'):
        measured['PyTorch, convolution f4'] = functools.partial(torchs_error, 'cuda' if on_gpu else 'cpu')
    found: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name, measure in measured.items():
        try:
            found[name] = float(f'{measure():.2g}')
        except Exception as error:
            traceback.print_exc()
            failed[name] = f'{type(error).__name__}: {error}'
    return found | ({'failed': failed} if failed else {})


def functions() -> Iterator[tuple[str, Callable, list[tuple[int, ...]]]]:
    """Yield Chainer's functions that go to cuDNN, with the shapes of their inputs."""
    import chainer.functions as F

    x, w = (8, 12, 17, 15), (18, 12, 3, 3)
    yield 'convolution', lambda x, w, b: F.convolution_2d(x, w, b, pad=1), [x, w, (18,)]
    yield 'strided', lambda x, w: F.convolution_2d(x, w, stride=2, dilate=2), [x, w]
    yield 'grouped', lambda x, w: F.convolution_2d(x, w, groups=3), [x, (18, 4, 3, 3)]
    yield 'deconvolution', lambda x, w: F.deconvolution_2d(x, w, stride=2), [x, (12, 6, 3, 3)]
    yield '3-d', F.convolution_nd, [(2, 4, 6, 7, 8), (5, 4, 3, 3, 3)]
    yield 'max pooling', lambda x: F.max_pooling_2d(x, 3, 2), [x]
    yield 'average pooling', lambda x: F.average_pooling_2d(x, 3, 2, 1), [x]
    yield 'relu', F.relu, [x]
    yield 'sigmoid', F.sigmoid, [x]
    yield 'softmax', lambda x: F.softmax(x, axis=1), [(9, 30)]
    yield 'log softmax', F.log_softmax, [(9, 30)]
    yield 'batch normalisation', F.batch_normalization, [x, (12,), (12,)]
    yield 'of vectors', F.batch_normalization, [(40, 30), (30,), (30,)]
    yield 'group normalisation', lambda x, g, b: F.group_normalization(x, 3, g, b), [x, (12,), (12,)]
    yield 'spatial transformer', F.spatial_transformer_sampler, [(2, 3, 9, 8), (2, 2, 5, 6)]


def worst_error(function: Callable, shapes: list[tuple[int, ...]], dtype: str, device: str) -> float:
    """Return how far a device is off the CPU in float64."""
    import numpy

    random = numpy.random.RandomState(0)
    inputs = [random.standard_normal(shape).astype(dtype) for shape in shapes]
    exact = both_ways(function, [array.astype('f8') for array in inputs], '-1')
    return apart(exact, both_ways(function, inputs, device))


def both_ways(function: Callable, inputs: list, device: str) -> list:
    """Return a function's output and gradients, as float64 on the CPU."""
    import chainer
    import numpy

    from vgg_cifar.training.device import get_device

    here = get_device(device)
    with chainer.using_config('use_cudnn', 'always'), chainer.using_device(here):
        variables = [chainer.Variable(here.send(array)) for array in inputs]
        y = function(*variables)
        # The same on both sides, also in rounding.
        gy = numpy.random.RandomState(1).standard_normal(y.shape).astype('f2')
        y.grad = here.send(gy.astype(y.dtype))
        y.backward()
        found = [y.array, *(variable.grad for variable in variables)]
        return [chainer.backends.cuda.to_cpu(array).astype('f8') for array in found]


def torchs_error(device: str) -> float:
    """Return how far PyTorch's convolution is off itself in float64, without TF32: the same test as ours."""
    import numpy
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    _, _, shapes = next(functions())
    random = numpy.random.RandomState(0)
    inputs = [random.standard_normal(shape).astype('f4') for shape in shapes]

    def results(where: str, dtype: Any) -> list:
        given = [torch.tensor(array, dtype=dtype, device=where, requires_grad=True) for array in inputs]
        y = torch.nn.functional.conv2d(*given, padding=1)
        gy = numpy.random.RandomState(1).standard_normal(tuple(y.shape)).astype('f2')
        y.backward(torch.tensor(gy, dtype=dtype, device=where))
        return [each.detach().cpu().numpy().astype('f8') for each in (y, *(x.grad for x in given))]

    return apart(results('cpu', torch.float64), results(device, torch.float32))


def apart(exact: list, found: list) -> float:
    """Return the largest difference, each relative to the largest number of its array."""
    return max(
        float(abs(have - want).max() / max(abs(want).max(), 1e-30))
        for want, have in zip(exact, found, strict=True)
    )


class Layer(NamedTuple):
    """One of our layers, beside Chainer's own; both are called with the links and with x."""

    links: Any
    ours: Callable
    plain: Callable
    shape: tuple[int, ...] = (16, 64, 16, 16)
    narrow: bool = False
    """Whether x comes in the type that is computed in."""


def our_layers() -> dict[str, Layer]:
    """Return the layers to compare, by name."""
    import chainer
    import chainer.functions as F
    import chainer.links as L
    import numpy

    from vgg_cifar.accelerators import layers

    def convolution(n_in: int) -> Any:
        return chainer.Sequential(L.Convolution2D(n_in, 64, 3, pad=1), L.BatchNormalization(64))

    nothing, labels = chainer.Sequential(), numpy.arange(16, dtype='i4')
    return {
        'convolution': Layer(
            convolution(64), lambda c, x: layers.convolution(*c, x), lambda c, x: F.relu(c[1](c[0](x)))
        ),
        'convolution of colours': Layer(
            convolution(3),
            lambda c, x: layers.convolution(*c, x),
            lambda c, x: F.relu(c[1](c[0](x))),
            (16, 3, 16, 16),
        ),
        # Without a ReLU, which near 0 would pass what it cuts in float64.
        'convolution and shortcut': Layer(
            convolution(64),
            lambda c, x: layers.convolution(*c, x, shortcut=x, relu=False),
            lambda c, x: c[1](c[0](x)) + x,
        ),
        'linear': Layer(
            chainer.Sequential(L.Linear(64 * 16 * 16, 50)),
            lambda c, x: layers.linear(c[0], x),
            lambda c, x: c[0](x),
        ),
        'max pooling': Layer(
            nothing,
            lambda c, x: layers.max_pooling(x),
            lambda c, x: F.max_pooling_2d(x, 2, cover_all=False),
            narrow=True,
        ),
        'max pooling, windows that overlap': Layer(
            nothing,
            lambda c, x: layers.max_pooling(x, 3, 2),
            lambda c, x: F.max_pooling_2d(x, 3, 2, cover_all=False),
            narrow=True,
        ),
        'average pooling': Layer(
            nothing,
            lambda c, x: layers.average_pooling(x),
            lambda c, x: F.average_pooling_2d(x, 2),
            narrow=True,
        ),
        'loss': Layer(
            nothing,
            lambda c, x: layers.classification(x, x.device.send(labels))[0],
            lambda c, x: F.softmax_cross_entropy(x, labels),
            (16, 100),
        ),
    }


def worst_layer_error(name: str, compute: str, device: str) -> float:
    """Return how far one of our layers is off Chainer's own in float64, parameters' gradients included."""
    import chainer
    import chainer.links as L
    import numpy

    from vgg_cifar.accelerators import layers
    from vgg_cifar.training.device import get_device

    numpy.random.seed(0)
    layer = our_layers()[name]
    # Numbers that every type holds, or ReLU would rather pass others than be inexact.
    x = short(numpy.random.standard_normal(layer.shape).astype('f4'))

    def results(function: Callable, where: str, dtype: str, x: Any) -> list:
        here = get_device(where)
        with chainer.using_device(here):
            copy = layer.links.copy('copy')
            for param in copy.params():
                param.array = short(param.array.astype('f4')).astype(dtype)
            for link in copy.links():
                if isinstance(link, L.BatchNormalization):
                    link.avg_mean, link.avg_var = link.avg_mean.astype(dtype), link.avg_var.astype(dtype)
            copy.to_device(here)
            copy.cleargrads()

            found = both_ways(functools.partial(function, copy), [x], where)
            return found + [
                chainer.backends.cuda.to_cpu(param.grad).astype('f8')
                for path, param in sorted(copy.namedparams())
                # A convolution's bias has no gradient before normalisation but for rounding.
                if name == 'linear' or not path.endswith('/0/b')
            ]

    with chainer.using_config('use_ideep', 'never'):
        exact = results(layer.plain, '-1', 'f8', x.astype('f8'))
    with layers.using_compute(compute, get_device(device)):
        given = x.astype(layers._dtype()) if layer.narrow else x
        return apart(exact, results(layer.ours, device, 'f4', given))


def short(x: Any) -> Any:
    """Return float32 numbers cut to six significant bits, which float16 and bfloat16 hold too."""
    return (x.view('u4') & 0xFFFC0000).view('f4')


def steps(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return losses step by step: on the device as it trains, without what speeds it up, and on the CPU.

    Captured steps are to have the bits of eager ones, whatever is computed in.
    """
    # Few images: the CPU may be without oneDNN on a node.
    count, batch = (4, 4) if arguments.small else (20, 25)
    found: dict[str, Any] = {}
    different: dict[str, str] = {}
    for seed in range(1 if arguments.small else 3):
        types = (
            ['float32'] if arguments.device == '-1' or seed else ['float32', 'tf32', 'bfloat16', 'float16']
        )
        on_cpu = losses_of(seed, count, batch, '-1', 'float32', False)
        for compute in types:
            sides = {'eager': True, 'captured': False}
            losses = {
                name: losses_of(seed, count, batch, arguments.device, compute, eager)
                for name, eager in sides.items()
            }
            name = f'seed {seed}, {compute}'
            found[name] = {'CPU': on_cpu, **losses}
            for side, values in losses.items():
                pairs = zip(values, on_cpu, strict=True)
                found[name][f'{side} - CPU'] = max(abs(a - b) for a, b in pairs)
            if losses['eager'] != losses['captured']:
                different[name] = 'captured steps differ from eager ones'
    return found | ({'failed': different} if different else {})


def losses_of(seed: int, count: int, batch: int, device: str, compute: str, eager: bool) -> list[float]:
    """Return the losses of R1's network, without dropout, whose numbers differ between devices."""
    import chainer
    import numpy

    from vgg_cifar.accelerators import layers
    from vgg_cifar.models import VGG
    from vgg_cifar.training import optimizers
    from vgg_cifar.training.classifier import Classifier
    from vgg_cifar.training.device import get_device
    from vgg_cifar.training.updater import step_of

    # Whose numbers would be eager ones.
    warnings.filterwarnings('error', 'the training step is not captured')
    numpy.random.seed(seed)
    here = get_device(device)
    with chainer.using_device(here), layers.using_compute(compute, here):
        classifier = Classifier(VGG(dropout=0.0))
        classifier.to_device(here)
        x = here.send(numpy.random.uniform(size=(batch, 3, 32, 32)).astype('f4'))
        labels = here.send(numpy.random.randint(0, 10, batch).astype('i4'))
        optimizer = optimizers.build('adam', classifier, 1e-4, {}, 0.0)
        if compute == 'float16':
            optimizers.scale_losses(optimizer)
        take_step = optimizer.update if eager else step_of(optimizer, here)
        given = (classifier, x, labels) if eager else (x, labels)
        reporter, seen, losses = chainer.Reporter(), {}, []
        reporter.add_observer('main', classifier)
        for _ in range(count):
            with reporter.scope(seen):
                take_step(*given)
            losses.append(float(seen['main/loss'].array))
        return losses


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what scripts/bench_step.py has measured."""
    path = arguments.out / 'bench_step.json'
    size = ['--batch', '10', '--rounds', '1', '--only', 'ours, float32', 'stock Chainer']
    size = size if arguments.small else ['--batch', '500', '--rounds', '9']
    run(ROOT / 'scripts' / 'bench_step.py', '-d', arguments.device, *size, '--json', path)
    found = json.loads(path.read_text())
    for batch, races in found['R1'].items():
        for contender in races['own']['contenders'].values():
            contender['TFLOP/s'] = GFLOP * int(batch) / 1000 / contender['median']
    return found


def same_bits(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return whether a killed run ends as one in one go, and the GPU augments as the CPU does."""
    images, batch, epochs = (20, 10, 1) if arguments.small else (2000, 100, 3)
    common: tuple[Any, ...] = '-m', 'vgg_cifar', 'train', '--train-size', images, '--test-size', 20
    common += '-b', batch, '-e', epochs, '-d', arguments.device, '--log-steps', 1, '--chance-patience', 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(*common, '-o', folder / 'whole')
        # It ends with this part where that takes too long.
        killed = started(*common, '-o', folder / 'killed', apart=False)
        while killed.poll() is None and not list((folder / 'killed').glob('snapshot*')):
            time.sleep(0.05)
        killed.kill()
        killed.wait()
        in_the_middle = not (folder / 'killed' / 'result.json').exists()
        run(*common, '-o', folder / 'killed')
        file = folder / 'in.hdf5'
        run('-m', 'vgg_cifar', 'data', 'shapes10', '--train-size', '100', '--test-size', '10', '-o', file)
        copies = ['--copies', 'original', 'flip', 'median']
        for side, device in (('CPU', '-1'), ('device', arguments.device)):
            run('-m', 'augment', file, folder / f'{side}.hdf5', *copies, '-d', device)
        return {
            'was killed in the middle': in_the_middle,
            'resumed': equal_arrays(*(folder / name / 'model.npz' for name in ('whole', 'killed'))),
            'augmented': equal_arrays(folder / 'CPU.hdf5', folder / 'device.hdf5'),
        }


def equal_arrays(first: Path, second: Path) -> bool:
    """Return whether two files hold the same bits."""
    import h5py
    import numpy

    opened = h5py.File if first.suffix == '.hdf5' else numpy.load
    with opened(first) as one, opened(second) as other:
        return set(one) == set(other) and all(
            numpy.asarray(one[name]).tobytes() == numpy.asarray(other[name]).tobytes() for name in one
        )


# What is trained, in this order: the figures of R1 on which most of its claims stand first, by three seeds.
STUDIES: tuple[tuple[str, str, list[str]], ...] = (
    ('ie598', 'node', ['--figure', '6', '7', '3', '--seeds', '3']),
    ('ie598', 'node', []),
    ('emnist_kernels', 'full', []),
    ('cifar100_vgg38', 'full', []),
)


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train as much of the reports as there is time for; their own folders know what is finished."""
    from vgg_cifar.studies import STUDIES as by_name

    found: dict[str, Any] = {}
    compute = [] if arguments.device == '-1' else ['--compute', 'bfloat16']
    for report, scale, chosen in STUDIES:
        data, folder = arguments.data, arguments.out / report
        if data.is_dir():
            data /= by_name[report].images.file
        if not data.exists() or (data == arguments.data and report != 'ie598'):
            found[report] = f'left out: --data is no folder with {by_name[report].images.file}'
            continue
        given = ['--figure', by_name[report].figures[0].id] if arguments.small else chosen
        where = ['--data', data, '-d', arguments.device, '-o', folder]
        scale = 'smoke' if arguments.small else scale
        run('-m', 'vgg_cifar', 'reproduce', report, '--scale', scale, *given, *compute, *where)
        found[report] = str(folder / 'report.html')
    return found


def started(*command: Any, apart: bool = True) -> subprocess.Popen:
    """Start Python, by default in a session of its own, whose processes `end` ends."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': path},
        start_new_session=apart,
    )


def end(process: subprocess.Popen) -> None:
    """Kill a process and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(*command: Any) -> None:
    """Run Python in this part's session; raise where it fails."""
    subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, check=True)


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    'versions': versions,
    'errors': errors,
    'steps': steps,
    'speed': speed,
    'same-bits': same_bits,
    'study': study,
}


def sources() -> str:
    """Return a checksum of what is checked: a part that is done for it is done."""
    digest = hashlib.sha256()
    found = (path for folder in ('vgg_cifar', 'scripts') for path in (ROOT / folder).rglob('*'))
    for path in sorted(path for path in found if path.suffix in ('.py', '.cu')):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def check(name: str, arguments: argparse.Namespace, seconds: float) -> bool:
    """Do a part in a process of its own, within its time; return whether it is done."""
    path = arguments.out / f'{name}.json'
    if path.exists():
        before = json.loads(path.read_text())
        if before['sources'] == sources() and 'failed' not in before['shown']:
            print(f'{name}: done before')
            return True
    options = ['-d', arguments.device, '-o', arguments.out, *(['--small'] if arguments.small else [])]
    options += ['--data', arguments.data] if arguments.data else []
    begun = time.monotonic()
    process = started(__file__, '--work', name, *options)
    try:
        outcome = 'done' if process.wait(max(0, min(seconds, SECONDS[name]))) == 0 else 'FAILED'
    except subprocess.TimeoutExpired:
        outcome = 'OUT OF TIME'
    finally:
        end(process)
    print(f'{name}: {outcome}, {time.monotonic() - begun:.0f} s', flush=True)
    return outcome == 'done'


def work(name: str, arguments: argparse.Namespace) -> int:
    """Do a part here, and write what it shows; return the exit status."""
    # Before Chainer, which it makes work.
    import vgg_cifar  # noqa: F401

    begun = time.monotonic()
    shown = PARTS[name](arguments)
    found = {'sources': sources(), 'seconds': time.monotonic() - begun, 'shown': shown}
    partial = arguments.out / f'.{name}.json'
    partial.write_text(json.dumps(found, indent=2) + '\n')
    partial.replace(arguments.out / f'{name}.json')
    return 1 if 'failed' in shown else 0


def main(given: list[str] | None = None) -> int:
    """Do the parts that are not done yet; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', nargs='+', choices=PARTS, help='these parts; without it, all of them')
    parser.add_argument('-d', '--device', default='0', help='-1 for a dry run on the CPU')
    parser.add_argument('-o', '--out', type=Path, default=ROOT / 'results' / 'gpu', help='where to write')
    parser.add_argument(
        '--data',
        type=Path,
        help='CIFAR10.hdf5, or a folder with it, EMNIST-BALANCED.hdf5 and CIFAR100.hdf5, for the studies',
    )
    parser.add_argument('--minutes', type=float, default=8.0, help='the longest that all may take')
    parser.add_argument('--small', action='store_true', help='little of everything, to see that it works')
    parser.add_argument('--work', choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    arguments.out = arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.work:
        return work(arguments.work, arguments)
    names = arguments.only or [name for name in PARTS if name != 'study' or arguments.data]
    ends = time.monotonic() + 60 * arguments.minutes
    left = [name for name in names if not check(name, arguments, ends - time.monotonic())]
    if left:
        print(f'not done: {", ".join(left)}; the same command does them', file=sys.stderr)
    return 1 if left else 0


if __name__ == '__main__':
    raise SystemExit(main())
