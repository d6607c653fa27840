#!/usr/bin/env python
"""Time one training step of report R1's network on the CPU: stock Chainer, this package, PyTorch.

    python scripts/bench_step.py --batch 100 500 --rounds 9 --json bench.json

Each contender is a process of its own, with its network and its optimizer; they take turns, one step each, so
that what else happens on the machine hits all alike. A step is forward, backward and update on one batch of
random images; reading the loss ends it. PyTorch takes part where it is installed (the extra `bench`).

Wall time needs an otherwise idle machine. On a busy one, `--clock cpu --threads 1` compares the work itself.

`bound` is the time of the convolutions alone: oneDNN's primitives for the forward pass and both gradients, on
arrays that are already in their layouts.
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANNELS = ((64, 64), (128, 128), (256, 256, 256, 256))
DROPOUT = 0.4
Step = Callable[[], object]

# The C library keeps what is freed instead of giving it back to the system.
KEEPING = {'MALLOC_MMAP_MAX_': '0', 'MALLOC_TRIM_THRESHOLD_': '100000000000'}


def chainer_step(n: int) -> Step:
    """Return a step of the network out of Chainer's own functions, as an old script has it."""
    import vgg_cifar  # noqa: F401, I001
    import chainer
    import chainer.functions as F
    import chainer.links as L

    class Network(chainer.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.convolutions = chainer.ChainList()
                self.normalisations = chainer.ChainList()
                for channels in CHANNELS:
                    for c in channels:
                        self.convolutions.append(L.Convolution2D(None, c, 3, pad=1))
                        self.normalisations.append(L.BatchNormalization(c))
                self.fc4, self.fc5, self.fc6 = L.Linear(None, 500), L.Linear(500, 500), L.Linear(500, 10)

        def forward(self, x):
            layers = iter(zip(self.convolutions, self.normalisations, strict=True))
            for channels in CHANNELS:
                for _ in channels:
                    conv, bn = next(layers)
                    x = F.relu(bn(conv(x)))
                x = F.dropout(F.max_pooling_2d(x, 2), DROPOUT)
            x = F.dropout(F.relu(self.fc4(x)), DROPOUT)
            return self.fc6(F.dropout(F.relu(self.fc5(x)), DROPOUT))

    return _chainer_training(Network(), chainer.optimizers.Adam(), n)


def our_step(n: int, compute: str) -> Step:
    """Return a step of vgg_cifar's network."""
    from vgg_cifar.accelerators import layers, optimizers
    from vgg_cifar.models import VGG

    step = _chainer_training(VGG(dropout=DROPOUT), optimizers.Adam(), n)

    def run() -> object:
        with layers.using_compute(compute):
            return step()

    return run


def _chainer_training(network, optimizer, n: int) -> Step:
    import chainer.functions as F
    import numpy

    x, t = _batch(n)
    optimizer.setup(network)

    def step() -> object:
        loss = F.softmax_cross_entropy(network(x), t)
        network.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.array)

    numpy.random.seed(0)
    return step


def torch_step(n: int, channels_last: bool, bfloat16: bool) -> Step:
    """Return a step of the same network in PyTorch, eager."""
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    c_in = 3
    for channels in CHANNELS:
        for c in channels:
            layers += [nn.Conv2d(c_in, c, 3, padding=1), nn.BatchNorm2d(c), nn.ReLU()]
            c_in = c
        layers += [nn.MaxPool2d(2), nn.Dropout(DROPOUT)]
    layers += [nn.Flatten(), nn.Linear(c_in * 16, 500), nn.ReLU(), nn.Dropout(DROPOUT)]
    layers += [nn.Linear(500, 500), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(500, 10)]
    network = nn.Sequential(*layers)
    images, labels = _batch(n)
    x, t = torch.from_numpy(images), torch.from_numpy(labels).long()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> object:
        with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
            loss = nn.functional.cross_entropy(network(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def bound_step(n: int, compute: str) -> Step:
    """Return a call of all convolutions of one training step, and of nothing else."""
    import vgg_cifar  # noqa: F401
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


def _batch(n: int):
    import numpy

    numbers = numpy.random.RandomState(0)
    images = numbers.standard_normal((n, 3, 32, 32)).astype(numpy.float32)
    return images, numbers.randint(0, 10, n).astype(numpy.int32)


# Name: (what makes the step, its environment).
CONTENDERS: dict[str, tuple[Callable[[int], Step], dict[str, str]]] = {
    'stock Chainer': (chainer_step, {'VGG_CIFAR_ACCELERATOR': 'off'}),
    'Chainer, accelerator': (chainer_step, {}),
    'ours, float32': (lambda n: our_step(n, 'float32'), {}),
    'ours, bfloat16': (lambda n: our_step(n, 'bfloat16'), {}),
    'bound, float32': (lambda n: bound_step(n, 'float32'), {}),
    'bound, bfloat16': (lambda n: bound_step(n, 'bfloat16'), {}),
    'PyTorch NCHW': (lambda n: torch_step(n, False, False), {}),
    'PyTorch NCHW, keeping': (lambda n: torch_step(n, False, False), KEEPING),
    'PyTorch channels_last': (lambda n: torch_step(n, True, False), {}),
    'PyTorch channels_last, keeping': (lambda n: torch_step(n, True, False), KEEPING),
    'PyTorch channels_last bfloat16': (lambda n: torch_step(n, True, True), {}),
    'PyTorch channels_last bfloat16, keeping': (lambda n: torch_step(n, True, True), KEEPING),
}

CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}

# Name of a bar: (numerator, denominator); each the fastest of some contenders.
PLAIN = ('PyTorch NCHW', 'PyTorch channels_last')
BARS = {
    'stock Chainer / ours': (('stock Chainer',), ('ours, float32',)),
    'fastest PyTorch float32 / ours': (PLAIN, ('ours, float32',)),
    'fastest PyTorch float32, keeping / ours': (
        (*PLAIN, *(f'{name}, keeping' for name in PLAIN)),
        ('ours, float32',),
    ),
    'fastest PyTorch bfloat16, keeping / ours': (
        ('PyTorch channels_last bfloat16', 'PyTorch channels_last bfloat16, keeping'),
        ('ours, bfloat16',),
    ),
    'ours / bound, float32': (('ours, float32',), ('bound, float32',)),
    'ours / bound, bfloat16': (('ours, bfloat16',), ('bound, bfloat16',)),
}


def work(name: str, n: int, clock: Callable[[], float]) -> None:
    """Be a contender: warm up, then answer each line of stdin with the seconds of one step."""
    step = CONTENDERS[name][0](n)
    for _ in range(2):
        step()
    print(json.dumps({'ready': True}), flush=True)
    for _ in sys.stdin:
        start = clock()
        loss = step()
        seconds = clock() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({'seconds': seconds, 'loss': loss, 'peak_mib': peak}), flush=True)


class Contender:
    """A process that makes a step whenever it is asked to."""

    def __init__(self, name: str, n: int, clock: str, threads: int | None) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.peak_mib = 0.0
        environment = {**os.environ, **CONTENDERS[name][1]}
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, (str(ROOT), environment.get('PYTHONPATH'))))
        if threads:
            environment |= {'OMP_NUM_THREADS': str(threads), 'OPENBLAS_NUM_THREADS': str(threads)}
        self._process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', __file__, '--work', name, str(n), '--clock', clock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'{self.name}: ended with status {self._process.wait()}')
        return json.loads(line)

    def step(self) -> None:
        """Make one step, and keep its time."""
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        answer = self._answer()
        self.seconds.append(answer['seconds'])
        self.peak_mib = answer['peak_mib']

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()


def race(names: list[str], n: int, rounds: int, clock: str, threads: int | None) -> dict[str, dict]:
    """Return times and memory of each contender, at batch size n."""
    contenders = [Contender(name, n, clock, threads) for name in names]
    for _ in range(rounds):
        for contender in contenders:
            contender.step()
    for contender in contenders:
        contender.close()
    return {
        c.name: {'seconds': c.seconds, 'median': statistics.median(c.seconds), 'peak_mib': c.peak_mib}
        for c in contenders
    }


def bars(found: dict[str, dict]) -> dict[str, dict]:
    """Return each ratio of medians, with the smallest and largest ratio of the single rounds."""
    result = {}
    for name, sides in BARS.items():
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


def show(n: int, found: dict[str, dict]) -> None:
    """Print one batch size as a table."""
    ours = found.get('ours, float32', next(iter(found.values())))['median']
    print(f'\nbatch {n}\n{"":40} {"median":>9} {"min":>8} {"max":>8} {"/ ours":>7} {"peak":>10}')
    for name, result in found.items():
        times = result['seconds']
        print(
            f'{name:40} {result["median"] * 1e3:6.0f} ms {min(times) * 1e3:8.0f} {max(times) * 1e3:8.0f} '
            f'{result["median"] / ours:7.2f} {result["peak_mib"]:6.0f} MiB'
        )
    for name, bar in bars(found).items():
        low, high = bar['middle half']
        print(f'  {name:40} {bar["ratio"]:6.2f}  (middle half of the rounds {low:.2f} to {high:.2f})')


def main() -> int:
    """Race, print, and write what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--batch', type=int, nargs='+', default=[100, 500], help='batch sizes')
    parser.add_argument('--rounds', type=int, default=7, help='steps of each contender')
    parser.add_argument('--only', nargs='+', choices=CONTENDERS, help='leave the others out')
    parser.add_argument('--threads', type=int, help='threads of each contender; by default their own choice')
    parser.add_argument('--clock', choices=CLOCKS, default='wall', help='what counts as time')
    parser.add_argument('--json', type=Path, help='where to write all times')
    parser.add_argument('--work', nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], int(arguments.work[1]), CLOCKS[arguments.clock])
        return 0
    torch = importlib.util.find_spec('torch') is not None
    if not torch:
        print("PyTorch is not installed and does not take part: pip install 'vgg-cifar[bench]'")
    names = arguments.only or [name for name in CONTENDERS if torch or not name.startswith('PyTorch')]
    results = {}
    for n in arguments.batch:
        found = race(names, n, arguments.rounds, arguments.clock, arguments.threads)
        show(n, found)
        results[n] = {'contenders': found, 'bars': bars(found)}
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
