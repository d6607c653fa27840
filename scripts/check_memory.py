"""Look for reads and writes outside the memory that is handed to oneDNN, over thousands of random layers.

    python scripts/check_memory.py --cases 3000
    python scripts/check_memory.py --cases 500 --isa AVX2 --kinds convolution --seed 7

Each argument of each call of oneDNN, its scratch memory too, is moved to memory between two pages that nobody
may touch: once so that it ends where the second page starts, once so that it starts where the first ends.
The bytes that are left beside it hold a pattern that must survive. Both calls must give the same bits, though
their scratch memory starts with other contents. What comes out is compared with Chainer's NumPy path.

A case is a layer with a random shape, forwards and backwards; its number and the seed say all about it. Cases
run in a process of their own, for each instruction set and number of threads: what kills or hangs it is
named, and it goes on behind that. Where glibc has them, MALLOC_CHECK_ and MALLOC_PERTURB_ watch the heap.
Ends with status 1 if anything was found.

With oneDNN 3.2 on a CPU with AVX2, more than two thousand cases each at SSE41, AVX and AVX2, with one and two
threads, found one fault: the gradient of the weights of a 1x1 convolution with a stride, which
vgg_cifar.accelerators.onednn.convolution now avoids. Kernels for AVX-512 and AMX have not been looked at.
"""

import argparse
import ctypes
import json
import math
import mmap
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 120
MALLOC_DEBUG = 'libc_malloc_debug.so.0'
ISAS = ('SSE41', 'AVX', 'AVX2', 'AVX512_CORE', 'AVX512_CORE_BF16', 'AVX512_CORE_AMX')

# --- Guarded calls ---------------------------------------------------------------------------------------

# Of dnnl_types.h.
SCRATCHPAD, USERS_SCRATCHPAD = 80, 1
QUERY = {
    'strides': 14,
    'ndims': 256,
    'padded_dims': 260,
    'inner_nblks': 263,
    'inner_blks': 264,
    'inner_idxs': 265,
}
CANARY = 0xA5


class Outside(Exception):
    """A call of oneDNN wrote outside its arguments, or its result depends on what it was not given."""


class _Room:
    """Memory between two pages without access."""

    def __init__(self, n_pages: int) -> None:
        self._map = mmap.mmap(-1, (n_pages + 2) * mmap.PAGESIZE)
        first = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.start, self.n_bytes = first + mmap.PAGESIZE, n_pages * mmap.PAGESIZE
        for guard in (first, self.start + self.n_bytes):
            if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(guard), mmap.PAGESIZE, 0):
                raise OSError(ctypes.get_errno(), 'mprotect')

    def place(self, n_bytes: int, alignment: int, at_end: bool) -> int:
        """Fill the room with the canary, and return where n_bytes lie flush with a page."""
        ctypes.memset(self.start, CANARY, self.n_bytes)
        return self.start + ((self.n_bytes - n_bytes) // alignment * alignment if at_end else 0)

    def is_intact(self, place: int, n_bytes: int) -> bool:
        """Whether the canary is still all around what was placed."""
        before, end = place - self.start, self.start + self.n_bytes
        return all(
            ctypes.string_at(start, size).count(CANARY) == size
            for start, size in ((self.start, before), (place + n_bytes, end - place - n_bytes))
        )


def extent(dnnl: Any, primitive: Any, which: int) -> int:
    """Return the bytes from an argument's first element to its last; oneDNN counts gaps behind it too."""
    size, layout = primitive.size(which), primitive.layout(which)

    def asked(name: str, kind: Any) -> Any:
        value = kind()
        dnnl._library['dnnl_memory_desc_query'](
            ctypes.c_void_p(layout), ctypes.c_int(QUERY[name]), ctypes.byref(value)
        )
        return value

    n_axes = asked('ndims', ctypes.c_int).value
    if not size or not n_axes:
        return size
    numbers = ctypes.POINTER(ctypes.c_int64)
    strides, shape = (asked(name, numbers)[:n_axes] for name in ('strides', 'padded_dims'))
    n_blocks = asked('inner_nblks', ctypes.c_int).value
    blocks, axes = (asked(name, numbers)[:n_blocks] for name in ('inner_blks', 'inner_idxs'))
    for block, axis in zip(blocks, axes, strict=True):
        shape[axis] //= block
    # The two formulas give elements alike where there are no gaps.
    whole = max(n * stride for n, stride in zip(shape, strides, strict=True))
    whole = max(whole, math.prod(blocks))
    last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) + math.prod(blocks)
    return min(size, size // whole * last) if size % whole == 0 else size


class Guards:
    """Takes the place of Primitive's calls."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.implementations: set[str] = set()
        self._rooms: dict[int, list[_Room]] = {}

    def install(self) -> None:
        """Guard every call of every primitive that is made from now on."""
        from vgg_cifar.accelerators.onednn import library, primitives

        dnnl = library.load()
        set_mode = dnnl._library['dnnl_primitive_attr_set_scratchpad_mode']
        set_mode.argtypes = [ctypes.c_void_p, ctypes.c_int]
        guards, make, run = self, primitives.Primitive.__init__, primitives.Primitive.__call__

        def made(self, what, uses, call, *arguments, attributes=None, **options):
            attributes = primitives.Attributes() if attributes is None else attributes
            if set_mode(attributes._as_parameter_, USERS_SCRATCHPAD):
                raise RuntimeError('oneDNN takes no scratch memory')
            make(self, what, (*uses, SCRATCHPAD), call, *arguments, attributes=attributes, **options)
            self.guarded_sizes = [extent(dnnl, self, use) for use in (*uses, SCRATCHPAD)]
            self.guarded_uses = (*uses, SCRATCHPAD)
            operation = call.removesuffix('_primitive_desc_create')
            guards.implementations.add(f'{operation}: {self.implementation}')

        def guarded(self, *addresses):
            guards.call(self, run, (*addresses, 0))

        primitives.Primitive.__init__, primitives.Primitive.__call__ = made, guarded

    def call(self, primitive: Any, run: Callable, addresses: Sequence[int]) -> None:
        """Run a primitive at both ends of guarded memory."""
        self.n_calls += 1
        sizes = [
            size if address or use == SCRATCHPAD else 0
            for size, address, use in zip(
                primitive.guarded_sizes, addresses, primitive.guarded_uses, strict=True
            )
        ]
        rooms = self._take(sizes)
        results = []
        for at_end, scratch in ((True, 0xFF), (False, 0x00)):
            places = []
            for use, address, size, room in zip(primitive.guarded_uses, addresses, sizes, rooms, strict=True):
                # What oneDNN orders itself stands on aligned memory; other arrays may lie anywhere.
                place = room.place(size, 64 if use == SCRATCHPAD else 4 if size % 4 == 0 else 1, at_end)
                if use == SCRATCHPAD:
                    ctypes.memset(place, scratch, size)
                elif size:
                    ctypes.memmove(place, address, size)
                places.append(place)
            run(primitive, *(place if size else 0 for place, size in zip(places, sizes, strict=True)))
            for use, place, size, room in zip(primitive.guarded_uses, places, sizes, rooms, strict=True):
                if not room.is_intact(place, size):
                    end = 'end' if at_end else 'start'
                    raise Outside(
                        f'{primitive.what} ({primitive.implementation}) wrote outside argument {use}, '
                        f'{size} bytes at the {end} of a page'
                    )
            results.append(
                [ctypes.string_at(place, size) for place, size in zip(places[:-1], sizes[:-1], strict=True)]
            )
        for use, address, *pair in zip(primitive.guarded_uses, addresses, *results, strict=False):
            if pair[0] != pair[1]:
                raise Outside(
                    f'{primitive.what} ({primitive.implementation}): argument {use} differs between two calls'
                )
            if address and pair[0]:
                ctypes.memmove(address, pair[0], len(pair[0]))
        for room in rooms:
            self._rooms.setdefault(room.n_bytes, []).append(room)

    def _take(self, sizes: Sequence[int]) -> list[_Room]:
        rooms = []
        for size in sizes:
            n_pages = max(1, math.ceil(size / mmap.PAGESIZE))
            free = self._rooms.get(n_pages * mmap.PAGESIZE)
            rooms.append(free.pop() if free else _Room(n_pages))
        return rooms


# --- Cases -----------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A function of arrays and how to describe it."""

    what: str
    function: Callable
    inputs: list
    tolerance: float = 2e-4


class Numbers:
    """Draws what a case is made of."""

    def __init__(self, seed: str) -> None:
        import numpy

        self._random = random.Random(seed)
        self._arrays = numpy.random.RandomState(self._random.randrange(2**32))

    def of(self, *choices: Any) -> Any:
        """Return one of these."""
        return self._random.choice(choices)

    def size(self, most: int) -> int:
        """Return 1 to `most`; small ones, and those around the lengths of vectors, more often."""
        if self._random.random() < 0.4:
            return self._random.randint(1, min(most, 5))
        if self._random.random() < 0.5:
            near = self.of(8, 16, 24, 32, 48, 64) + self.of(-1, 0, 0, 1)
            return near if near <= most else most
        return self._random.randint(1, most)

    def pair(self, *choices: int) -> tuple[int, int]:
        """Return two of these, the same more often than not."""
        first = self.of(*choices)
        return first, first if self._random.random() < 0.6 else self.of(*choices)

    def array(self, *shape: int) -> Any:
        """Return normally distributed float32, sometimes not aligned to anything, or channels last."""
        import numpy

        values = self._arrays.standard_normal(shape).astype(numpy.float32)
        arrangement = self._random.random()
        if len(shape) == 4 and arrangement < 0.3:
            return numpy.ascontiguousarray(values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        if len(shape) == 4 and arrangement < 0.4:
            return numpy.repeat(values, 2, axis=3)[..., ::2]
        return values


def _image(numbers: Numbers, channels: int, least: Sequence[int] = (1, 1)) -> tuple[int, int, int, int]:
    most = 40 if channels < 20 else 16
    rows, columns = (low - 1 + numbers.size(most) for low in least)
    return numbers.of(1, 1, 2, 3, 4, 7), channels, rows, columns


def _moves(numbers: Numbers) -> dict[str, Any]:
    size = numbers.pair(1, 1, 1, 2, 3, 3, 3, 4, 5, 7)
    return {
        'size': size,
        'stride': numbers.pair(1, 1, 1, 2, 2, 3, 4),
        'pad': numbers.pair(0, 0, 0, 1, 1, 2, 3),
        'dilate': numbers.pair(1, 1, 1, 2, 3),
        'groups': 1,
    }


def _channels(numbers: Numbers) -> tuple[int, int, int]:
    groups = numbers.of(1, 1, 1, 1, 2, 3, 8, 0)
    if groups == 0:
        depth = numbers.size(40)
        return depth, depth * numbers.of(1, 1, 2), depth
    return groups * numbers.size(70 // groups), groups * numbers.size(70 // groups), groups


def convolution(numbers: Numbers) -> Case:
    """Chainer's convolution and its gradients."""
    import chainer.functions as F

    n_in, n_out, groups = _channels(numbers)
    moves = {**_moves(numbers), 'groups': groups}
    size = moves.pop('size')
    reach = [
        max(1, (k - 1) * d + 1 - 2 * p) for k, d, p in zip(size, moves['dilate'], moves['pad'], strict=True)
    ]
    inputs = [numbers.array(*_image(numbers, n_in, reach)), numbers.array(n_out, n_in // groups, *size)]
    if numbers.of(True, False):
        inputs.append(numbers.array(n_out))
    return Case('convolution', lambda *xs: F.convolution_2d(*xs, **moves), inputs)


def strided_pointwise(numbers: Numbers) -> Case:
    """A convolution whose kernel is one pixel: kernels of their own."""
    import chainer.functions as F

    n_in, n_out, groups = _channels(numbers)
    moves = {'stride': numbers.pair(1, 2, 2, 3, 4), 'pad': numbers.pair(0, 0, 0, 0, 1), 'groups': groups}
    n, _, *side = _image(numbers, n_in)
    if numbers.of(True, True, False):
        # oneDNN treats strides that divide the image in a way of their own.
        side = [step * max(1, pixels // step) for step, pixels in zip(moves['stride'], side, strict=True)]
    inputs = [numbers.array(n, n_in, *side), numbers.array(n_out, n_in // groups, 1, 1)]
    if numbers.of(True, False):
        inputs.append(numbers.array(n_out))
    return Case('convolution', lambda *xs: F.convolution_2d(*xs, **moves), inputs)


def deconvolution(numbers: Numbers) -> Case:
    """Chainer's deconvolution and its gradients."""
    import chainer.functions as F

    n_in, n_out, groups = _channels(numbers)
    moves = {**_moves(numbers), 'groups': groups}
    size = moves.pop('size')
    least = [
        max(1, math.ceil((2 * p + 1 - (k - 1) * d - 1) / s) + 1)
        for k, d, p, s in zip(size, moves['dilate'], moves['pad'], moves['stride'], strict=True)
    ]
    inputs = [
        numbers.array(*_image(numbers, n_in, least)),
        numbers.array(n_in, n_out // groups, *size),
    ]
    if numbers.of(True, False):
        inputs.append(numbers.array(n_out))
    return Case('deconvolution', lambda *xs: F.deconvolution_2d(*xs, **moves), inputs)


def wide_convolution(numbers: Numbers) -> Case:
    """What goes by Winograd's method."""
    import chainer.functions as F

    n_in, n_out = numbers.of((64, 128), (128, 64), (96, 96), (130, 66), (67, 129))
    rows, columns = numbers.size(3), numbers.size(3)
    n = math.ceil(64 / (rows * columns)) + numbers.size(3)
    inputs = [numbers.array(n, n_in, 4 * rows, 4 * columns), numbers.array(n_out, n_in, 3, 3) / 24]
    if numbers.of(True, False):
        inputs.append(numbers.array(n_out))
    return Case('convolution', lambda *xs: F.convolution_2d(*xs, pad=1), inputs, 1e-3)


def fused(numbers: Numbers) -> Case:
    """Our layer: a convolution, a normalisation, a shortcut, a ReLU; in training, or without a graph."""
    import chainer
    import chainer.links as L

    from vgg_cifar.accelerators import layers

    n_in, n_out = numbers.size(70), numbers.size(70)
    size, pad = numbers.of((1, 0), (3, 1), (5, 2), (3, 0), (3, 2))
    conv = L.Convolution2D(n_in, n_out, size, numbers.of(1, 1, 2), pad, nobias=numbers.of(True, False))
    bn = L.BatchNormalization(n_out) if numbers.of(True, True, False) else None
    for link in (conv, bn):
        for param in link.params() if link else ():
            param.array[...] = numbers.array(*param.shape) * 0.3 + (param.ndim == 1)
    n, _, *side = _image(numbers, n_in, (size, size))
    x = numbers.array(n + 3, n_in, *side)
    slope, train = numbers.of(0.0, 0.0, 0.1), numbers.of(True, True, False)
    shortcut = numbers.array(*conv(x).shape) if numbers.of(True, False) else None

    def function(x):
        with chainer.using_config('train', train), chainer.using_config('enable_backprop', train):
            y = layers.convolution(conv, bn, x, slope, shortcut)
        return y if train else x[:1, :1, :1, :1] * 0 + y

    return Case('convolution, normalisation and ReLU', function, [x], 1e-2)


def pooling(numbers: Numbers) -> Case:
    """Max and average pooling."""
    import chainer.functions as F

    kind = numbers.of('max', 'max', 'average')
    size, stride = numbers.pair(1, 2, 2, 3, 3, 4, 5, 17), numbers.pair(1, 2, 2, 3, 4)
    pad = tuple(min(p, k - 1) for p, k in zip(numbers.pair(0, 0, 1, 2), size, strict=True))
    least = [max(1, k - 2 * p) for k, p in zip(size, pad, strict=True)]
    x = numbers.array(*_image(numbers, numbers.size(70), least))
    if kind == 'average':
        return Case('average pooling', lambda x: F.average_pooling_2d(x, size, stride, pad), [x])
    cover = numbers.of(True, False)
    return Case('max pooling', lambda x: F.max_pooling_2d(x, size, stride, pad, cover_all=cover), [x])


def normalisation(numbers: Numbers) -> Case:
    """Batch normalisation, by the batch's statistics or given ones."""
    import chainer.functions as F

    n, c, *side = _image(numbers, numbers.size(130))
    x = numbers.array(n + 4, c) if numbers.of(True, False) else numbers.array(n + 4, c, *side)
    inputs = [x, numbers.array(c), numbers.array(c)]
    if numbers.of(True, True, False):
        return Case('batch normalisation', F.batch_normalization, inputs, 1e-2)
    inputs += [numbers.array(c), abs(numbers.array(c)) + 0.1]
    return Case('fixed batch normalisation', F.fixed_batch_normalization, inputs, 1e-3)


def linear(numbers: Numbers) -> Case:
    """The fully connected layer."""
    import chainer.functions as F

    n, n_in, n_out = numbers.size(70), numbers.size(300), numbers.size(130)
    inputs = [numbers.array(n, n_in), numbers.array(n_out, n_in)]
    if numbers.of(True, False):
        inputs.append(numbers.array(n_out))
    return Case('linear', F.linear, inputs)


def elementwise(numbers: Numbers) -> Case:
    """Rectifiers and dropout, of any number of elements."""
    import chainer
    import chainer.functions as F
    import numpy

    x = numbers.array(*_image(numbers, numbers.size(40)))
    x = x if numbers.of(True, False) else numbers.array(numbers.size(70), numbers.size(70))
    slope = numbers.of(None, 0.1, -0.5, 1.5)
    ratio, train = numbers.of(0.1, 0.5), chainer.config.train
    if numbers.of(True, False):
        return Case('ReLU', (lambda x: F.leaky_relu(x, slope)) if slope else F.relu, [x])

    def dropped(x):
        # The accelerator draws its own mask; the part that is the same on both paths is its product.
        numpy.random.seed(0)
        mask = (numpy.random.rand(*x.shape) >= ratio).astype(numpy.float32) / numpy.float32(1 - ratio)
        with chainer.using_config('train', train):
            return F.dropout(x, ratio, mask=mask)

    return Case('dropout', dropped, [x])


KINDS: dict[str, Callable[[Numbers], Case]] = {
    'convolution': convolution,
    'strided_pointwise': strided_pointwise,
    'deconvolution': deconvolution,
    'wide_convolution': wide_convolution,
    'fused': fused,
    'pooling': pooling,
    'normalisation': normalisation,
    'linear': linear,
    'elementwise': elementwise,
}


def both_ways(case: Case, numbers: Numbers) -> None:
    """Run a case with and without the accelerator; raise AssertionError where they differ."""
    import chainer
    import numpy

    found = []
    gy = None
    for use_ideep in ('never', 'always'):
        with chainer.using_config('use_ideep', use_ideep):
            variables = [chainer.Variable(array) for array in case.inputs]
            y = case.function(*variables)
            gy = numbers.array(*y.shape) if gy is None else gy
            y.grad = gy
            y.backward()
        found.append([y.array, *(variable.grad for variable in variables)])
    for k, (want, have) in enumerate(zip(*found, strict=True)):
        # A window in the padding alone has the maximum minus infinity.
        finite = numpy.isfinite(want)
        scale = max(1.0, float(abs(want[finite]).max(initial=0)))
        error = float(abs(have - want)[finite].max(initial=0)) / scale
        if not error <= case.tolerance or (have != want)[~finite].any():
            raise AssertionError(f'result {k} of {case.what} differs from NumPy by {error:.2g}')


# --- Processes -------------------------------------------------------------------------------------------


def work(seed: int, kinds: Sequence[str], first: int, last: int) -> None:
    """Run cases, and write a line of JSON before each and about each that failed."""
    import vgg_cifar  # noqa: F401, I001
    import chainer  # noqa: F401

    guards = Guards()
    guards.install()
    for k in range(first, last):
        answer = {'case': k, 'calls': guards.n_calls, 'implementations': sorted(guards.implementations)}
        print(json.dumps(answer), flush=True)
        guards.n_calls = 0
        guards.implementations.clear()
        # An endless loop in a kernel leaves no other way.
        signal.alarm(SECONDS)
        kind = kinds[k % len(kinds)]
        numbers = Numbers(f'{seed} {k}')
        case = KINDS[kind](numbers)
        shapes = [array.shape for array in case.inputs]
        try:
            both_ways(case, numbers)
        except Exception as error:
            why = f'{kind} of {shapes}: {type(error).__name__}: {error}'
            print(json.dumps({'failed': why}), flush=True)
    print(json.dumps({'calls': guards.n_calls, 'implementations': sorted(guards.implementations)}))


def examine(isa: str, threads: int, arguments: argparse.Namespace) -> list[str]:
    """Run all cases with one instruction set and number of threads; return what was found."""
    environment = {
        **os.environ,
        'ONEDNN_MAX_CPU_ISA': isa,
        'OMP_NUM_THREADS': str(threads),
        'OPENBLAS_NUM_THREADS': '1',
        'MALLOC_CHECK_': '3',
        'MALLOC_PERTURB_': '165',
        'PYTHONPATH': os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH')))),
    }
    if _has_malloc_debug():
        environment['LD_PRELOAD'] = MALLOC_DEBUG
    found: list[str] = []
    first, calls, implementations = arguments.first, 0, set()
    last = first + arguments.cases
    while first < last:
        case = first
        command = [sys.executable, '-W', 'ignore', __file__, '--work', '--seed', str(arguments.seed)]
        command += ['--first', str(first), '--cases', str(last - first), '--kinds', *arguments.kinds]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            for line in process.stdout or ():
                answer = json.loads(line)
                case = answer.get('case', case)
                if 'failed' in answer:
                    found.append(f'case {case}: {answer["failed"]}')
                calls += answer.get('calls', 0)
                implementations.update(answer.get('implementations', ()))
        if process.returncode == 0:
            break
        if process.returncode > 0:
            raise SystemExit(f'case {case}: the process ended with status {process.returncode}')
        name = signal.Signals(-process.returncode).name
        kind = arguments.kinds[case % len(arguments.kinds)]
        found.append(f'case {case}: {kind} ended by {name}')
        first = case + 1
    print(f'{isa}, {threads} threads: {arguments.cases} cases, {calls} guarded calls, {len(found)} findings')
    for finding in found:
        print(f'  {finding}')
    if arguments.verbose:
        print('  ' + '\n  '.join(sorted(implementations)))
    return found


def _has_malloc_debug() -> bool:
    try:
        ctypes.CDLL(MALLOC_DEBUG)
    except OSError:
        return False
    return True


def main() -> int:
    """Examine with every instruction set and number of threads that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--cases', type=int, default=1000, help='for each (default: 1000)')
    parser.add_argument('--first', type=int, default=0, help='number of the first case')
    parser.add_argument('--seed', type=int, default=0, help='of the cases')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=list(KINDS), help='leave the others out')
    parser.add_argument(
        '--isa', nargs='+', default=ISAS[:3], help=f'instruction sets at most used: {", ".join(ISAS)}'
    )
    parser.add_argument('--threads', nargs='+', type=int, default=[1, 2], help='numbers of threads')
    parser.add_argument('--verbose', action='store_true', help="name oneDNN's implementations that were run")
    parser.add_argument('--work', action='store_true', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.seed, arguments.kinds, arguments.first, arguments.first + arguments.cases)
        return 0
    found = [examine(isa, n, arguments) for isa in arguments.isa for n in arguments.threads]
    return int(any(found))


if __name__ == '__main__':
    raise SystemExit(main())
