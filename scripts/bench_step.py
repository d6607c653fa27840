#!/usr/bin/env python
"""Time one training step of the reports' networks, on the CPU or a GPU: Chainer, this package, PyTorch.

    python scripts/bench_step.py --rounds 9 --json bench.json
    python scripts/bench_step.py -d 0 --batch 500
    python scripts/bench_step.py --network R4-DNN-Adam R3-VGG-38 --threads 1
    python scripts/bench_step.py --network R1 --batch 100 500
    python scripts/bench_step.py --network all --threads 1 2 --table bench.md

Each contender is a process of its own, with its network and its optimizer; they take turns, one step each
(of small networks as many as take 50 ms), so that what else happens on the machine hits all alike. A step is
forward, backward and update on one batch of random images, by default as many as the report has; reading the
loss ends it. PyTorch takes part where it is installed (the extra `bench`), compiled where there is a C++
compiler too.

`Chainer` is the network out of Chainer's own links, as an old script has it. Wall time needs an otherwise
idle machine. On a busy one, `--clock cpu --threads 1` compares the work itself.

`bound` is the time of R1's convolutions alone: oneDNN's primitives for the forward pass and both gradients,
on arrays that are already in their layouts.
"""

import argparse
import contextlib
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_networks import NETWORKS, Network, chainer_network, torch_network

ROOT = Path(__file__).resolve().parents[1]
CHANNELS = ((64, 64), (128, 128), (256, 256, 256, 256))
Step = Callable[[], object]

# Where the contender of this process computes, as Chainer calls it.
DEVICE = '@numpy'

# What the contender of this process has entered, until it ends.
ENTERED = contextlib.ExitStack()

# The C library keeps what is freed instead of giving it back to the system.
KEEPING = {'MALLOC_MMAP_MAX_': '0', 'MALLOC_TRIM_THRESHOLD_': '100000000000'}


def chainer_step(network: Network, n: int) -> Step:
    """Return a step of the network out of Chainer's own links."""
    import chainer

    return _chainer_training(chainer.links.Classifier(chainer_network(network.layers)), network, n)


def our_step(network: Network, n: int, compute: str = 'float32') -> Step:
    """Return a step of vgg_cifar's network."""
    from vgg_cifar import models
    from vgg_cifar.accelerators import layers
    from vgg_cifar.training.classifier import Classifier

    model = models.build(network.family, network.options, network.n_classes, network.image_shape)
    step = _chainer_training(Classifier(model), network, n, scaled=compute == 'float16')

    import chainer

    # As a training does, for all of its steps.
    ENTERED.enter_context(layers.using_compute(compute, chainer.get_device(DEVICE)))
    return step


def _chainer_training(classifier, network: Network, n: int, scaled: bool = False) -> Step:
    import chainer
    import numpy

    from vgg_cifar.training import optimizers, updater

    device = chainer.get_device(DEVICE)
    device.use()
    classifier.to_device(device)
    x, t = map(device.send, _batch(network, n))
    optimizer = optimizers.build(network.optimizer, classifier, network.lr, {}, network.weight_decay)
    if scaled:
        optimizers.scale_losses(optimizer)
    take_step = updater.step_of(optimizer, device)
    reporter = chainer.Reporter()
    reporter.add_observer('main', classifier)
    observed: dict = {}

    def step() -> object:
        with reporter.scope(observed):
            take_step(x, t)
        return observed['main/loss'].array

    numpy.random.seed(0)
    return step


def torch_step(
    network: Network,
    n: int,
    channels_last: bool,
    bfloat16: bool = False,
    compiled: bool = False,
    tf32: bool = False,
) -> Step:
    """Return a step of the same network in PyTorch, eager or compiled."""
    import torch

    model = torch_network(network.layers)
    images, labels = _batch(network, n)
    device = 'cpu' if DEVICE == '@numpy' else 'cuda'
    x, t = torch.from_numpy(images).to(device), torch.from_numpy(labels).long().to(device)
    model = model.to(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    decay = {'weight_decay': network.weight_decay}
    optimizer = {
        'adam': lambda p: torch.optim.Adam(p, lr=network.lr or 1e-3, fused=True, **decay),
        'sgd': lambda p: torch.optim.SGD(p, lr=network.lr or 0.01, fused=True, **decay),
        # Chainer's defaults.
        'adadelta': lambda p: torch.optim.Adadelta(p, lr=1, rho=0.95, eps=1e-6, **decay),
    }[network.optimizer](model.parameters())
    forward = torch.compile(model) if compiled else model

    def step() -> object:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            loss = torch.nn.functional.cross_entropy(forward(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def bound_step(network: Network, n: int, compute: str) -> Step:
    """Return a call of all convolutions of one training step, and of nothing else."""
    from vgg_cifar.accelerators.onednn import arrays, convolution, memory
    from vgg_cifar.accelerators.onednn.library import Arg, Type

    calls = []
    c_in, side = 3, 32
    for channels in CHANNELS:
        for c in channels:
            y_shape, geometry = convolution.moved(
                (n, c_in, side, side), (c, c_in, 3, 3), (1, 1), (1, 1), (1, 1), 1
            )
            case = convolution._Case(
                (n, c_in, side, side), (c, c_in, 3, 3), y_shape, geometry, Type[compute.upper()]
            )
            forward = convolution._forward(case, True, False)[0]
            data = convolution._backward_data(case)[0]
            weights = convolution._backward_weights(case, True)[0]
            held = {arg: memory.buffer(forward.size(arg)) for arg in (Arg.SRC, Arg.BIAS, Arg.DST)}
            held[Arg.WEIGHTS] = memory.buffer(max(forward.size(Arg.WEIGHTS), data.size(Arg.WEIGHTS)))
            held[Arg.DIFF_WEIGHTS] = memory.buffer(weights.size(Arg.DIFF_WEIGHTS))
            for part in held.values():
                part[...] = 0
            x, b, y, w, gw = (arrays.address(part) for part in held.values())
            calls.append((held, forward, (x, w, b, y)))
            if c_in != 3:
                calls.append((held, data, (y, w, x)))
            calls.append((held, weights, (x, y, gw, b)))
            c_in = c
        side //= 2

    def step() -> object:
        for _, primitive, addresses in calls:
            primitive(*addresses)
        return 0

    return step


def _batch(network: Network, n: int):
    import numpy

    numbers = numpy.random.RandomState(0)
    images = numbers.standard_normal((n, *network.image_shape)).astype(numpy.float32)
    return images, numbers.randint(0, network.n_classes, n).astype(numpy.int32)


def _torch(channels_last: bool, **options: bool) -> Callable[[Network, int], Step]:
    return lambda network, n: torch_step(network, n, channels_last, **options)


OFF = {'VGG_CIFAR_ACCELERATOR': 'off'}

# Name: (what makes the step, its environment).
CONTENDERS: dict[str, tuple[Callable[[Network, int], Step], dict[str, str]]] = {
    'stock Chainer': (chainer_step, OFF),
    'Chainer, accelerator': (chainer_step, {}),
    'ours, float32': (our_step, {}),
    'ours, accelerator off': (our_step, OFF),
    'ours, bfloat16': (lambda network, n: our_step(network, n, 'bfloat16'), {}),
    'bound, float32': (lambda network, n: bound_step(network, n, 'float32'), {}),
    'bound, bfloat16': (lambda network, n: bound_step(network, n, 'bfloat16'), {}),
    'PyTorch NCHW': (_torch(False), {}),
    'PyTorch NCHW, keeping': (_torch(False), KEEPING),
    'PyTorch channels_last': (_torch(True), {}),
    'PyTorch channels_last, keeping': (_torch(True), KEEPING),
    'PyTorch NCHW, compiled': (_torch(False, compiled=True), KEEPING),
    'PyTorch channels_last, compiled': (_torch(True, compiled=True), KEEPING),
    'PyTorch channels_last bfloat16': (_torch(True, bfloat16=True), {}),
    'PyTorch channels_last bfloat16, keeping': (_torch(True, bfloat16=True), KEEPING),
}


ON_GPU: dict[str, tuple[Callable[[Network, int], Step], dict[str, str]]] = {
    'Chainer, without the hook': (chainer_step, OFF),
    'Chainer, by the hook': (chainer_step, {}),
    **{
        f'ours, {compute}': (functools.partial(our_step, compute=compute), {})
        for compute in ('float32', 'tf32', 'float16', 'bfloat16')
    },
    'PyTorch NCHW': (_torch(False), {}),
    'PyTorch channels_last': (_torch(True), {}),
    'PyTorch NCHW tf32': (_torch(False, tf32=True), {}),
    'PyTorch channels_last tf32': (_torch(True, tf32=True), {}),
    'PyTorch NCHW bfloat16': (_torch(False, bfloat16=True), {}),
    'PyTorch channels_last bfloat16': (_torch(True, bfloat16=True), {}),
    'PyTorch channels_last bfloat16, compiled': (_torch(True, bfloat16=True, compiled=True), {}),
}


def contenders() -> dict[str, tuple[Callable[[Network, int], Step], dict[str, str]]]:
    """Return those of the device."""
    return CONTENDERS if DEVICE == '@numpy' else ON_GPU


def able() -> list[str]:
    """Return the contenders that can take part here; say of the others why not."""
    from vgg_cifar.accelerators.onednn import library

    missing = {}
    if importlib.util.find_spec('torch') is None:
        missing['PyTorch'] = "PyTorch is not installed: pip install '.[bench]'"
    elif not any(map(shutil.which, ('c++', 'g++', 'clang++'))):
        missing['compiled'] = 'torch.compile needs a C++ compiler, and there is none'
    if DEVICE != '@numpy':
        for part, reason in missing.items():
            print(f'without {part}: {reason}')
        return [name for name in ON_GPU if not any(part in name for part in missing)]
    try:
        dnnl = library.load()
    except library.Unavailable as reason:
        missing['bound'] = missing['bfloat16'] = str(reason)
    else:
        print(f'oneDNN {".".join(map(str, dnnl.version_numbers))}, {dnnl.isa_name}')
        if not dnnl.has_bfloat16:
            missing['bfloat16'] = 'this CPU does not multiply bfloat16'
    for part, reason in missing.items():
        print(f'without {part}: {reason}')
    return [name for name in CONTENDERS if not any(part in name for part in missing)]


# Of short steps, a turn takes as many as last so long, in seconds; between turns there is a pause, in which
# the threads of the one before, who may look out for more work for a while, fall asleep.
TURN = 0.05
PAUSE = 0.02

CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}

# Name of a bar: (numerator, denominator); each the fastest of some contenders.
PLAIN = ('PyTorch NCHW', 'PyTorch channels_last')
EAGER = (*PLAIN, *(f'{name}, keeping' for name in PLAIN))
BARS_ON_GPU = {
    'fastest PyTorch bfloat16 / ours': (
        ('PyTorch NCHW bfloat16', 'PyTorch channels_last bfloat16'),
        ('ours, bfloat16',),
    ),
    'PyTorch bfloat16 compiled / ours': (('PyTorch channels_last bfloat16, compiled',), ('ours, bfloat16',)),
    'fastest PyTorch TF32 / ours': (('PyTorch NCHW tf32', 'PyTorch channels_last tf32'), ('ours, tf32',)),
    'fastest PyTorch float32 / ours': (PLAIN, ('ours, float32',)),
    'Chainer without / by the hook': (('Chainer, without the hook',), ('Chainer, by the hook',)),
}
BARS = {
    'stock Chainer / ours': (('stock Chainer',), ('ours, float32',)),
    'fastest PyTorch float32 / ours': (PLAIN, ('ours, float32',)),
    'fastest PyTorch float32, keeping / ours': (EAGER, ('ours, float32',)),
    'fastest PyTorch bfloat16, keeping / ours': (
        ('PyTorch channels_last bfloat16', 'PyTorch channels_last bfloat16, keeping'),
        ('ours, bfloat16',),
    ),
    'ours, accelerator off / ours': (('ours, accelerator off',), ('ours, float32',)),
    'fastest PyTorch compiled / ours': (
        tuple(f'{name}, compiled' for name in PLAIN),
        ('ours, float32',),
    ),
    'ours / bound, float32': (('ours, float32',), ('bound, float32',)),
    'ours / bound, bfloat16': (('ours, bfloat16',), ('bound, bfloat16',)),
}


def work(name: str, network: str, n: int, clock: Callable[[], float]) -> None:
    """Be a contender: warm up, then answer each line of stdin with the mean seconds of a step."""
    if not name.startswith('PyTorch'):
        import vgg_cifar  # noqa: F401
    step = contenders()[name][0](NETWORKS[network], n)
    # The third step of ours is the first that calls what is recorded; reading the loss ends a step.
    for _ in range(4):
        float(step())
    print(json.dumps({'ready': True}), flush=True)
    count = 1
    for _ in sys.stdin:
        begun, start = time.perf_counter(), clock()
        for _ in range(count):
            loss = step()
        loss = float(loss)
        seconds = (clock() - start) / count
        # Of the next turn. What was measured while the others warmed up would not do.
        count = max(1, round(TURN * count / (time.perf_counter() - begun)))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({'seconds': seconds, 'loss': loss, 'peak_mib': peak}), flush=True)


class Contender:
    """A process that makes a step whenever it is asked to."""

    def __init__(self, name: str, network: str, n: int, clock: str, threads: int | None) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.peak_mib = 0.0
        environment = {**os.environ, **contenders()[name][1]}
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, (str(ROOT), environment.get('PYTHONPATH'))))
        if threads:
            environment |= {'OMP_NUM_THREADS': str(threads), 'OPENBLAS_NUM_THREADS': str(threads)}
        # On a GPU, steps that are not captured would be timed as if they were.
        warnings = '-W', 'ignore', '-W', 'error:the training step is not captured'
        self._process = subprocess.Popen(
            [
                *(sys.executable, *warnings, __file__, '--work', name, network, str(n)),
                *('--clock', clock, '-d', DEVICE),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def is_ready(self) -> bool:
        """Wait until it has warmed up; say so and return False where it ends instead."""
        return self._answer() is not None or self._dropped()

    def _dropped(self) -> bool:
        print(f'without {self.name}: it ended with status {self._process.wait()}', flush=True)
        return False

    def _answer(self) -> dict | None:
        """Return the next answer; None where the process has ended."""
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def step(self) -> bool:
        """Take a turn, and keep the time of a step; say so and return False where it ends instead."""
        time.sleep(PAUSE)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write('\n')
            self._process.stdin.flush()
        answer = self._answer()
        if answer is None:
            return self._dropped()
        self.seconds.append(answer['seconds'])
        self.peak_mib = answer['peak_mib']
        return True

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def race(
    names: list[str], network: str, n: int, rounds: int, clock: str, threads: int | None
) -> dict[str, dict]:
    """Return times and memory of each contender, at batch size n."""
    started = (Contender(name, network, n, clock, threads) for name in names)
    # Beside a GPU there are processors enough to warm up together. On a few, threads of contenders that start
    # together are left on one for good.
    racing = [each for each in (started if DEVICE == '@numpy' else list(started)) if each.is_ready()]
    # The first turn says of how many steps the others are.
    for _ in range(1 + rounds):
        racing = [contender for contender in racing if contender.step()]
    for contender in racing:
        contender.close()
        del contender.seconds[0]
    return {
        c.name: {'seconds': c.seconds, 'median': statistics.median(c.seconds), 'peak_mib': c.peak_mib}
        for c in racing
    }


def bars(found: dict[str, dict]) -> dict[str, dict]:
    """Return each ratio of medians, with the smallest and largest ratio of the single rounds."""
    result = {}
    for name, sides in (BARS if DEVICE == '@numpy' else BARS_ON_GPU).items():
        best = [
            min((c for c in side if c in found), key=lambda c: found[c]['median'], default=None)
            for side in sides
        ]
        if None in best:
            continue
        top, bottom = (found[c] for c in best)
        single = sorted(a / b for a, b in zip(top['seconds'], bottom['seconds'], strict=True))
        quarter = len(single) // 4
        result[name] = {
            'ratio': top['median'] / bottom['median'],
            'middle half': [single[quarter], single[-1 - quarter]],
            'of': best,
        }
    return result


def show(network: str, n: int, found: dict[str, dict]) -> None:
    """Print one network and batch size as a table."""
    ours = found.get('ours, float32', next(iter(found.values())))['median']
    print(f'\n{network}, batch {n}\n{"":40} {"median":>9} {"min":>8} {"max":>8} {"/ ours":>7} {"peak":>10}')
    for name, result in found.items():
        times = result['seconds']
        print(
            f'{name:40} {result["median"] * 1e3:6.4g} ms {min(times) * 1e3:8.4g} {max(times) * 1e3:8.4g} '
            f'{result["median"] / ours:7.2f} {result["peak_mib"]:6.0f} MiB'
        )
    for name, bar in bars(found).items():
        low, high = bar['middle half']
        print(f'  {name:40} {bar["ratio"]:6.2f}  (middle half of the rounds {low:.2f} to {high:.2f})')


def table_row(network: str, n: int, threads: int | None, found: dict[str, dict]) -> str:
    """Return a line of the table in Markdown."""

    def cell(names: Sequence[str]) -> str:
        there = [name for name in names if name in found]
        if not there:
            return '-'
        times = [1e3 * t for t in found[min(there, key=lambda name: found[name]['median'])]['seconds']]
        return f'{statistics.median(times):.3g} ({min(times):.3g} to {max(times):.3g})'

    bar = bars(found).get('fastest PyTorch float32, keeping / ours')
    ratio = '-' if bar is None else '{:.2f} ({:.2f} to {:.2f})'.format(bar['ratio'], *bar['middle half'])
    cells = (
        cell(names) for names in (['ours, float32'], ['ours, accelerator off'], ['stock Chainer'], EAGER)
    )
    return f'| {network}, {n} images | {threads or "its own"} | {" | ".join(cells)} | {ratio} |'


def table_head(rounds: int) -> str:
    """Return what stands above the rows: the machine, the versions, and what a number is."""
    from vgg_cifar import machine
    from vgg_cifar.accelerators.onednn import library

    versions = ', '.join(
        f'{name} {importlib.metadata.version(name)}' for name in ('numpy', 'torch') if _installed(name)
    )
    return f"""\
Milliseconds of a training step: medians of {rounds} rounds, in brackets the fastest and the slowest. The
last column is the fastest eager PyTorch over ours, in brackets the middle half of the rounds.
{library.load().isa_name}, {machine.cores():g} cores; {versions}.

| network, batch | threads | ours | without accelerator | stock Chainer | PyTorch's best | PyTorch / ours |
|---|---|---|---|---|---|---|
"""


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def main() -> int:
    """Race, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--network',
        nargs='+',
        choices=['all', *NETWORKS],
        default=['R1'],
        metavar='NAME',
        help=f'all, or some of {", ".join(NETWORKS)}',
    )
    parser.add_argument('--batch', type=int, nargs='+', help="batch sizes (default: the report's)")
    parser.add_argument('--rounds', type=int, default=7, help='steps of each contender')
    parser.add_argument(
        '--only',
        nargs='+',
        choices=list(dict.fromkeys((*CONTENDERS, *ON_GPU))),
        metavar='CONTENDER',
        help=f'leave the others out: {"; ".join(CONTENDERS)}; on a GPU {"; ".join(ON_GPU)}',
    )
    parser.add_argument(
        '--threads',
        type=int,
        nargs='+',
        default=[None],
        help='threads of each contender, one number after the other; by default their own choice',
    )
    parser.add_argument('--clock', choices=CLOCKS, default='wall', help='what counts as time')
    parser.add_argument('--table', type=Path, help='where to write a table in Markdown')
    parser.add_argument('--json', type=Path, help='where to write all times')
    parser.add_argument('-d', '--device', default='-1', help='-1 for the CPU, 0 for the first GPU')
    parser.add_argument('--work', nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    global DEVICE
    DEVICE = {'-1': '@numpy', '0': '@cupy:0'}.get(arguments.device, arguments.device)
    if arguments.work:
        name, network, n = arguments.work
        work(name, network, int(n), CLOCKS[arguments.clock])
        return 0
    results: dict[str, dict] = {}
    rows = []
    able_here = arguments.only or able()
    networks = list(NETWORKS) if 'all' in arguments.network else arguments.network
    for network, threads in itertools.product(networks, arguments.threads):
        names = [name for name in able_here if network == 'R1' or not name.startswith('bound')]
        for n in arguments.batch or [NETWORKS[network].batch]:
            found = race(names, network, n, arguments.rounds, arguments.clock, threads)
            show(network, n, found)
            case = {'contenders': found, 'bars': bars(found)}
            results.setdefault(network, {}).setdefault(n, {})[threads or 'own'] = case
            rows.append(table_row(network, n, threads, found))
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=2) + '\n')
            if arguments.table:
                arguments.table.write_text(table_head(arguments.rounds) + '\n'.join(rows) + '\n')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
