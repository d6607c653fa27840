"""oneDNN's objects in Python: layouts, primitives, and the cache that keeps them by shape."""

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

from vgg_cifar.accelerators.onednn import library, process, threads
from vgg_cifar.accelerators.onednn.library import Algorithm, Arg, OneDNNError, Query, Type

# A run sees a handful of shapes; a program that sees many must not keep them all.
KEPT = 512

P = ParamSpec('P')
T = TypeVar('T')


def cached(build: Callable[P, T]) -> Callable[P, T]:
    """Keep what `build` returns for the most recent arguments, for each thread on its own.

    A primitive must run on the thread that made it: oneDNN's scratch memory is one buffer a thread.
    """
    local = threading.local()

    @functools.wraps(build)
    def get(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            cache = local.cache
        except AttributeError:
            cache = local.cache = functools.lru_cache(KEPT)(build)
        return cache(*args, **kwargs)

    return get


def require_own_process(what: str) -> None:
    """Raise OneDNNError where this process was forked."""
    if not process.usable():
        raise OneDNNError(f'{what}: this process was forked; start workers by spawn')


def dimensions(values: Sequence[int]) -> Any:
    """Return integers as oneDNN's array of dimensions."""
    return (ctypes.c_int64 * len(values))(*values)


class Layout:
    """Shape, element type and memory order of a tensor.

    Args:
        shape: dimensions, in the order in which oneDNN names them.
        strides: distances in elements; None leaves the order to the primitive made from this layout.
        type: type of the elements.
    """

    def __init__(
        self, shape: Sequence[int], strides: Sequence[int] | None, type: Type = Type.FLOAT32
    ) -> None:
        dnnl = library.load()
        if strides is None:
            create = ('memory_desc_create_with_tag', len(shape), dimensions(shape), type, 1)
        else:
            create = (
                'memory_desc_create_with_strides',
                len(shape),
                dimensions(shape),
                type,
                dimensions(strides),
            )
        self._destroy = dnnl.memory_desc_destroy
        self._as_parameter_ = dnnl.make(*create)

    def __del__(self) -> None:
        if hasattr(self, '_as_parameter_'):
            self._destroy(self._as_parameter_)


class After(NamedTuple):
    """An operation that follows: of an element and two numbers, or of it and that of an array laid out so."""

    algorithm: Algorithm
    alpha: float = 0
    beta: float = 0
    layout: Layout | None = None


class Attributes:
    """What a primitive does to its result: multiply it by `scale`, rectify it, `add` what was there.

    Rectified, what is negative is multiplied by `slope`. `after` follows, in this order.
    """

    def __init__(
        self, slope: float = 1, scale: float = 1, add: bool = False, after: Sequence[After] = ()
    ) -> None:
        dnnl = library.load()
        self._dnnl = dnnl
        self._operations = dnnl.make('post_ops_create')
        if scale != 1:
            dnnl.post_ops_append_eltwise(self._operations, Algorithm.LINEAR, scale, 0)
        if slope != 1:
            dnnl.post_ops_append_eltwise(self._operations, Algorithm.RELU, slope, 0)
        if add:
            dnnl.post_ops_append_sum(self._operations, 1, 0, Type.FLOAT32)
        for algorithm, alpha, beta, layout in after:
            if layout is None:
                dnnl.post_ops_append_eltwise(self._operations, algorithm, alpha, beta)
            else:
                dnnl.post_ops_append_binary(self._operations, algorithm, layout)
        self._as_parameter_ = dnnl.make('primitive_attr_create')
        dnnl.primitive_attr_set_post_ops(self, self._operations)

    def __del__(self) -> None:
        if hasattr(self, '_as_parameter_'):
            self._dnnl.primitive_attr_destroy(self._as_parameter_)
        if hasattr(self, '_operations'):
            self._dnnl.post_ops_destroy(self._operations)


class _Argument(ctypes.Structure):
    _fields_ = (('which', ctypes.c_int), ('memory', ctypes.c_void_p))


class Primitive:
    """An operation for fixed shapes, ready to run.

    Args:
        what: name and shapes, for error messages.
        uses: the arguments that calls give, in this order.
        call: the C function, less its prefix, that makes the descriptor; `arguments` are its own.
        attributes: what is to be done to the result.
        rather: of oneDNN's implementations, the first whose name has this in it; without one, its own choice.
    """

    def __init__(
        self,
        what: str,
        uses: Sequence[int],
        call: str,
        *arguments: Any,
        attributes: Attributes | None = None,
        rather: str | None = None,
    ) -> None:
        self._dnnl = dnnl = library.load()
        self.what = what
        self._memories: list[ctypes.c_void_p] = []
        self._addresses: tuple[int, ...] = ()
        try:
            self._description = dnnl.make(call, *arguments, attributes)
            if rather is not None and not self._find(rather):
                dnnl.primitive_desc_destroy(self._description)
                self._description = dnnl.make(call, *arguments, attributes)
            self._primitive = dnnl.make('primitive_create', self._description)
            for which in uses:
                self._memories.append(dnnl.make('memory_create', self.layout(which), dnnl.engine, None))
        except OneDNNError as error:
            raise OneDNNError(f'{what}: {error}') from None
        pairs = zip(uses, self._memories, strict=True)
        self._arguments = (_Argument * len(uses))(*(_Argument(which, memory) for which, memory in pairs))
        self._as_parameter_ = self._description

    def _find(self, name: str) -> bool:
        """Go on to the next implementation until one has `name` in its own; return whether there is one."""
        while name not in self.implementation:
            if self._dnnl.primitive_desc_next_impl(self._description):
                return False
        return True

    def layout(self, which: int) -> int:
        """Return the address of the layout that an argument must have; it lives as long as the primitive."""
        return self._dnnl.primitive_desc_query_md(self._description, Query.ARGUMENT, which)

    def size(self, which: Arg) -> int:
        """Return the bytes of an argument."""
        return self._dnnl.memory_desc_get_size(self.layout(which))

    @property
    def implementation(self) -> str:
        """oneDNN's name of the chosen implementation."""
        name = ctypes.c_char_p()
        self._dnnl.primitive_desc_query(self._description, Query.IMPLEMENTATION, 0, ctypes.byref(name))
        return (name.value or b'').decode()

    def __call__(self, *addresses: int) -> None:
        """Run on the memory at these addresses, in the order of `uses`; return when done.

        The arrays must stay alive during the call, and have the layouts that the primitive was made for.
        """
        require_own_process(self.what)
        dnnl = self._dnnl
        try:
            if addresses != self._addresses:
                for memory, address in zip(self._memories, addresses, strict=True):
                    dnnl.memory_set_data_handle(memory, address)
                self._addresses = addresses
            threads.together(
                dnnl.primitive_execute, self._primitive, dnnl.stream, len(addresses), self._arguments
            )
            dnnl.stream_wait(dnnl.stream)
        except OneDNNError as error:
            raise OneDNNError(f'{self.what}: {error}') from None

    def __del__(self) -> None:
        for memory in getattr(self, '_memories', ()):
            self._dnnl.memory_destroy(memory)
        if hasattr(self, '_primitive'):
            self._dnnl.primitive_destroy(self._primitive)
        if hasattr(self, '_description'):
            self._dnnl.primitive_desc_destroy(self._description)


class Reorder:
    """A copy between two layouts of one shape; `needed` is False where they are the same."""

    def __init__(self, what: str, source: Any, target: Any) -> None:
        dnnl = library.load()
        self.needed = not dnnl.memory_desc_equal(source, target)
        if self.needed:
            self._primitive = Primitive(
                f'reorder for {what}',
                (Arg.SRC, Arg.DST),
                'reorder_primitive_desc_create',
                source,
                dnnl.engine,
                target,
                dnnl.engine,
            )

    def __call__(self, source: int, target: int) -> None:
        """Copy from one address to the other."""
        self._primitive(source, target)
