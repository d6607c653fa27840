"""Makes Chainer 7.8.1 import and run on today's Python and NumPy.

A patch is tied to the files of Chainer that need it and runs when Python loads one of them: what is not used
is not touched, and `prepare` costs next to nothing. Nothing here imports Chainer.
"""

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Load = Callable[[], None]
"""Runs the file of Chainer that is being imported; does nothing when it was imported before."""


class Patch(NamedTuple):
    """One repair: which modules of Chainer need it, in one sentence why, and how.

    `apply(module, load)` calls `load` once, unless it stands in for the module, and returns whether anything
    had to be put right.
    """

    modules: tuple[str, ...]
    why: str
    apply: Callable[[types.ModuleType, Load], bool]


PATCHES: list[Patch] = []

_in_force: dict[str, bool] = {}
"""For each of Chainer's modules that a patch has seen: was the patch needed?"""


def _needed_by(*modules: str) -> Callable:
    def register(apply: Callable[[types.ModuleType, Load], bool]) -> Callable:
        PATCHES.append(Patch(modules, (apply.__doc__ or '').splitlines()[0], apply))
        return apply

    return register


# What importing them raises where they are missing, or older than this Python.
_UNUSABLE = (ImportError, AttributeError)


def _restore(name: str, value: object) -> bool:
    """Give NumPy a name back, unless it has one of that name; return whether it had none."""
    import numpy

    # Not hasattr: NumPy 1.26 warns about some of the names when it is asked for them.
    missing = name not in vars(numpy)
    if missing:
        setattr(numpy, name, value)
    return missing


@_needed_by('chainer._environment_check')
def _environment_check(module: types.ModuleType, load: Load) -> bool:
    """Skips the check of the environment, which needs numpy.distutils and pkg_resources.

    chainer/_environment_check.py imports both. NumPy has no distutils on Python 3.12 or newer, and before it
    breaks with setuptools 74 or newer; setuptools has no pkg_resources from 82 on. The check looks for
    Python 3.5.0, for macOS's BLAS of 2016 and for CuPy and iDeep of 2020: nothing of which concerns today's.
    So it is skipped where it could run, too: to import the two takes a quarter as long as all of Chainer.
    """
    module.check = lambda: None  # type: ignore[attr-defined]
    return True


_SCIPY = {
    'chainer.datasets.svhn': 'scipy.io',
    'chainer.distributions.multivariate_normal': 'scipy.linalg',
    'chainer.functions.math.erfcinv': 'scipy.special',
    'chainer.functions.math.erfcx': 'scipy.special',
    'chainer.functions.math.erfinv': 'scipy.special',
    'chainer.functions.math.ndtri': 'scipy.special',
    'chainer.functions.math.sparse_matmul': 'scipy.sparse',
}


class _WhenUsed(types.ModuleType):
    """Stands for a module, which is imported when something in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@_needed_by(*_SCIPY)
def _scipy_when_used(module: types.ModuleType, load: Load) -> bool:
    """Leaves SciPy to be imported by the functions that use it, which few scripts do.

    These files import parts of SciPy when Chainer is imported: four tenths of the time that it takes.
    """
    name = _SCIPY[module.__name__]
    if name in sys.modules or importlib.util.find_spec('scipy') is None:
        load()
        return False
    sys.modules[name] = _WhenUsed(name)
    try:
        load()
    finally:
        del sys.modules[name]
    return True


@_needed_by('chainer.functions.array.as_strided')
def _numpy_sctypes(module: types.ModuleType, load: Load) -> bool:
    """Restores numpy.sctypes, which NumPy 2 no longer has.

    chainer/functions/array/as_strided.py reads the keys int (on import) and float (in a backward pass).
    """
    import numpy

    needed = _restore(
        'sctypes',
        {
            'int': [numpy.int8, numpy.int16, numpy.int32, numpy.int64],
            'float': [numpy.float16, numpy.float32, numpy.float64, numpy.longdouble],
        },
    )
    load()
    return needed


@_needed_by('chainer.functions.array.resize_images')
def _numpy_float(module: types.ModuleType, load: Load) -> bool:
    """Restores numpy.float, which NumPy 1.24 or newer no longer has.

    chainer/functions/array/resize_images.py looks it up in each call.
    """
    needed = _restore('float', float)
    load()
    return needed


@_needed_by('chainer.distributions.categorical')
def _list_of_meshgrid(module: types.ModuleType, load: Load) -> bool:
    """Replaces Categorical.log_prob, which adds a list to what numpy.meshgrid returns: a tuple since NumPy 2.

    chainer/distributions/categorical.py; the KL divergence of two of them uses it as well.
    """
    import numpy

    load()
    needed = isinstance(numpy.meshgrid([0]), tuple)
    if needed:

        def log_prob(self: Any, x: Any) -> Any:
            batch = numpy.meshgrid(*map(range, self.batch_shape), indexing='ij')
            index = (*batch, getattr(x, 'array', x).astype(numpy.int32))
            return self.log_p[index]

        module.Categorical.log_prob = log_prob
    return needed


@_needed_by('chainer.testing.helper', 'chainer.testing.doctest_helper')
def _pkg_resources(module: types.ModuleType, load: Load) -> bool:
    """Answers for pkg_resources, which setuptools 82 or newer no longer has.

    chainer/testing/helper.py and doctest_helper.py ask it if a requirement is met; chainer/gradient_check.py
    imports the former. The substitute is theirs alone: nobody else's `import pkg_resources` finds it.
    """
    try:
        load()
        return False
    except _UNUSABLE:
        pass
    sys.modules['pkg_resources'] = _pkg_resources_substitute()
    try:
        load()
    finally:
        del sys.modules['pkg_resources']
    return True


def _pkg_resources_substitute() -> types.ModuleType:
    from packaging.requirements import Requirement

    class ResolutionError(Exception):
        pass

    class WorkingSet:
        def require(self, *requirements: str) -> None:
            for requirement in map(Requirement, requirements):
                try:
                    version = importlib.metadata.version(requirement.name)
                except importlib.metadata.PackageNotFoundError as error:
                    raise ResolutionError(f'{requirement} is not installed') from error
                if not requirement.specifier.contains(version, prereleases=True):
                    raise ResolutionError(f'{requirement} is not met by {version}')

    module = types.ModuleType('pkg_resources', 'The part of pkg_resources that chainer.testing uses.')
    vars(module).update(ResolutionError=ResolutionError, WorkingSet=WorkingSet)
    return module


@_needed_by('chainer.links.caffe.protobuf3.caffe_pb2')
def _protobuf_in_python(module: types.ModuleType, load: Load) -> bool:
    """Has protobuf 4 or newer use its Python implementation, the only one that takes code of 2020.

    chainer/links/caffe/protobuf3/caffe_pb2.py, behind CaffeFunction and the Caffe exporter, is such code. The
    choice is made once in a process, when protobuf is first imported.

    Raises ImportError if protobuf was imported before with another implementation.
    """
    variable = 'PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'
    chosen = os.environ.get(variable)
    if chosen == 'python' or importlib.metadata.version('protobuf').startswith('3.'):
        load()
        return False
    os.environ[variable] = 'python'
    try:
        load()
    except TypeError as error:
        raise ImportError(
            f'Chainer reads Caffe models only with protobuf in pure Python: set {variable}=python, '
            'or import chainer.links.caffe before anything that uses protobuf'
        ) from error
    finally:
        del os.environ[variable]
        if chosen is not None:
            os.environ[variable] = chosen
    return True


@_needed_by('onnx_chainer')
def _onnx_mapping(module: types.ModuleType, load: Load) -> bool:
    """Gives onnx_chainer, which comes with Chainer, onnx.mapping back, and has it trace Chainer's own layers.

    onnx 1.19 or newer has no onnx.mapping; onnx_chainer looks up the types of tensors in it. What an
    accelerator computes it cannot trace. Without onnx it asks for one that can no longer be installed.
    """
    try:
        import onnx
    except ImportError as error:
        missing = ImportError(f'onnx_chainer needs onnx: pip install onnx ({error})')
        load()

        def check() -> None:
            raise missing

        module.export.__globals__['_check_available'] = check
        return False
    needed = not hasattr(onnx, 'mapping')
    if needed:
        vars(onnx)['mapping'] = sys.modules['onnx.mapping'] = _onnx_mapping_substitute()
    load()
    names = module.export.__globals__
    trace = names['_export']

    def traced(*arguments: Any) -> Any:
        import chainer

        with chainer.using_config('use_ideep', 'never'):
            return trace(*arguments)

    names['_export'] = traced
    return needed


def _onnx_mapping_substitute() -> types.ModuleType:
    import numpy
    from onnx import TensorProto, helper

    known = [each for each in TensorProto.DataType.values() if each != TensorProto.UNDEFINED]
    ours = ('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64')
    names = [*ours, 'float16', 'float32', 'float64', 'complex64', 'complex128', 'object']
    module = types.ModuleType('onnx.mapping', 'The part of onnx.mapping that onnx_chainer uses.')
    vars(module).update(
        NP_TYPE_TO_TENSOR_TYPE={
            numpy.dtype(each): helper.np_dtype_to_tensor_dtype(numpy.dtype(each)) for each in names
        },
        # By the types that hold them: what a tensor of half floats has is in the field of 32-bit integers.
        STORAGE_TENSOR_TYPE_TO_FIELD={each: helper.tensor_dtype_to_field(each) for each in known},
    )
    return module


@_needed_by('chainer.functions.normalization.batch_normalization')
def _ideep_axes(module: types.ModuleType, load: Load) -> bool:
    """Keeps iDeep, or what plays it, from normalising over axes that it is not told of.

    chainer/functions/normalization/batch_normalization.py asks it whatever the axes are; over all but the
    second it would be wrong.
    """
    load()

    class Mode(module._BNMode):  # type: ignore[name-defined]
        def __init__(self, x: Any, gamma: Any, key_axis: tuple[int, ...], inference: bool = False) -> None:
            super().__init__(x, gamma, key_axis, inference)
            if tuple(key_axis) != (1,):
                self.ideep_ok = False

    module._BNMode = Mode  # type: ignore[attr-defined]
    return _ideep_available()


@_needed_by('chainer.functions.pooling.average_pooling_2d')
def _ideep_average_pooling(module: types.ModuleType, load: Load) -> bool:
    """Has a gradient use NumPy where its forward pass did.

    chainer/functions/pooling/average_pooling_2d.py asks the configuration anew, which may have changed.
    """
    load()
    _follow_forward(module.AveragePooling2DGrad, lambda node: bool(node.apool2d.get_retained_inputs()))
    return _ideep_available()


@_needed_by('chainer.functions.pooling.max_pooling_nd')
def _ideep_max_pooling(module: types.ModuleType, load: Load) -> bool:
    """Has a gradient use NumPy where its forward pass did.

    chainer/functions/pooling/max_pooling_nd.py would call itself without end.
    """
    load()

    def used_ideep(node: Any) -> bool:
        from chainer.backends import intel64

        return isinstance(node.func.indexes, intel64.mdarray)

    _follow_forward(module.MaxPoolingNDGrad, used_ideep)
    return _ideep_available()


def _follow_forward(gradient: Any, used_ideep: Callable[[Any], bool]) -> None:
    import chainer

    forward_cpu = gradient.forward_cpu

    def forward(self: Any, gy: Any) -> Any:
        if used_ideep(self):
            return forward_cpu(self, gy)
        with chainer.using_config('use_ideep', 'never'):
            return forward_cpu(self, gy)

    gradient.forward_cpu = forward


@_needed_by('chainer.functions.connection.convolution_2d', 'chainer.functions.connection.deconvolution_2d')
def _grouped_convolutions(module: types.ModuleType, load: Load) -> bool:
    """Has our accelerator convolve in groups, for which Chainer does not ask iDeep.

    chainer/functions/connection/convolution_2d.py and deconvolution_2d.py leave groups to NumPy.
    """
    load()
    for name, function in (
        ('Convolution2DFunction', 'forward'),
        ('Convolution2DGradW', 'backward_weights'),
        ('Deconvolution2DFunction', 'transposed'),
    ):
        node = vars(module).get(name)
        if node is not None and node.__module__ == module.__name__:
            _accelerate_groups(node, function)
    return _ideep_available()


def _accelerate_groups(node: Any, function: str) -> None:
    by_numpy = node._forward_grouped_convolution

    def forward(self: Any, x: Any, *others: Any) -> Any:
        from vgg_cifar.accelerators import onednn

        # A gradient of the weights goes the way of the forward pass, which has seen their type.
        if onednn.live() and (self._use_ideep or (function == 'transposed' and _ideep_takes(x, *others))):
            from vgg_cifar.accelerators.onednn import groups

            self._use_ideep = True
            return getattr(groups, function)(self, x, *others)
        return by_numpy(self, x, *others)

    node._forward_grouped_convolution = forward


def _ideep_takes(*arrays: Any) -> bool:
    """Whether Chainer would ask iDeep about these arrays; it forgets to where a deconvolution is dilated."""
    from chainer.backends import intel64

    given = [array for array in arrays if array is not None]
    return intel64.should_use_ideep('>=auto') and intel64.inputs_all_ready(given)


def _ideep_available() -> bool:
    from chainer.backends import intel64

    return intel64.is_ideep_available()


_awaited: dict[str, list[Callable[[types.ModuleType], None]]] = {}
"""For modules of Chainer that are not imported yet: what is to be done then."""


class _Finder:
    """Surrounds the loading of the modules in PATCHES with their patches; leaves all else to Python."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self._patches = {module: patch for patch in patches for module in patch.modules}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = self._patches.get(name)
        if patch is None and name not in _awaited:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: types.ModuleType) -> None:
            if patch is None:
                execute(module)
            else:
                _in_force[name] = patch.apply(module, lambda: execute(module))
            for act in _awaited.get(name, ()):
                act(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


# What Chainer's age makes others say, where its user can do nothing about it: message, category and module,
# the first and last as regular expressions. All other warnings are let through.
AGE_WARNINGS: tuple[tuple[str, type[Warning], str], ...] = (
    # cupy/_environment.py, for chainer/training/updaters/multiprocess_parallel_updater.py, which says itself
    # that it needs NCCL.
    (r'\s*nccl library could not be loaded', UserWarning, r'cupy\._environment$'),
    # pkg_resources/__init__.py, from setuptools 67.5 on and as a UserWarning from 80.9 on.
    (r'pkg_resources is deprecated', DeprecationWarning, r'chainer\.'),
    (r'pkg_resources is deprecated', UserWarning, r'chainer\.'),
    # threading.py, for chainer/iterators/multiprocess_iterator.py.
    (r'setDaemon\(\) is deprecated', DeprecationWarning, r'chainer\.iterators\.multiprocess_iterator$'),
    # NumPy 2.4 or newer, for numpy.maximum(a, b, out) in chainer/dataset/convert.py.
    (r'Passing more than 2 positional arguments', DeprecationWarning, r'chainer\.dataset\.convert$'),
    # NumPy 2.5 or newer, for `array.shape = ...` in chainer/links/activation/maxout.py.
    (r'Setting the shape on a NumPy array', DeprecationWarning, r'chainer\.links\.activation\.maxout$'),
    # google/protobuf/descriptor.py, for each message and field of chainer/links/caffe/protobuf3/caffe_pb2.py.
    (r'Call to deprecated create function', DeprecationWarning, r'chainer\.links\.caffe\.'),
)


def prepare() -> None:
    """Have Chainer work when it is imported, and at once if it was imported before; again changes nothing.

    What an `import chainer` that failed earlier in this process has left behind is cleared, so that it can be
    repeated.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for message, category, module in AGE_WARNINGS:
        warnings.filterwarnings('ignore', message, category, module)
    if 'chainer' not in sys.modules:
        # Submodules without their package: importing them again would not tie them to the new one.
        for name in [name for name in sys.modules if name.startswith('chainer.')]:
            del sys.modules[name]
    for patch in PATCHES:
        for name in patch.modules:
            if name in sys.modules:
                _in_force[name] = patch.apply(sys.modules[name], lambda: None)
    sys.meta_path.insert(0, _Finder(PATCHES))


def when_loaded(name: str, act: Callable[[types.ModuleType], None]) -> None:
    """Call `act` with a module of Chainer's: at once if it was imported before, else as soon as it is.

    `prepare` comes first.
    """
    if name in sys.modules:
        act(sys.modules[name])
    else:
        _awaited.setdefault(name, []).append(act)


def state(patch: Patch) -> str:
    """Return 'in force', 'not needed', or 'not used' as long as none of the patch's modules was imported."""
    seen = [_in_force[name] for name in patch.modules if name in _in_force]
    if not seen:
        return 'not used'
    return 'in force' if any(seen) else 'not needed'
