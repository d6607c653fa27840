"""Makes Chainer 7.8.1 import and run on today's Python and NumPy. The only place that patches anything.

A patch is tied to the files of Chainer that need it and runs when Python loads one of them: what is not used is not
touched, and `prepare` costs next to nothing. Nothing here imports Chainer.
"""

import importlib.machinery
import importlib.metadata
import os
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

Load = Callable[[], None]
"""Runs the file of Chainer that is being imported; does nothing when it was imported before."""


class Patch(NamedTuple):
    """One repair: which modules of Chainer need it, in one sentence why, and how.

    `apply(module, load)` calls `load` once and returns whether anything had to be put right.
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


@_needed_by('chainer._environment_check')
def _environment_check(module: types.ModuleType, load: Load) -> bool:
    """Skips the check of the environment, which needs numpy.distutils and pkg_resources.

    chainer/_environment_check.py imports both. NumPy has no distutils on Python 3.12 or newer, and on older ones it
    breaks with setuptools 74 or newer; setuptools has no pkg_resources from 82 on. The check looks for Python 3.5.0,
    for macOS's BLAS of 2016 and for CuPy and iDeep of 2020, so it has nothing to say about today's.
    """
    try:
        load()
    except ImportError:
        module.check = lambda: None  # type: ignore[attr-defined]
        return True
    return False


@_needed_by('chainer.functions.array.as_strided')
def _numpy_sctypes(module: types.ModuleType, load: Load) -> bool:
    """Restores numpy.sctypes, which NumPy 2 no longer has.

    chainer/functions/array/as_strided.py reads the keys int (on import) and float (in a backward pass).
    """
    import numpy

    needed = not hasattr(numpy, 'sctypes')
    if needed:
        numpy.sctypes = {  # type: ignore[attr-defined]
            'int': [numpy.int8, numpy.int16, numpy.int32, numpy.int64],
            'float': [numpy.float16, numpy.float32, numpy.float64, numpy.longdouble],
        }
    load()
    return needed


@_needed_by('chainer.functions.array.resize_images')
def _numpy_float(module: types.ModuleType, load: Load) -> bool:
    """Restores numpy.float, which NumPy 1.24 or newer no longer has.

    chainer/functions/array/resize_images.py looks it up in each call.
    """
    needed = _restore_alias('float', float)
    load()
    return needed


@_needed_by('chainer.testing.helper', 'chainer.testing.doctest_helper')
def _pkg_resources(module: types.ModuleType, load: Load) -> bool:
    """Answers for pkg_resources, which setuptools 82 or newer no longer has.

    chainer/testing/helper.py and doctest_helper.py ask it whether a requirement is met, and chainer/gradient_check.py
    imports the former. The substitute is theirs alone: nobody else's `import pkg_resources` finds it.
    """
    try:
        import pkg_resources  # type: ignore[import-untyped,unused-ignore] # noqa: F401
    except ImportError:
        sys.modules['pkg_resources'] = _pkg_resources_substitute()
        try:
            load()
        finally:
            del sys.modules['pkg_resources']
        return True
    load()
    return False


def _pkg_resources_substitute() -> types.ModuleType:
    # Comes with matplotlib; needed only by those who use chainer.testing.
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
    """Has protobuf use its Python implementation, the only one that reads code generated before 2022.

    chainer/links/caffe/protobuf3/caffe_pb2.py, behind CaffeFunction and the Caffe exporter, is such code. The choice
    is made once in a process, when protobuf is first imported.

    Raises ImportError if protobuf was imported before with another implementation.
    """
    variable = 'PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'
    chosen = os.environ.get(variable)
    os.environ[variable] = 'python'
    try:
        load()
    except TypeError as error:
        raise ImportError(
            f'Chainer reads Caffe models only with protobuf in pure Python: set {variable}=python, '
            'or import chainer.links.caffe before anything that uses protobuf'
        ) from error
    finally:
        if chosen is None:
            del os.environ[variable]
        else:
            os.environ[variable] = chosen
    return chosen != 'python'


class _Finder:
    """Surrounds the loading of the modules in PATCHES with their patches; leaves all else to Python."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self._patches = {module: patch for patch in patches for module in patch.modules}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = self._patches.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if patch else None
        if patch is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: types.ModuleType) -> None:
            _in_force[name] = patch.apply(module, lambda: execute(module))

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


# Where Chainer's age makes Python, NumPy or protobuf warn: message, category, module (all regular expressions match
# from the start). The user can do nothing about these; everything else is let through.
AGE_WARNINGS: list[tuple[str, type[Warning], str]] = []


def prepare() -> None:
    """Have Chainer work when it is imported, and at once if it was imported before. Calling it again changes nothing.

    An `import chainer` that failed earlier in this process is forgotten, so that it can be repeated.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for message, category, module in AGE_WARNINGS:
        warnings.filterwarnings('ignore', message, category, module)
    if 'chainer' not in sys.modules:
        # What a failed import leaves behind: submodules without their package, which would not be loaded again.
        for name in [name for name in sys.modules if name.startswith('chainer.')]:
            del sys.modules[name]
    for patch in PATCHES:
        for name in patch.modules:
            if name in sys.modules:
                _in_force[name] = patch.apply(sys.modules[name], lambda: None)
    sys.meta_path.insert(0, _Finder(PATCHES))


def state(patch: Patch) -> str:
    """Return 'in force', 'not needed', or 'not used' as long as none of the patch's modules was imported."""
    seen = [_in_force[name] for name in patch.modules if name in _in_force]
    if not seen:
        return 'not used'
    return 'in force' if any(seen) else 'not needed'


def restore_numpy_aliases() -> None:
    """Give NumPy back the aliases that scripts of Chainer's years use and NumPy 1.24 dropped: numpy.float and others."""
    for name, builtin in {'bool': bool, 'int': int, 'float': float, 'complex': complex, 'object': object, 'str': str}.items():
        _restore_alias(name, builtin)


def _restore_alias(name: str, builtin: type) -> bool:
    import numpy

    missing = not hasattr(numpy, name)
    if missing:
        setattr(numpy, name, builtin)
    return missing
