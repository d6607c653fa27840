"""cuDNN without a device: descriptors by the real library, arithmetic by NumPy from what they say.

Each function has the C type that the table of signatures says, so a pointer passed as an int is cut as it
would be. All memory that is read or written must have been allocated, workspaces must be as large as was
asked for and are overwritten, and what a forward pass leaves for its backward pass must come back.
"""

import ctypes
import itertools
import traceback
from typing import Any

import chainer
import chainer.functions as F
import numpy
from host_memory import at

from vgg_cifar.accelerators.cudnn.library import RETURNS, SIGNATURES, TYPES, Perf

BAD_PARAM, NOT_SUPPORTED, FAILED = 2000, 3000, 5000
HANDLE, STREAM = 0xC0DEC0DEC0DE, 0x57
DTYPES = {0: numpy.dtype('f4'), 1: numpy.dtype('f8'), 2: numpy.dtype('f2')}
WORKSPACE, RESERVE = 1000, 72
SEED_STATE = 640
# How many matrices of its input a recurrent network of each mode has: two plain ones, LSTM, GRU.
GATES = (1, 1, 4, 3)


class Refused(Exception):
    """cuDNN would return this status."""


def _int_array(n: int) -> Any:
    return (ctypes.c_int * n)()


class Emulation:
    """What the calls do, a method for each; `calls` lists the names of those that computed, in order."""

    def __init__(self, real: ctypes.CDLL) -> None:
        self.real = real
        self.calls: list[str] = []
        self.failures: list[str] = []
        self.kept: dict[int, Any] = {}
        self.generators: dict[int, numpy.random.RandomState] = {}
        self._pointers: list[Any] = []
        self._tokens = itertools.count(1)
        self._stream: int | None = None

    def __getitem__(self, name: str) -> Any:
        """Return the function as ctypes does: the method of that name, else the real one."""
        short = name.removeprefix('cudnn')
        method = getattr(self, short, None)
        if method is None:
            return self.real[name]
        kinds = [TYPES[letter] for letter in SIGNATURES[short]]

        def answer(*arguments: Any) -> int:
            try:
                # Chainer switches it off while it computes gradients, and these are other ones.
                with chainer.force_backprop_mode():
                    method(*arguments)
            except Refused as refusal:
                return refusal.args[0]
            except BaseException:
                self.failures.append(f'{name}: {traceback.format_exc()}')
                return FAILED
            return 0

        made = ctypes.CFUNCTYPE(RETURNS.get(short, ctypes.c_int), *kinds)(answer)
        self._pointers.append(made)
        return made

    # What descriptors say.

    def _ask(self, name: str, descriptor: int, *arguments: Any) -> None:
        status = self.real['cudnn' + name](ctypes.c_void_p(descriptor), *arguments)
        assert status == 0, f'{name}: {status}'

    def described(self, descriptor: int) -> tuple[numpy.dtype, list[int], list[int]]:
        kind, ndim, shape, strides = ctypes.c_int(), ctypes.c_int(), _int_array(8), _int_array(8)
        self._ask('GetTensorNdDescriptor', descriptor, 8, *map(ctypes.byref, (kind, ndim)), shape, strides)
        return DTYPES[kind.value], shape[: ndim.value], strides[: ndim.value]

    def tensor(self, descriptor: int, address: int | None) -> numpy.ndarray:
        dtype, shape, strides = self.described(descriptor)
        return at(address, shape, dtype, strides)

    def filters(self, descriptor: int, address: int | None) -> numpy.ndarray:
        kind, layout, ndim, shape = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), _int_array(8)
        self._ask('GetFilterNdDescriptor', descriptor, 8, *map(ctypes.byref, (kind, layout, ndim)), shape)
        out, inputs, *window = shape[: ndim.value]
        if layout.value == 0:
            return at(address, (out, inputs, *window), DTYPES[kind.value])
        return numpy.moveaxis(at(address, (out, *window, inputs), DTYPES[kind.value]), -1, 1)

    # Factors, workspaces, and what is kept from one call for another.

    def store(self, result: numpy.ndarray, values: Any, alpha: int, beta: int) -> None:
        kind = ctypes.c_double if result.dtype == numpy.float64 else ctypes.c_float
        factor, before = (kind.from_address(where).value for where in (alpha, beta))
        # As cuDNN: where the factor is 0 the old values are not read, and may be NaN.
        result[...] = factor * values + (before * result.astype('f8') if before else 0)

    def work(self, address: int | None, size: int, needed: int) -> None:
        assert size >= needed, f'{size} bytes of workspace of {needed}'
        if needed:
            at(address, (size,), 'u1')[...] = 0xAB

    def keep(self, address: int | None, size: int, value: Any, needed: int = RESERVE) -> None:
        assert size >= needed, f'{size} bytes of reserve of {needed}'
        token = next(self._tokens)
        at(address, (1,), 'u8')[0] = token
        self.kept[token] = value

    def recall(self, address: int | None) -> Any:
        return self.kept[int(at(address, (1,), 'u8')[0])]

    def begin(self, call: str, handle: int) -> None:
        assert handle == HANDLE, 'not the handle'
        assert self._stream == STREAM, 'not on the current stream'
        self.calls.append(call)

    def Create(self, made: int) -> None:
        ctypes.c_void_p.from_address(made).value = HANDLE

    def SetStream(self, handle: int, stream: int) -> None:
        assert handle == HANDLE
        self._stream = stream

    # Convolution.

    def geometry(self, descriptor: int, dtype: numpy.dtype) -> Any:
        n, pad, stride, dilation = ctypes.c_int(), _int_array(3), _int_array(3), _int_array(3)
        mode, kind, groups = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self._ask(
            'GetConvolutionNdDescriptor',
            *(descriptor, 3, ctypes.byref(n), pad, stride, dilation),
            *(ctypes.byref(mode), ctypes.byref(kind)),
        )
        self._ask('GetConvolutionGroupCount', descriptor, ctypes.byref(groups))
        assert mode.value == 1, 'the kernel would be flipped'
        assert DTYPES[kind.value] == (numpy.float64 if dtype == numpy.float64 else numpy.float32)
        return pad[: n.value], stride[: n.value], dilation[: n.value], groups.value

    def math_of(self, descriptor: int) -> int:
        kind = ctypes.c_int()
        self._ask('GetConvolutionMathType', descriptor, ctypes.byref(kind))
        return kind.value

    def algorithms(self, convolution: int, dtype: numpy.dtype) -> list[tuple]:
        """Algorithm, status, bytes, whether deterministic, arithmetic; the first is never the one to take."""
        asked = self.math_of(convolution)
        return [
            (0, NOT_SUPPORTED, 0, 1, asked),
            (1, 0, 1 << 40, 1, asked),
            (2, 0, WORKSPACE * 2, 0, 0 if asked == 1 else asked),
            (3, 0, WORKSPACE, 1, 0 if asked == 1 else asked),
        ]

    def listed(self, convolution: int, dtype: numpy.dtype, asked: int, count: int, perfs: int) -> None:
        rows = self.algorithms(convolution, dtype)[:asked]
        ctypes.c_int.from_address(count).value = len(rows)
        for perf, row in zip((Perf * asked).from_address(perfs), rows, strict=False):
            perf.algo, perf.status, perf.memory, perf.determinism, perf.mathType = row

    def GetConvolutionForwardAlgorithm_v7(self, handle, x, w, conv, y, asked, count, perfs):
        self.begin('get Forward', handle)
        self.check_shapes(x, w, conv, y)
        self.listed(conv, self.described(x)[0], asked, count, perfs)

    def GetConvolutionBackwardDataAlgorithm_v7(self, handle, w, gy, conv, gx, asked, count, perfs):
        self.begin('get BackwardData', handle)
        self.check_shapes(gx, w, conv, gy)
        self.listed(conv, self.described(gy)[0], asked, count, perfs)

    def GetConvolutionBackwardFilterAlgorithm_v7(self, handle, x, gy, conv, w, asked, count, perfs):
        self.begin('get BackwardFilter', handle)
        self.check_shapes(x, w, conv, gy)
        self.listed(conv, self.described(x)[0], asked, count, perfs)

    def FindConvolutionForwardAlgorithmEx(
        self, handle, xd, x, wd, w, conv, yd, y, asked, count, perfs, space, size
    ):
        self.begin('find Forward', handle)
        self.tensor(xd, x), self.filters(wd, w)
        self.tensor(yd, y)[...] = numpy.nan
        self.work(space, size, 1)
        self.listed(conv, self.described(xd)[0], asked, count, perfs)

    def FindConvolutionBackwardDataAlgorithmEx(
        self, handle, wd, w, gyd, gy, conv, gxd, gx, asked, count, perfs, space, size
    ):
        self.begin('find BackwardData', handle)
        self.tensor(gyd, gy), self.filters(wd, w)
        self.tensor(gxd, gx)[...] = numpy.nan
        self.work(space, size, 1)
        self.listed(conv, self.described(gyd)[0], asked, count, perfs)

    def FindConvolutionBackwardFilterAlgorithmEx(
        self, handle, xd, x, gyd, gy, conv, gwd, gw, asked, count, perfs, space, size
    ):
        self.begin('find BackwardFilter', handle)
        self.tensor(xd, x), self.tensor(gyd, gy)
        self.filters(gwd, gw)[...] = numpy.nan
        self.work(space, size, 1)
        self.listed(conv, self.described(xd)[0], asked, count, perfs)

    def check_shapes(self, x: int, w: int, conv: int, y: int) -> None:
        """Refuse what cuDNN refuses: a result of another shape than the real library says."""
        _, shape, _ = self.described(y)
        found = _int_array(len(shape))
        status = self.real.cudnnGetConvolutionNdForwardOutputDim(
            *map(ctypes.c_void_p, (conv, x, w)), len(shape), found
        )
        if status or list(found) != shape:
            raise Refused(BAD_PARAM)

    def convolve(self, call: str, handle: int, xd, x, wd, w, yd, y, conv, algorithm, space, size) -> Any:
        self.begin(f'{call} {algorithm}', handle)
        self.check_shapes(xd, wd, conv, yd)
        images, filters, results = self.tensor(xd, x), self.filters(wd, w), self.tensor(yd, y)
        assert images.dtype == filters.dtype == results.dtype
        (needed,) = [row[2] for row in self.algorithms(conv, images.dtype) if row[0] == algorithm]
        self.work(space, size, needed)
        return images, filters, results, self.geometry(conv, images.dtype)

    @staticmethod
    def positions(images, filters, results, geometry):
        """Yield for each element of the window, by groups: its place, and the images' part that it meets."""
        pad, stride, dilation, groups = geometry
        n, c, *size = images.shape
        padded = numpy.zeros((n, c, *(s + 2 * p for s, p in zip(size, pad, strict=True))))
        inside = tuple(slice(p, p + s) for s, p in zip(size, pad, strict=True))
        grouped = padded.reshape(n, groups, c // groups, *padded.shape[2:])
        parts = [
            (
                place,
                grouped[
                    (
                        slice(None),
                        slice(None),
                        slice(None),
                        *(
                            slice(k * d, k * d + s * (out - 1) + 1, s)
                            for k, d, s, out in zip(place, dilation, stride, results.shape[2:], strict=True)
                        ),
                    )
                ],
            )
            for place in numpy.ndindex(*filters.shape[2:])
        ]
        return padded[(slice(None), slice(None), *inside)], parts

    @staticmethod
    def by_groups(filters, results, groups):
        k, c, *window = filters.shape
        n, _, *size = results.shape
        return (
            filters.astype('f8').reshape(groups, k // groups, c, *window),
            results.astype('f8').reshape(n, groups, k // groups, *size),
        )

    def ConvolutionForward(self, handle, alpha, xd, x, wd, w, conv, algorithm, space, size, beta, yd, y):
        images, filters, results, geometry = self.convolve(
            'Forward', handle, xd, x, wd, w, yd, y, conv, algorithm, space, size
        )
        place_for_images, parts = self.positions(images, filters, results, geometry)
        place_for_images[...] = images
        weights, total = self.by_groups(filters, numpy.zeros(results.shape), geometry[3])
        for place, part in parts:
            total += numpy.einsum('ngc...,gkc->ngk...', part, weights[(..., *place)])
        self.store(results, total.reshape(results.shape), alpha, beta)

    def ConvolutionBackwardData(
        self, handle, alpha, wd, w, gyd, gy, conv, algorithm, space, size, beta, gxd, gx
    ):
        images, filters, results, geometry = self.convolve(
            'BackwardData', handle, gxd, gx, wd, w, gyd, gy, conv, algorithm, space, size
        )
        total, parts = self.positions(images, filters, results, geometry)
        weights, gradient = self.by_groups(filters, results, geometry[3])
        for place, part in parts:
            part += numpy.einsum('ngk...,gkc->ngc...', gradient, weights[(..., *place)])
        self.store(images, total, alpha, beta)

    def ConvolutionBackwardFilter(
        self, handle, alpha, xd, x, gyd, gy, conv, algorithm, space, size, beta, gwd, gw
    ):
        images, filters, results, geometry = self.convolve(
            'BackwardFilter', handle, xd, x, gwd, gw, gyd, gy, conv, algorithm, space, size
        )
        place_for_images, parts = self.positions(images, filters, results, geometry)
        place_for_images[...] = images
        total, gradient = self.by_groups(numpy.zeros(filters.shape), results, geometry[3])
        for place, part in parts:
            total[(..., *place)] = numpy.einsum(
                'ngkp,ngcp->gkc',
                gradient.reshape(*gradient.shape[:3], -1),
                part.reshape(*part.shape[:3], -1),
            )
        self.store(filters, total.reshape(filters.shape), alpha, beta)

    def AddTensor(self, handle, alpha, ad, a, beta, cd, c):
        self.begin('AddTensor', handle)
        added, result = self.tensor(ad, a), self.tensor(cd, c)
        assert added.ndim == result.ndim
        assert all(n in (1, m) for n, m in zip(added.shape, result.shape, strict=True))
        self.store(result, added.astype('f8'), alpha, beta)

    # Pooling.

    def windows(self, descriptor: int, images: numpy.ndarray, results: numpy.ndarray) -> Any:
        mode, nan, n = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        size, pad, stride = _int_array(3), _int_array(3), _int_array(3)
        self._ask(
            'GetPoolingNdDescriptor',
            *(descriptor, 3, ctypes.byref(mode), ctypes.byref(nan), ctypes.byref(n), size, pad, stride),
        )
        assert nan.value == 1, 'NaN would be hidden'
        assert images.shape[:2] == results.shape[:2]
        assert n.value == images.ndim - 2
        size, pad, stride = size[: n.value], pad[: n.value], stride[: n.value]
        reach = [
            max(p + length, s * (out - 1) + k)
            for length, k, p, s, out in zip(
                images.shape[2:], size, pad, stride, results.shape[2:], strict=True
            )
        ]
        padded = numpy.full((*images.shape[:2], *reach), numpy.nan)
        inside = (slice(None),) * 2 + tuple(
            slice(p, p + length) for p, length in zip(pad, images.shape[2:], strict=True)
        )
        parts = [
            padded[
                (
                    slice(None),
                    slice(None),
                    *(
                        slice(k, k + s * (out - 1) + 1, s)
                        for k, s, out in zip(place, stride, results.shape[2:], strict=True)
                    ),
                )
            ]
            for place in numpy.ndindex(*size)
        ]
        return mode.value, padded[inside], parts

    def counted(self, mode: int, descriptor: int, images: Any, results: Any) -> Any:
        _, inside, parts = self.windows(descriptor, images, results)
        inside[...] = 1
        return len(parts) if mode == 1 else numpy.nansum(parts, 0)

    def PoolingForward(self, handle, pooling, alpha, xd, x, beta, yd, y):
        self.begin('PoolingForward', handle)
        images, results = self.tensor(xd, x), self.tensor(yd, y)
        mode, inside, parts = self.windows(pooling, images, results)
        inside[...] = images
        if mode in (0, 3):
            values = numpy.nanmax(parts, 0)
        else:
            values = numpy.nansum(parts, 0) / self.counted(mode, pooling, images, results)
        self.store(results, values, alpha, beta)

    def PoolingBackward(self, handle, pooling, alpha, yd, y, gyd, gy, xd, x, beta, gxd, gx):
        self.begin('PoolingBackward', handle)
        results, gradient = self.tensor(yd, y), self.tensor(gyd, gy).astype('f8')
        images, gradient_of_images = self.tensor(xd, x), self.tensor(gxd, gx)
        mode, inside, parts = self.windows(pooling, images, results)
        if mode in (0, 3):
            inside[...] = images
            chosen, left = [], numpy.ones(results.shape, bool)
            for part in parts:
                chosen.append((part == results) & left)
                left &= ~chosen[-1]
            assert not left.any(), 'y is not what x was pooled to'
        else:
            chosen = [1 / self.counted(mode, pooling, images, results)] * len(parts)
        inside[...] = 0
        for part, share in zip(parts, chosen, strict=True):
            part += gradient * share
        self.store(gradient_of_images, inside, alpha, beta)

    # Activation, softmax.

    def function(self, descriptor: int) -> tuple[int, float]:
        mode, nan, coef = ctypes.c_int(), ctypes.c_int(), ctypes.c_double()
        self._ask('GetActivationDescriptor', descriptor, *map(ctypes.byref, (mode, nan, coef)))
        assert nan.value == 1, 'NaN would be hidden'
        return mode.value, coef.value

    def ActivationForward(self, handle, function, alpha, xd, x, beta, yd, y):
        self.begin('ActivationForward', handle)
        mode, coef = self.function(function)
        values = self.tensor(xd, x).astype('f8')
        made = (
            lambda: 1 / (1 + numpy.exp(-values)),
            lambda: numpy.maximum(values, 0),
            lambda: numpy.tanh(values),
            lambda: numpy.clip(values, 0, coef),
        )[mode]()
        self.store(self.tensor(yd, y), made, alpha, beta)

    def ActivationBackward(self, handle, function, alpha, yd, y, gyd, gy, xd, x, beta, gxd, gx):
        self.begin('ActivationBackward', handle)
        mode, coef = self.function(function)
        before, after = self.tensor(xd, x).astype('f8'), self.tensor(yd, y).astype('f8')
        slope = (
            lambda: after * (1 - after),
            lambda: before > 0,
            lambda: 1 - after * after,
            lambda: (before > 0) & (before < coef),
        )[mode]()
        self.store(self.tensor(gxd, gx), slope * self.tensor(gyd, gy).astype('f8'), alpha, beta)

    def SoftmaxForward(self, handle, algorithm, mode, alpha, xd, x, beta, yd, y):
        self.begin('SoftmaxForward', handle)
        values = self.tensor(xd, x).astype('f8')
        axes = 1 if mode == 1 else tuple(range(1, values.ndim))
        values = values - values.max(axes, keepdims=True)
        values = values - numpy.log(numpy.exp(values).sum(axes, keepdims=True))
        self.store(self.tensor(yd, y), values if algorithm == 2 else numpy.exp(values), alpha, beta)

    def SoftmaxBackward(self, handle, algorithm, mode, alpha, yd, y, gyd, gy, beta, gxd, gx):
        self.begin('SoftmaxBackward', handle)
        after, gradient = self.tensor(yd, y).astype('f8'), self.tensor(gyd, gy).astype('f8')
        axes = 1 if mode == 1 else tuple(range(1, after.ndim))
        if algorithm == 2:
            made = gradient - numpy.exp(after) * gradient.sum(axes, keepdims=True)
        else:
            made = after * (gradient - (after * gradient).sum(axes, keepdims=True))
        self.store(self.tensor(gxd, gx), made, alpha, beta)

    # Batch normalisation.

    def parameters(self, descriptor: int, *addresses: int | None) -> list[numpy.ndarray]:
        return [self.tensor(descriptor, address) for address in addresses]

    def GetBatchNormalizationForwardTrainingExWorkspaceSize(self, handle, mode, ops, x, z, y, p, act, size):
        assert handle == HANDLE
        ctypes.c_size_t.from_address(size).value = WORKSPACE

    def GetBatchNormalizationTrainingExReserveSpaceSize(self, handle, mode, ops, act, x, size):
        assert handle == HANDLE
        ctypes.c_size_t.from_address(size).value = RESERVE

    def GetBatchNormalizationBackwardExWorkspaceSize(self, handle, mode, ops, x, y, gy, gz, gx, p, act, size):
        assert handle == HANDLE
        ctypes.c_size_t.from_address(size).value = WORKSPACE

    def normalized(self, mode: int, xd: int, x: int, pd: int) -> Any:
        values = self.tensor(xd, x).astype('f8')
        _, shape, _ = self.described(pd)
        axes = (0,) if mode == 0 else (0, *range(2, values.ndim))
        assert shape == [1 if k in axes else n for k, n in enumerate(values.shape)]
        return values, axes

    def BatchNormalizationForwardTrainingEx(self, handle, mode, ops, alpha, beta, xd, x, zd, z, yd, y, *rest):
        pd, gamma, shift, factor, mean, var, eps, saved_mean, saved_inv, act, space, size, kept, room = rest
        self.begin('BatchNormalizationForwardTrainingEx', handle)
        assert ops == 0 and not act
        self.work(space, size, WORKSPACE)
        values, axes = self.normalized(mode, xd, x, pd)
        scale, offset, running_mean, running_var, mean_here, inv_here = self.parameters(
            pd, gamma, shift, mean, var, saved_mean, saved_inv
        )
        center, spread = values.mean(axes, keepdims=True), values.var(axes, keepdims=True)
        inv = 1 / numpy.sqrt(spread + eps)
        count = values.size // center.size
        self.store(self.tensor(yd, y), (values - center) * inv * scale + offset, alpha, beta)
        unbiased = spread * count / max(count - 1, 1)
        for running, now in ((running_mean, center), (running_var, unbiased)):
            # As cuDNN: with a factor of 1 the old values are not read.
            running[...] = factor * now + ((1 - factor) * running if factor != 1 else 0)
        mean_here[...], inv_here[...] = center, inv
        self.keep(kept, room, (mode, mean_here.copy()))

    def BatchNormalizationForwardInference(
        self, handle, mode, alpha, beta, xd, x, yd, y, pd, gamma, shift, mean, var, eps
    ):
        self.begin('BatchNormalizationForwardInference', handle)
        values, _ = self.normalized(mode, xd, x, pd)
        scale, offset, center, spread = self.parameters(pd, gamma, shift, mean, var)
        made = (values - center) / numpy.sqrt(spread + eps) * scale + offset
        self.store(self.tensor(yd, y), made, alpha, beta)

    def BatchNormalizationBackwardEx(self, handle, mode, ops, a, b, ap, bp, xd, x, *rest):
        _, _, gyd, gy, _, _, gxd, gx, *rest = rest
        pd, gamma, _, ggamma, gbeta, _, mean, inv, act, space, size, kept, room = rest
        self.begin('BatchNormalizationBackwardEx', handle)
        assert ops == 0 and not act
        self.work(space, size, WORKSPACE)
        values, axes = self.normalized(mode, xd, x, pd)
        scale, center, inverse = self.parameters(pd, gamma, mean, inv)
        kept_mode, kept_mean = self.recall(kept)
        assert room >= RESERVE
        assert kept_mode == mode and (kept_mean == center).all(), 'not of this forward pass'
        gradient = self.tensor(gyd, gy).astype('f8')
        hat = (values - center) * inverse
        of_scale = (gradient * hat).sum(axes, keepdims=True)
        of_shift = gradient.sum(axes, keepdims=True)
        count = values.size // center.size
        made = scale * inverse * (gradient - (hat * of_scale + of_shift) / count)
        self.store(self.tensor(gxd, gx), made, a, b)
        for where, value in ((ggamma, of_scale), (gbeta, of_shift)):
            self.store(self.tensor(pd, where), value, ap, bp)

    # Dropout.

    def DropoutGetStatesSize(self, handle, size):
        assert handle == HANDLE
        ctypes.c_size_t.from_address(size).value = SEED_STATE

    def SetDropoutDescriptor(self, descriptor, handle, ratio, states, size, seed):
        assert handle == HANDLE and size >= SEED_STATE
        at(states, (size,), 'u1')[...] = 0
        self.generators[states] = numpy.random.RandomState(seed % 2**32)
        self.kept[descriptor] = (ratio, states)

    def RestoreDropoutDescriptor(self, descriptor, handle, ratio, states, size, seed):
        assert handle == HANDLE and size >= SEED_STATE
        assert states in self.generators, 'not the states of these generators'
        self.kept[descriptor] = (ratio, states)

    def DropoutForward(self, handle, descriptor, xd, x, yd, y, kept, size):
        self.begin('DropoutForward', handle)
        ratio, states = self.kept[descriptor]
        values = self.tensor(xd, x)
        stay = self.generators[states].random_sample(values.shape) >= ratio
        bits = numpy.packbits(stay)
        assert size >= bits.size
        at(kept, bits.shape, 'u1')[...] = bits
        self.tensor(yd, y)[...] = values.astype('f8') * stay / (1 - ratio)

    def DropoutBackward(self, handle, descriptor, gyd, gy, gxd, gx, kept, size):
        self.begin('DropoutBackward', handle)
        ratio, _ = self.kept[descriptor]
        gradient = self.tensor(gyd, gy)
        count = -(-gradient.size // 8)
        assert size >= count
        stay = numpy.unpackbits(at(kept, (count,), 'u1'))[: gradient.size].reshape(gradient.shape)
        self.tensor(gxd, gx)[...] = gradient.astype('f8') * stay / (1 - ratio)

    # Spatial transformer.

    def SetSpatialTransformerNdDescriptor(self, descriptor, sampler, kind, n, shape):
        self._ask('SetSpatialTransformerNdDescriptor', descriptor, sampler, kind, n, ctypes.c_void_p(shape))
        self.kept[descriptor] = (DTYPES[kind], list((ctypes.c_int * n).from_address(shape)))

    def SpatialTfGridGeneratorForward(self, handle, descriptor, theta, grid):
        self.begin('SpatialTfGridGeneratorForward', handle)
        dtype, (n, _, rows, columns) = self.kept[descriptor]
        made = F.spatial_transformer_grid(at(theta, (n, 2, 3), dtype).copy(), (rows, columns)).array
        at(grid, (n, rows, columns, 2), dtype)[...] = made.transpose(0, 2, 3, 1)

    def SpatialTfGridGeneratorBackward(self, handle, descriptor, ggrid, gtheta):
        self.begin('SpatialTfGridGeneratorBackward', handle)
        dtype, (n, _, rows, columns) = self.kept[descriptor]
        theta = chainer.Variable(numpy.zeros((n, 2, 3), dtype))
        y = F.spatial_transformer_grid(theta, (rows, columns))
        y.grad = at(ggrid, (n, rows, columns, 2), dtype).transpose(0, 3, 1, 2).copy()
        y.backward()
        at(gtheta, (n, 2, 3), dtype)[...] = theta.grad

    def SpatialTfSamplerForward(self, handle, descriptor, alpha, xd, x, grid, beta, yd, y):
        self.begin('SpatialTfSamplerForward', handle)
        images, results = self.tensor(xd, x), self.tensor(yd, y)
        dtype, shape = self.kept[descriptor]
        assert shape == list(results.shape)
        points = at(grid, (len(images), *shape[2:], 2), dtype).transpose(0, 3, 1, 2).copy()
        made = F.spatial_transformer_sampler(images.copy(), points).array
        self.store(results, made, alpha, beta)

    def SpatialTfSamplerBackward(
        self, handle, descriptor, alpha, xd, x, beta, gxd, gx, alpha_grid, gyd, gy, grid, beta_grid, ggrid
    ):
        self.begin('SpatialTfSamplerBackward', handle)
        dtype, shape = self.kept[descriptor]
        images = chainer.Variable(self.tensor(xd, x).copy())
        arrangement = (len(images), *shape[2:], 2)
        points = chainer.Variable(at(grid, arrangement, dtype).transpose(0, 3, 1, 2).copy())
        y = F.spatial_transformer_sampler(images, points)
        y.grad = self.tensor(gyd, gy).copy()
        y.backward()
        self.store(self.tensor(gxd, gx), images.grad, alpha, beta)
        self.store(at(ggrid, arrangement, dtype), points.grad.transpose(0, 2, 3, 1), alpha_grid, beta_grid)

    # Recurrent networks; what they compute is Chainer's own, on the CPU.

    def SetRNNDescriptor_v8(self, descriptor, algorithm, mode, bias, direction, linear, *rest):
        kind, precision, arithmetic, inputs, hidden, projected, layers, dropout, flags = rest
        # The projection's size must not be 0 even where there is none: the real library checks it.
        self._ask(
            'SetRNNDescriptor_v8',
            *(descriptor, algorithm, mode, bias, direction, linear, kind, precision, arithmetic),
            *(inputs, hidden, projected, layers, ctypes.c_void_p(dropout), flags),
        )
        assert bias == 2 and linear == 0 and projected == hidden and flags == 0
        assert precision == (1 if kind == 1 else 0)
        ratio, _ = self.kept[dropout]
        self.kept[descriptor] = (mode, direction + 1, DTYPES[kind], inputs, hidden, layers, ratio)

    def SetRNNDataDescriptor(self, descriptor, kind, layout, longest, batch, vector, lengths, fill):
        each = list((ctypes.c_int * batch).from_address(lengths))
        assert layout == 1 and fill is None
        if longest != max(each) or each != sorted(each, reverse=True):
            raise Refused(BAD_PARAM)
        self.kept[descriptor] = (DTYPES[kind], vector, [sum(n > t for n in each) for t in range(longest)])

    def layout(self, rnn: int) -> list[list[tuple[int, tuple[int, ...]]]]:
        """Where each layer's matrices, then its biases, begin in the weights, and their shapes."""
        mode, directions, _, inputs, hidden, layers, _ = self.kept[rnn]
        gates, begin, found = GATES[mode], 0, []
        for layer in range(layers * directions):
            width = inputs if layer < directions else hidden * directions
            shapes = [(hidden, width)] * gates + [(hidden, hidden)] * gates + [(hidden,)] * (2 * gates)
            rows = []
            for shape in shapes:
                rows.append((begin, shape))
                # Each part begins on a boundary, so that the parts do not lie end to end.
                begin += -(-int(numpy.prod(shape)) // 4) * 4
            found.append(rows)
        found.append([(begin, ())])
        return found

    def GetRNNWeightSpaceSize(self, handle, rnn, size):
        assert handle == HANDLE
        ctypes.c_size_t.from_address(size).value = self.layout(rnn)[-1][0][0] * self.kept[rnn][2].itemsize

    def GetRNNWeightParams(self, handle, rnn, layer, size, w, number, md, m, bd, b):
        assert handle == HANDLE
        mode, _, dtype, *_ = self.kept[rnn]
        at(w, (size,), 'u1')
        rows = self.layout(rnn)[layer]
        for row, descriptor, where in (
            (rows[number], md, m),
            (rows[2 * GATES[mode] + number], bd, b),
        ):
            begin, shape = row
            shape = (1, *shape, *(1,) * (2 - len(shape)))
            strides = [int(numpy.prod(shape[k + 1 :])) for k in range(3)]
            kind = {value: key for key, value in DTYPES.items()}[dtype]
            self._ask(
                'SetTensorNdDescriptor',
                *(descriptor, kind, 3, (ctypes.c_int * 3)(*shape), (ctypes.c_int * 3)(*strides)),
            )
            ctypes.c_void_p.from_address(where).value = w + begin * dtype.itemsize

    def GetRNNTempSpaceSizes(self, handle, rnn, mode, x, work, reserve):
        assert handle == HANDLE
        ctypes.c_size_t.from_address(work).value = WORKSPACE
        ctypes.c_size_t.from_address(reserve).value = RESERVE if mode else 0

    def network(self, rnn, xd, x, hd, hx, cd, cx, size, w) -> Any:
        """Run Chainer's function; return its variables and its results."""
        mode, directions, dtype, inputs, _, layers, ratio = self.kept[rnn]
        assert ratio == 0
        kind, vector, steps = self.kept[xd]
        assert (kind, vector) == (dtype, inputs)
        rows = self.layout(rnn)
        assert size == rows[-1][0][0] * dtype.itemsize
        parts = [
            [chainer.Variable(at(w + begin * dtype.itemsize, shape, dtype).copy()) for begin, shape in layer]
            for layer in rows[:-1]
        ]
        half = 2 * GATES[mode]
        xs = [
            chainer.Variable(part.copy())
            for part in numpy.split(at(x, (sum(steps), vector), dtype), numpy.cumsum(steps)[:-1])
        ]
        states = [chainer.Variable(self.tensor(hd, hx).copy())]
        if mode == 2:
            states.append(chainer.Variable(self.tensor(cd, cx).copy()))
        name = f'n_step_{"bi" if directions == 2 else ""}{ {0: "rnn", 1: "rnn", 2: "lstm", 3: "gru"}[mode] }'
        named = {} if mode > 1 else {'activation': ('relu', 'tanh')[mode]}
        *ends, ys = getattr(F, name)(
            *(layers, 0.0, *states, [p[:half] for p in parts], [p[half:] for p in parts], xs), **named
        )
        return states, parts, xs, ends, F.concat(ys, 0), rows

    def RNNForward(self, handle, rnn, mode, lengths, xd, x, yd, y, hd, hx, hy, cd, cx, cy, *rest):
        size, w, room, space, kept_size, kept = rest
        self.begin('RNNForward', handle)
        self.work(space, room, WORKSPACE)
        _, _, _, ends, results, _ = self.network(rnn, xd, x, hd, hx, cd, cx, size, w)
        dtype, vector, steps = self.kept[yd]
        at(y, (sum(steps), vector), dtype)[...] = results.array
        for descriptor, where, end in zip((hd, cd), (hy, cy), ends, strict=False):
            self.tensor(descriptor, where)[...] = end.array
        if mode:
            self.keep(kept, kept_size, ('forward', x))

    def RNNBackwardData_v8(self, handle, rnn, lengths, yd, y, gy, xd, gx, hd, hx, ghy, ghx, *rest):
        cd, cx, gcy, gcx, size, w, room, space, kept_size, kept = rest
        self.begin('RNNBackwardData_v8', handle)
        self.work(space, room, WORKSPACE)
        stage, x = self.recall(kept)
        assert stage == 'forward'
        states, parts, xs, ends, results, rows = self.network(rnn, xd, x, hd, hx, cd, cx, size, w)
        dtype, _, steps = self.kept[yd]
        numpy.testing.assert_allclose(at(y, results.shape, dtype), results.array, rtol=1e-2, atol=1e-2)
        results.grad = at(gy, results.shape, dtype).copy()
        for descriptor, where, end in zip((hd, cd), (ghy, gcy), ends, strict=False):
            end.grad = self.tensor(descriptor, where).copy()
        loss = F.sum(results * results.grad) + sum(F.sum(end * end.grad) for end in ends)
        loss.backward()
        at(gx, (sum(steps), xs[0].shape[1]), dtype)[...] = numpy.concatenate([v.grad for v in xs])
        for descriptor, where, state in zip((hd, cd), (ghx, gcx), states, strict=False):
            self.tensor(descriptor, where)[...] = state.grad
        self.keep(kept, kept_size, ('backward', (parts, rows)))

    def RNNBackwardWeights_v8(self, handle, rnn, mode, lengths, xd, x, hd, hx, yd, y, *rest):
        size, gw, room, space, _, kept = rest
        self.begin('RNNBackwardWeights_v8', handle)
        self.work(space, room, WORKSPACE)
        stage, (parts, rows) = self.recall(kept)
        assert stage == 'backward' and mode == 0
        dtype = self.kept[rnn][2]
        at(gw, (size,), 'u1')
        for row, variables in zip(rows, parts, strict=False):
            for (begin, shape), variable in zip(row, variables, strict=True):
                at(gw + begin * dtype.itemsize, shape, dtype)[...] += variable.grad
