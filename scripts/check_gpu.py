#!/usr/bin/env python
"""Show on a GPU what could only be prepared without one; each part leaves its JSON.

    python scripts/check_gpu.py                              all parts, 8 minutes at most
    python scripts/check_gpu.py --only speed                 one of them
    python scripts/check_gpu.py --data CIFAR10.hdf5          report R1 too, with what is left of the time
    python scripts/check_gpu.py --data DATA                  R1, R2 and R3, if the folder has their files
    python scripts/check_gpu.py -d -1 --small -o /tmp/dry    a dry run on the CPU

A part that is done for these sources on this machine is not done again, but for the first; one that takes
too long is ended, and its file keeps what it has shown until then. So the script can be repeated until all
is there. Exit status 0: every part is done, and shows nothing that is worse than it may be. 1: one is not,
and its file says under `failed` why.

The parts, in order:

versions    of everything, and the GPU's properties, by which plans can be built elsewhere
errors      the largest errors of each function against float64, through Chainer's hook and in our layers
steps       losses of 20 steps on the GPU, captured and eager, and on the CPU
speed       a training step of R1 at batch 500: ours, Chainer's with and without the hook, PyTorch's
report      how long report R1 would take as it is, by timed steps of each of its networks
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
SECONDS = {
    'versions': 30,
    'errors': 90,
    'steps': 90,
    'speed': 150,
    'report': 60,
    'same-bits': 90,
    'study': 3600,
}
# Of one image of R1's network, forwards and backwards.
GFLOP = 1.38
# TFLOP/s of an H100 or H200 (SXM) without sparsity, by NVIDIA's data sheets.
PEAK = {'float32': 67, 'tf32': 495, 'float16': 989, 'bfloat16': 989}
# The largest error that passes, relative to the largest number of an array: some roundings. cuDNN takes TF32
# for some convolutions of Chainer's in float32.
LARGEST_ERROR = {
    **{'f8': 1e-10, 'f4': 1e-3, 'f2': 1e-2},
    **{'float32': 1e-5, 'tf32': 3e-3, 'float16': 3e-3, 'bfloat16': 2e-2},
}
Shown = dict[str, Any]
"""What a part shows; under `failed`, if it has that, why it is to be done again."""

PACKAGES = ('chainer', 'numpy', 'cupy-cuda13x', 'nvidia-cudnn-cu13', 'nvidia-cudnn-frontend', 'torch')


def versions(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Yield versions and properties."""
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
        found['memory'] = cupy.cuda.runtime.memGetInfo()[1]
        found['cuDNN properties'] = json.loads(create_device_properties(0).serialize())
    yield found


def errors(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Yield for each function and type the largest relative error of outputs and gradients."""
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
    found: Shown = {}
    for name, measure in measured.items():
        with failures_in(found, name):
            found[name] = float(f'{measure():.2g}')
            largest = LARGEST_ERROR[name.split()[-1]]
            # Also where it is no number.
            if not found[name] <= largest:
                raise AssertionError(f'the error is {found[name]}; expected at most {largest}')
        yield found


@contextlib.contextmanager
def failures_in(found: Shown, name: str) -> Iterator[None]:
    """Keep the last words of what fails, so that the rest is shown."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        found.setdefault('failed', {})[name] = f'{type(error).__name__}: {error}'


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
    yield 'tanh', F.tanh, [x]
    yield 'clipped relu', lambda x: F.clipped_relu(x, 0.5), [x]
    yield 'softmax', lambda x: F.softmax(x, axis=1), [(9, 30)]
    yield 'log softmax', F.log_softmax, [(9, 30)]
    yield 'batch normalisation', F.batch_normalization, [x, (12,), (12,)]
    yield 'of vectors', F.batch_normalization, [(40, 30), (30,), (30,)]
    yield 'group normalisation', lambda x, g, b: F.group_normalization(x, 3, g, b), [x, (12,), (12,)]
    yield 'spatial transformer', F.spatial_transformer_sampler, [(2, 3, 9, 8), (2, 2, 5, 6)]
    yield 'grid of it', lambda theta: F.spatial_transformer_grid(theta, (5, 6)), [(2, 2, 3)]
    # The same for whichever are dropped, if their gradients are, too.
    yield 'dropout', lambda x: squared(F.dropout(x, 0.5) - x), [x]
    for name, function, gates in (('lstm', F.n_step_lstm, 4), ('gru', F.n_step_gru, 3)):
        yield (
            name,
            functools.partial(recurrent, function, gates),
            recurrent_shapes(gates, name == 'lstm'),
        )
    yield 'rnn', functools.partial(recurrent, F.n_step_rnn, 1), recurrent_shapes(1, False)


def squared(x: Any) -> Any:
    """Return x times x."""
    return x * x


# Features in and out; how many sequences there still are at each time.
N_IN, N_OUT, LENGTHS = 4, 5, (3, 3, 2)


def recurrent_shapes(gates: int, cells: bool) -> list[tuple[int, ...]]:
    """Return the shapes of states, sequences, matrices and biases of a recurrent layer."""
    states = [(1, LENGTHS[0], N_OUT)] * (1 + cells)
    matrices = [(N_OUT, N_IN)] * gates + [(N_OUT, N_OUT)] * gates
    return [*states, *((n, N_IN) for n in LENGTHS), *matrices, *[(N_OUT,)] * 2 * gates]


def recurrent(function: Callable, gates: int, *given: Any) -> Any:
    """Return the last states and all outputs of a recurrent layer, one after the other."""
    import chainer.functions as F

    cells = len(given) - len(LENGTHS) - 4 * gates
    states, rest = given[:cells], given[cells:]
    xs, matrices, biases = (
        list(rest[: len(LENGTHS)]),
        list(rest[len(LENGTHS) : -2 * gates]),
        list(rest[-2 * gates :]),
    )
    *ends, ys = function(1, 0.0, *states, [matrices], [biases], xs)
    return F.concat([F.flatten(each) for each in (*ends, *ys)], axis=0)


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
        # Where there is no way back, there is none on either side.
        found = [y.array, *(variable.grad for variable in variables if variable.grad is not None)]
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
    import numpy

    # NumPy's, which takes NaN for the largest.
    return float(
        numpy.max(
            [
                abs(have - want).max() / max(abs(want).max(), 1e-30)
                for want, have in zip(exact, found, strict=True)
            ]
        )
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

    def convolution(n_in: int, **moves: int) -> Any:
        moves = {'pad': 1, **moves}
        return chainer.Sequential(L.Convolution2D(n_in, 64, 3, **moves), L.BatchNormalization(64))

    def without_gradients(call: Callable) -> Callable:
        def called(*given: Any) -> Any:
            with chainer.using_config('train', False), chainer.no_backprop_mode():
                return call(*given)

        return called

    def ours(c: Any, x: Any, **options: Any) -> Any:
        return layers.convolution(*c, x, **options)

    def chainers(c: Any, x: Any) -> Any:
        return F.relu(c[1](c[0](x)))

    nothing, labels = chainer.Sequential(), numpy.arange(16, dtype='i4')
    return {
        'convolution': Layer(convolution(64), ours, chainers),
        'convolution of colours': Layer(convolution(3), ours, chainers, (16, 3, 16, 16)),
        'convolution, leaky': Layer(
            convolution(64),
            functools.partial(ours, slope=0.1),
            lambda c, x: F.leaky_relu(c[1](c[0](x)), 0.1),
        ),
        'convolution and shortcut': Layer(
            convolution(64),
            lambda c, x: ours(c, x, shortcut=x),
            lambda c, x: F.relu(c[1](c[0](x)) + x),
        ),
        'convolution without ReLU': Layer(
            convolution(64), functools.partial(ours, relu=False), lambda c, x: c[1](c[0](x))
        ),
        'convolution, strided': Layer(convolution(64, stride=2), ours, chainers),
        'convolution, dilated': Layer(convolution(64, pad=2, dilate=2), ours, chainers),
        'convolution, answering': Layer(
            convolution(64), without_gradients(ours), without_gradients(chainers)
        ),
        'linear': Layer(
            chainer.Sequential(L.Linear(64 * 16 * 16, 50)),
            lambda c, x: layers.linear(c[0], x),
            lambda c, x: c[0](x),
        ),
        'linear, normalised': Layer(
            chainer.Sequential(L.Linear(512, 50), L.BatchNormalization(50)),
            lambda c, x: layers.linear(c[0], x, c[1], relu=True),
            chainers,
            (100, 512),
        ),
        # The same for whichever are dropped, if their gradients are, too.
        'dropout': Layer(
            nothing,
            lambda c, x: squared(layers.dropout(x, 0.5) - x),
            lambda c, x: squared(F.dropout(x, 0.5) - x),
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
    # Numbers that every type holds.
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
                    # No number is so near to 0 that a ReLU passes on one side what it cuts on the other.
                    link.beta.array[::2], link.beta.array[1::2] = 12, -12
            copy.to_device(here)
            copy.cleargrads()

            found = both_ways(functools.partial(function, copy), [x], where)
            return found + [
                chainer.backends.cuda.to_cpu(param.grad).astype('f8')
                for path, param in sorted(copy.namedparams())
                # Before normalisation, a bias has no gradient but for rounding.
                if param.grad is not None and (name == 'linear' or not path.endswith('/0/b'))
            ]

    with chainer.using_config('use_ideep', 'never'):
        exact = results(layer.plain, '-1', 'f8', x.astype('f8'))
    with layers.using_compute(compute, get_device(device)):
        given = x.astype(layers._dtype()) if layer.narrow else x
        return apart(exact, results(layer.ours, device, 'f4', given))


def short(x: Any) -> Any:
    """Return float32 numbers cut to six significant bits, which float16 and bfloat16 hold too."""
    return (x.view('u4') & 0xFFFC0000).view('f4')


# How far losses, from 2.4 down to 0, may be off the CPU's. There, bfloat16's are up to 0.02 off float32's,
# and those without oneDNN 0.0001.
LARGEST_DIFFERENCE = {'float32': 0.002, 'tf32': 0.02, 'float16': 0.02, 'bfloat16': 0.1}


def steps(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Yield losses step by step: on the device as it trains, without what speeds it up, and on the CPU.

    Captured steps are to have the bits of eager ones, whatever is computed in.
    """
    import numpy

    # Few images: the CPU may be without oneDNN on a node.
    count, batch = (4, 4) if arguments.small else (20, 10)
    found: Shown = {}
    for seed in range(1 if arguments.small else 3):
        types = (
            ['float32'] if arguments.device == '-1' or seed else ['float32', 'tf32', 'bfloat16', 'float16']
        )
        on_cpu = losses_of(seed, count, batch, '-1', 'float32', False)
        for compute in types:
            name = f'seed {seed}, {compute}'
            found[name] = {'CPU': on_cpu}
            with failures_in(found, name):
                for side, eager in (('eager', True), ('captured', False)):
                    losses = losses_of(seed, count, batch, arguments.device, compute, eager)
                    found[name] |= {
                        side: losses,
                        f'{side} - CPU': float(abs(numpy.subtract(losses, on_cpu)).max()),
                    }
                    if not found[name][f'{side} - CPU'] <= LARGEST_DIFFERENCE[compute]:
                        raise AssertionError(f"{side} losses are not the CPU's")
                if found[name]['eager'] != found[name]['captured']:
                    raise AssertionError('captured steps differ from eager ones')
            yield found


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


def speed(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Yield what scripts/bench_step.py measures: of all that is ready soon, then of what compiles first."""
    import bench_step

    batch, rounds = (10, 1) if arguments.small else (500, 9)
    bench_step.DEVICE = '@numpy' if arguments.device == '-1' else '@cupy:0'
    names = ['ours, float32', 'stock Chainer'] if arguments.small else bench_step.able()
    compiled = [name for name in names if 'compiled' in name]
    races = {'eager': [name for name in names if name not in compiled]}
    if compiled:
        races['compiled'] = ['ours, bfloat16', 'PyTorch channels_last bfloat16', *compiled]
    found: Shown = {}
    for title, racing in races.items():
        result = bench_step.race(racing, 'R1', batch, rounds, 'wall', None)
        for name, contender in result.items():
            contender['TFLOP/s'] = GFLOP * batch / 1000 / contender['median']
            if any(card in read('versions', arguments)['shown'].get('GPU', '') for card in ('H100', 'H200')):
                compute = next((each for each in PEAK if each in name), 'float32')
                contender['of the peak'] = contender['TFLOP/s'] / PEAK[compute]
        bench_step.show('R1', batch, result)
        found[title] = {'batch': batch, 'contenders': result, 'bars': bench_step.bars(result)}
        for name in racing:
            if name not in result:
                found.setdefault('failed', {})[name] = 'it ended early'
        yield found


def report(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Yield how many hours R1's steps take at its own scale, one seed of each run, by a few of each."""
    from vgg_cifar.studies import STUDIES as by_name
    from vgg_cifar.training.build import load_data
    from vgg_cifar.training.settings import Settings
    from vgg_cifar.training.step_time import step_times

    study = by_name['ie598']
    data = load_data(Settings(data='shapes10', train_size=1000, test_size=10, validation_size=0))
    compute = 'float32' if arguments.device == '-1' else 'bfloat16'
    variants = (each for figure in study.figures for each in figure.variants)
    runs = [study.run(each, 'full', 0, data.source, data.fingerprint, compute) for each in variants]
    # Figures share runs.
    runs = list({each.id: each for each in runs}.values())
    found: Shown = {'compute': compute, 'seconds of a step': {}, 'hours': 0.0}
    for each in runs[:1] if arguments.small else runs:
        settings = each.settings
        images = (settings.train_size or 50_000 - settings.validation_size) * (1 + len(settings.augment))
        count = settings.epochs * images // settings.batch_size
        here = settings.replace(train_size=None, validation_size=0, test_size=None)
        here = here.replace(batch_size=10) if arguments.small else here
        with failures_in(found, each.id):
            ((seconds,),) = step_times([here], data, arguments.device, 1, 1 if arguments.small else 20)
            found['seconds of a step'][each.id] = seconds
            found['hours'] += seconds * count / 3600
        yield found


def same_bits(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Yield whether a killed run ends as one in one go, and the GPU augments as the CPU does."""
    images, batch, epochs, log = (20, 10, 3, 1) if arguments.small else (2000, 100, 10, 10)
    common: tuple[Any, ...] = '-m', 'vgg_cifar', 'train', '--train-size', images, '--test-size', 20
    common += '-b', batch, '-e', epochs, '-d', arguments.device, '--log-steps', log, '--chance-patience', 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(*common, '-o', folder / 'whole')
        # It ends with this part where that takes too long.
        killed = started(*common, '-o', folder / 'killed', apart=False)
        while killed.poll() is None and not list((folder / 'killed').glob('snapshot*')):
            time.sleep(0.05)
        killed.kill()
        killed.wait()
        found: Shown = {'was killed in the middle': not (folder / 'killed' / 'result.json').exists()}
        run(*common, '-o', folder / 'killed')
        found['resumed'] = equal_arrays(*(folder / name / 'model.npz' for name in ('whole', 'killed')))
        file = folder / 'in.hdf5'
        run('-m', 'vgg_cifar', 'data', 'shapes10', '--train-size', '100', '--test-size', '10', '-o', file)
        copies = ['--copies', 'original', 'flip', 'median']
        for side, device in (('CPU', '-1'), ('device', arguments.device)):
            run('-m', 'augment', file, folder / f'{side}.hdf5', *copies, '-d', device)
        found['augmented'] = equal_arrays(folder / 'CPU.hdf5', folder / 'device.hdf5')
    missed = {name: 'it is not so' for name, holds in found.items() if not holds}
    yield found | ({'failed': missed} if missed else {})


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


def study(arguments: argparse.Namespace) -> Iterator[Shown]:
    """Train as much of the reports as there is time for; their own folders know what is finished."""
    from vgg_cifar.studies import STUDIES as by_name

    found: Shown = {}
    compute = [] if arguments.device == '-1' else ['--compute', 'bfloat16']
    for report_id, scale, chosen in STUDIES:
        data, folder = arguments.data, arguments.out / report_id
        if data.is_dir():
            data /= by_name[report_id].images.file
        elif report_id != 'ie598':
            continue
        with failures_in(found, report_id):
            if not data.exists():
                raise FileNotFoundError(f'{data} is not there')
            given = ['--figure', by_name[report_id].figures[0].id] if arguments.small else chosen
            where = ['--data', data, '-d', arguments.device, '-o', folder]
            scale = 'smoke' if arguments.small else scale
            run('-m', 'vgg_cifar', 'reproduce', report_id, '--scale', scale, *given, *compute, *where)
            found[report_id] = f'{report_id}/report.html'
        yield found


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


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Shown]]] = {
    'versions': versions,
    'errors': errors,
    'steps': steps,
    'speed': speed,
    'report': report,
    'same-bits': same_bits,
    'study': study,
}


def sources() -> str:
    """Return a checksum of what is checked."""
    digest = hashlib.sha256()
    found = (path for folder in ('vgg_cifar', 'augment', 'scripts') for path in (ROOT / folder).rglob('*'))
    for path in sorted(path for path in found if path.suffix in ('.py', '.cu')):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def case(name: str, arguments: argparse.Namespace) -> Shown:
    """Return what a part that is done is done for."""
    found: Shown = {'sources': sources(), 'device': arguments.device, 'small': arguments.small}
    if name == 'study':
        found['data'] = str(arguments.data)
    if name != 'versions':
        found['versions'] = read('versions', arguments).get('shown')
    return found


def read(name: str, arguments: argparse.Namespace) -> Shown:
    """Return a part's file; nothing where there is none."""
    path = arguments.out / f'{name}.json'
    return json.loads(path.read_text()) if path.exists() else {}


def check(name: str, arguments: argparse.Namespace, seconds: float) -> bool:
    """Do a part in a process of its own, within its time; return whether it is done."""
    before = read(name, arguments)
    # The first part says whether the others were done for what is here now.
    if name != 'versions' and before.get('done') and before['case'] == case(name, arguments):
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
    """Do a part here, and write what it shows as it comes; return the exit status."""
    # Before Chainer, which it makes work.
    import vgg_cifar  # noqa: F401

    begun = time.monotonic()
    found = {'case': case(name, arguments), 'done': False}
    path, partial = arguments.out / f'{name}.json', arguments.out / f'.{name}.json'

    def write(shown: Shown) -> None:
        found.update(seconds=time.monotonic() - begun, shown=shown)
        partial.write_text(json.dumps(found, indent=2) + '\n')
        partial.replace(path)

    shown: Shown = {}
    write(shown)
    for shown in PARTS[name](arguments):
        write(shown)
    found['done'] = 'failed' not in shown
    write(shown)
    return 0 if found['done'] else 1


def main(given: list[str] | None = None) -> int:
    """Do the parts that are not done yet; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--only', nargs='+', choices=PARTS, help='these parts after the first; without it, all of them'
    )
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
    if arguments.data:
        arguments.data = arguments.data.resolve()
        if not arguments.data.exists():
            parser.error(f'--data {arguments.data}: not there')
    if not arguments.data and 'study' in (arguments.only or ()):
        parser.error('study needs --data')
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.work:
        return work(arguments.work, arguments)
    asked = arguments.only or [name for name in PARTS if name != 'study' or arguments.data]
    names = [name for name in PARTS if name in asked or name == 'versions']
    ends = time.monotonic() + 60 * arguments.minutes
    left = [name for name in names if not check(name, arguments, ends - time.monotonic())]
    if left:
        print(f'not done: {", ".join(left)}; the same command does them', file=sys.stderr)
    return 1 if left else 0


if __name__ == '__main__':
    raise SystemExit(main())
