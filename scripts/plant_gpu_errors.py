#!/usr/bin/env python
"""Plant errors in the GPU accelerator, one at a time, and report how many of them its tests catch.

    pip install -e ".[gpu,test]"
    python scripts/plant_gpu_errors.py

The package's files are not touched: each error is planted in a copy. Exit status 0: every one is caught.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path('vgg_cifar/accelerators/cudnn')


class Error(NamedTuple):
    """What to write in place of what, in which file, and which tests to ask."""

    what: str
    file: str
    right: str
    wrong: str
    tests: str


ERRORS = (
    Error(
        'padding and stride swapped',
        'convolution.py',
        'integers(case.moves.pad), integers(case.moves.stride)',
        'integers(case.moves.stride), integers(case.moves.pad)',
        'convolution',
    ),
    Error(
        'dilation forgotten',
        'convolution.py',
        'integers(case.moves.dilation)',
        'integers((1,) * len(case.moves.dilation))',
        'convolution',
    ),
    Error(
        'groups forgotten',
        'convolution.py',
        '(convolution, case.moves.groups)',
        '(convolution, 1)',
        'convolution',
    ),
    Error(
        'kernel flipped', 'convolution.py', 'CROSS_CORRELATION = 1', 'CROSS_CORRELATION = 0', 'convolution'
    ),
    Error(
        'result added to what was there',
        'convolution.py',
        'number(case.dtype, 0)',
        'number(case.dtype, 1)',
        'convolution',
    ),
    Error(
        'bias overwrites',
        'convolution.py',
        'address(b)),\n        number(y.dtype, 1)',
        'address(b)),\n        number(y.dtype, 0)',
        'convolution',
    ),
    Error(
        'bias along the wrong axis',
        'convolution.py',
        '(1, b.size, *(1,) * (y.ndim - 2))',
        '(b.size, 1, *(1,) * (y.ndim - 2))',
        'convolution',
    ),
    Error(
        'inputs taken as contiguous',
        'convolution.py',
        'x, gy = contiguous(x), contiguous(gy)',
        'pass',
        'convolution',
    ),
    Error(
        'weights and gradient swapped',
        'convolution.py',
        'return (filters, y, x) if',
        'return (y, filters, x) if',
        'convolution',
    ),
    Error('algorithm that is not supported', 'convolution.py', 'perf.status == 0 and', '', 'convolution'),
    Error(
        'algorithm above the limit', 'convolution.py', 'perf.memory <= case.how.limit', 'True', 'convolution'
    ),
    Error(
        'algorithm that is not deterministic',
        'convolution.py',
        '(perf.determinism or not case.how.deterministic)',
        'True',
        'deterministic',
    ),
    Error(
        'workspace too small',
        'convolution.py',
        'chosen.algo, chosen.memory)',
        'chosen.algo, chosen.memory // 2)',
        'convolution',
    ),
    Error(
        'arithmetic of the search',
        'convolution.py',
        'SetConvolutionMathType(convolution, chosen.mathType)',
        'SetConvolutionMathType(convolution, _math(case))',
        'arithmetic',
    ),
    Error(
        'choice kept without the dilation',
        'convolution.py',
        '_plans.get(case)',
        '_plans.get(next((c for c in _plans if c._replace(moves=c.moves._replace(dilation=())) '
        '== case._replace(moves=case.moves._replace(dilation=()))), case))',
        'chosen_once',
    ),
    Error(
        'choice kept without the layout',
        'convolution.py',
        '_plans.get(case)',
        '_plans.get(next((c for c in _plans if c._replace(x_layout=0, w_layout=0, filters=()) '
        '== case._replace(x_layout=0, w_layout=0, filters=())), case))',
        'layout',
    ),
    Error(
        'float16 added up in float16',
        'descriptors.py',
        'return Type.DOUBLE if type_of(dtype) is Type.DOUBLE else Type.FLOAT',
        'return type_of(dtype)',
        'convolution',
    ),
    Error(
        'factors of float64 as float',
        'descriptors.py',
        'make = ctypes.c_double if',
        'make = ctypes.c_float if',
        'convolution',
    ),
    Error('wrong strides', 'descriptors.py', 'shape[k + 1 :]', 'shape[k:]', 'convolution'),
    Error(
        'shape in memory order',
        'descriptors.py',
        'return shape if layout == NCHW else (shape[0], shape[-1], *shape[1:-1])',
        'return shape',
        'channels_last',
    ),
    Error(
        'a pointer cut to 32 bits',
        'library.py',
        "'AddTensor': 'pp' + 'pp' + 'p' + 'pp'",
        "'AddTensor': 'pp' + 'pi' + 'p' + 'pp'",
        'library or convolution',
    ),
    Error('NaN hidden', 'descriptors.py', 'PROPAGATE_NAN = 1', 'PROPAGATE_NAN = 0', 'activation'),
    Error('no stream', 'handles.py', 'cupy.cuda.get_current_stream().ptr', '0', 'activation'),
    Error(
        'pooling: padding and stride swapped',
        'pooling.py',
        'integers(pad), integers(stride)',
        'integers(stride), integers(pad)',
        'pooling',
    ),
    Error(
        'pooling: y and gy swapped',
        'pooling.py',
        'outer, address(y), outer, address(gy)',
        'outer, address(gy), outer, address(y)',
        'pooling',
    ),
    Error(
        'pooling: input for result',
        'pooling.py',
        '*(tensor(y.shape, y.dtype), address(y))',
        '*(tensor(x.shape, x.dtype), address(y))',
        'pooling',
    ),
    Error(
        'activation: x and y swapped',
        'activation.py',
        'described, address(y), described, address(gy), described, address(x)',
        'described, address(x), described, address(gy), described, address(y)',
        'activation',
    ),
    Error('clipping forgotten', 'activation.py', 'PROPAGATE_NAN, coef)', 'PROPAGATE_NAN, 0.0)', 'activation'),
    Error('softmax over the last axis', 'activation.py', 'axis %= x.ndim', 'axis = x.ndim - 1', 'softmax'),
    Error('softmax over everything', 'activation.py', 'OVER_CHANNELS = 1', 'OVER_CHANNELS = 0', 'softmax'),
    Error(
        'softmax: y and gy swapped',
        'activation.py',
        'described, address(y), described, address(gy)),\n            number(y',
        'described, address(gy), described, address(y)),\n            number(y',
        'softmax',
    ),
    Error('decay for its complement', 'normalisation.py', '1 - decay', 'decay', 'normalization'),
    Error(
        'gamma and beta swapped',
        'normalisation.py',
        'address(gamma), address(beta))',
        'address(beta), address(gamma))',
        'normalization',
    ),
    Error(
        'mean and deviation swapped',
        'normalisation.py',
        'address(mean), address(inv_std), None',
        'address(inv_std), address(mean), None',
        'normalization',
    ),
    Error(
        'running statistics not written back',
        'normalisation.py',
        'average[...] = updated',
        'pass',
        'normalization',
    ),
    Error(
        'reserve forgotten',
        'normalisation.py',
        'reserve = reserve_space or Space(0)',
        'reserve = Space(reserve_space.size if reserve_space else 0)',
        'normalization',
    ),
    Error(
        'parameters in the type of the images',
        'normalisation.py',
        "numpy.dtype('f8' if kind is Type.DOUBLE else 'f4')",
        'x.dtype',
        'normalization',
    ),
    Error(
        'dropout: ratio not set',
        'dropout.py',
        'get_handle(), dropout_ratio)',
        'get_handle(), 0.0)',
        'dropout',
    ),
    Error(
        'dropout: generators begun anew',
        'dropout.py',
        'RestoreDropoutDescriptor',
        'SetDropoutDescriptor',
        'dropout',
    ),
    Error('dropout: seed forgotten', 'dropout.py', 'self._seed = int(seed)', 'self._seed = 0', 'dropout'),
    Error(
        'one length for all sequences',
        'recurrent.py',
        'sum(n > k for n in lengths)',
        'len(lengths)',
        'recurrent',
    ),
    Error('gradient of weights not cleared', 'recurrent.py', 'dw.fill(0)', 'pass', 'recurrent'),
    Error(
        'bias for matrix',
        'recurrent.py',
        'layer, x_desc, w, lin_layer_id)[0]',
        'layer, x_desc, w, lin_layer_id)[1]',
        'recurrent',
    ),
    Error('one direction', 'recurrent.py', 'directions = 2 if', 'directions = 1 if', 'recurrent'),
    Error(
        'ours: padding forgotten',
        'plans.py',
        'weight=weights, padding=pad',
        'weight=weights, padding=(0, 0)',
        'on_gpu',
    ),
    Error(
        'ours: stride and dilation swapped',
        'plans.py',
        'filter=weights, padding=pad, stride=stride, dilation=dilate',
        'filter=weights, padding=pad, stride=dilate, dilation=stride',
        'on_gpu',
    ),
    Error(
        'ours: plan kept without the options',
        'plans.py',
        'tensors, _tensor(output), options, tf32',
        'tensors, _tensor(output), ((1, 1), (1, 1), (1, 1)), tf32',
        'on_gpu',
    ),
    Error(
        'ours: channels first',
        'nodes.py',
        '(n, height, width, channels), dtype).transpose(0, 3, 1, 2)',
        '(n, channels, height, width), dtype)',
        'on_gpu',
    ),
    Error(
        'ours: running mean without the bias',
        'nodes.py',
        '_zeros(gamma.size) if bias is None else cupy.ascontiguousarray(bias)',
        '_zeros(gamma.size)',
        'on_gpu',
    ),
    Error('ours: biased variance', 'kernels.cu', 'max(rows - 1, 1ll)', 'rows', 'on_gpu'),
    Error(
        'ours: deviations of blocks not joined',
        'kernels.cu',
        'fmaf(count * apart, apart, of.second.at[k])',
        'of.second.at[k]',
        'on_gpu',
    ),
    Error(
        'ours: deviations of threads not joined',
        'kernels.cu',
        'square[k] = fmaf(count * apart, apart, square[k]);',
        '',
        'on_gpu',
    ),
    Error('ours: squares of what is far from 0', 'kernels.cu', 'first[k] = value.at[k]', '', 'on_gpu'),
    Error(
        'ours: ReLU of the gradient forgotten',
        'kernels.cu',
        'relu && scale.scaled(moved, k) <= 0 ? 0.0f : float(of.second.at[k])',
        'float(of.second.at[k])',
        'on_gpu',
    ),
    Error(
        'ours: a barrier too few',
        'kernels.cu',
        '    __syncthreads();  // Everybody has read the sums before.\n',
        '',
        'on_gpu',
    ),
    Error(
        'ours: a barrier that threads without rows miss',
        'kernels.cu',
        '    float sum[V] = {};\n    over',
        '    float sum[V] = {};\n    if (mine.row >= mine.end) return;\n    over',
        'on_gpu',
    ),
    Error(
        'ours: channels beyond the last one',
        'kernels.cu',
        'channel < channels ? min(begin + each, rows) : 0',
        'min(begin + each, rows)',
        'on_gpu',
    ),
    Error('ours: one block for all', 'kernels.py', 'sums(found, 1)', 'found[0]', 'on_gpu'),
    Error('ours: loads of 16 bytes anywhere', 'kernels.py', 'x.data.ptr % 16 == 0', 'True', 'on_gpu'),
    Error('ours: a double for a float', 'kernels.py', 'numpy.float32(eps)', 'float(eps)', 'on_gpu'),
    Error('ours: pixels of 32 bits', 'kernels.cu', 'number >> 32 == 0', 'true', 'on_gpu'),
    Error(
        'ours: the last maximum',
        'kernels.cu',
        '!(value <= best[k])',
        '!(value < best[k])',
        'on_gpu',
    ),
    Error('ours: the last maximum of four', 'kernels.cu', '!(value <= best)', '!(value < best)', 'on_gpu'),
    Error(
        'ours: windows over one line', 'kernels.cu', '2 * (number + line * columns)', '2 * number', 'on_gpu'
    ),
    Error(
        'ours: a line that no window has',
        'kernels.py',
        '(height, width) == (2 * rows, 2 * columns)',
        'width == 2 * columns',
        'on_gpu',
    ),
    Error(
        'ours: a gradient for what ReLU has cut',
        'kernels.cu',
        'relu && !(best[k] > 0) ? -1 : place[k]',
        'place[k]',
        'on_gpu',
    ),
    Error('ours: places cut to bytes', 'kernels.py', 'size_y * size_x < 256', 'True', 'on_gpu'),
    Error('ours: gradients of the added zeros', 'nodes.py', 'gw[:, :channels]', 'gw', 'on_gpu'),
    Error(
        'ours: another mask on the way back',
        'nodes.py',
        'return (self._thinned(gy),)',
        'self.kept = noise.next_layer()\n        return (self._thinned(gy),)',
        'on_gpu',
    ),
    Error('ours: seed forgotten', 'kernels.cu', 'mixed(key[0]) + key[1]', 'key[1]', 'on_gpu'),
    Error(
        'ours: last window counted twice',
        'kernels.cu',
        'min(rows - 1, (of.row + pad_y) / stride_y)',
        '(of.row + pad_y) / stride_y',
        'on_gpu',
    ),
    Error(
        'ours: gradient of the loss of the whole batch',
        'kernels.cu',
        '* *gradient / rows',
        '* *gradient',
        'on_gpu',
    ),
    Error(
        'ours: linear layers in memory order',
        'nodes.py',
        'cupy.ascontiguousarray(x, self.dtype).reshape(len(x), -1)',
        'in_memory(arranged(x, self.dtype)).reshape(len(x), -1)',
        'on_gpu',
    ),
    Error('ours: images in order', 'kernels.cu', 'rows[row] * pixels', 'row * pixels', 'on_gpu'),
    Error('ours: labels in order', 'kernels.cu', 'labels[rows[row]]', 'labels[row]', 'on_gpu'),
)


def caught(error: Error, folder: Path) -> bool:
    """Whether the tests fail with the error in place."""
    file = folder / FOLDER / error.file
    text = file.read_text()
    assert error.right in text, f'{error.what}: {error.file} does not have {error.right!r}'
    file.write_text(text.replace(error.right, error.wrong))
    try:
        return fails(error.tests, folder, error.what)
    finally:
        file.write_text(text)


def fails(tests: str, folder: Path, what: str) -> bool:
    """Whether one of the tests fails in a copy; SystemExit if they cannot be run in it, with `what` in it."""
    result = subprocess.run(
        [
            *(sys.executable, '-m', 'pytest', '-x', '-n', '0', '-q', '-p', 'no:cacheprovider'),
            '--hypothesis-profile=no-shrinking',
            *('tests/accelerators/cudnn', '-k', tests),
        ],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    # 0: all passed, 1: one failed. A crash, by a signal, counts too: a cut pointer may well end in one. With
    # -x, files that cannot be imported are 1 as well.
    if result.returncode > 1 or 'ERROR collecting' in result.stdout:
        raise SystemExit(f'{what}: pytest could not run\n{result.stdout[-2000:]}{result.stderr[-2000:]}')
    return result.returncode != 0


def main() -> int:
    """Plant, print, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', help='part of the name of the errors to plant')
    arguments = parser.parse_args()
    errors = [error for error in ERRORS if not arguments.only or arguments.only in error.what]
    missed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ('vgg_cifar', 'augment', 'scripts', 'tests', 'setup.cfg', 'pyproject.toml'):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy(source, folder / part)
        # Else everything would be caught.
        for tests in sorted({error.tests for error in errors}):
            if fails(tests, folder, 'without any error'):
                raise SystemExit(f'without any error, tests of {tests!r} fail')
        print('the tests pass without any error', flush=True)
        for error in errors:
            found = caught(error, folder)
            missed += [] if found else [error.what]
            print(f'{"caught" if found else "MISSED"}  {error.file:18}  {error.what}', flush=True)
    print(f'{len(errors) - len(missed)} of {len(errors)} planted errors caught')
    return 1 if missed else 0


if __name__ == '__main__':
    raise SystemExit(main())
