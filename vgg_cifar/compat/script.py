"""A script and the modules of its own folders, run in their dialect: what `vgg-cifar run` does in a process.

Own is what lies in the script's folder, in those on PYTHONPATH that hold it and in those that it adds to
sys.path. Nothing else is translated, neither site-packages nor vgg_cifar itself.
"""

import builtins
import contextlib
import importlib.machinery
import importlib.util
import io
import itertools
import os
import sys
import types
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vgg_cifar.cache import cache_folder
from vgg_cifar.compat import arrays, chainer1, chainer7, dialect, old_names, without_gpu

PACKAGES = [Path(__file__).resolve().parents[2] / name for name in ('vgg_cifar', 'augment')]


class Way(NamedTuple):
    """How a program is run, as told to the processes that it starts as well."""

    folder: str
    """The script's."""

    others: tuple[str, ...]
    """Where modules are looked for that are not the script's own."""

    python: int | None = None
    """The dialect that was asked for, None to find it out; 1 or 7 for Chainer."""

    chainer: int | None = None
    cpu: bool = False


class Program:
    """The program that runs in this process."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.python2 = False
        self.chainer1 = False
        self.signs: list[str] = []
        self._judged: set[Path] = set()

    def judge(self, path: str) -> None:
        """Find out the dialect of a source and of those that it imports; say so and keep to an old one."""
        source = Path(path).resolve()
        if source in self._judged:
            return
        found = dialect.find(source, Path(self.way.folder), self.way.python, self.way.chainer)
        self._judged |= found.files
        python2, chainer1_ = found.python == 2 and not self.python2, found.chainer == 1 and not self.chainer1
        if not (python2 or chainer1_):
            return
        self.signs += found.signs
        self.adopt(python2, chainer1_)
        names = [name for name, is_so in (('Python 2', python2), ('Chainer 1', chainer1_)) if is_so]
        how = 'translated' if python2 else 'with the calls and numbers of then'
        print(f'{source.name}: {", ".join(names)}: running it {how}', file=sys.stderr)

    def adopt(self, python2: bool, chainer1_: bool) -> None:
        """Keep to an old dialect from now on."""
        if chainer1_:
            self.chainer1 = True
            chainer1.restore_meanings()
        if python2:
            self.python2 = True
            if isinstance(sys.stdout, io.TextIOWrapper):
                # A byte that is no text goes out as it came in.
                sys.stdout.reconfigure(errors='surrogateescape')

    def explain(self) -> list[str]:
        """Return in lines what was done for the program so far."""
        return [
            *self.signs,
            *(f'{name}: gone, given again' for name in old_names.given),
            *chainer1.used(),
        ]


program: Program


def prepare(way: Way) -> None:
    """Prepare this process, and those that it starts through multiprocessing, for a script."""
    global program
    program = Program(way)
    chainer7.prepare()
    old_names.restore(load_source)
    chainer1.accept()
    if way.cpu:
        without_gpu.pretend()
    sys.meta_path.insert(0, _Finder())
    _prepare_spawned_processes()


def run_file(path: str, name: str = '__main__') -> types.ModuleType:
    """Run a file as Python runs a script, and return what it leaves in the module `name`."""
    main = types.ModuleType(name)
    loader = importlib.machinery.SourceFileLoader('__main__', path)
    main.__dict__.update(
        __annotations__={}, __builtins__=builtins, __cached__=None, __file__=path, __loader__=loader
    )
    # Pickle and multiprocessing look here for what the script defines, also after its last line.
    sys.modules[name] = sys.modules['__main__'] = main
    code = _code('__main__', path) or compile(Path(path).read_bytes(), path, 'exec', dont_inherit=True)
    exec(code, main.__dict__)
    return main


def load_source(name: str, path: str) -> types.ModuleType:
    """Load a source as the module `name`, in the program's dialect."""
    spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, path))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _code(name: str, path: str) -> types.CodeType | None:
    """Return the code of the module `name` in the program's dialect, None where that is Python's own."""
    program.judge(path)
    if program.python2:
        from vgg_cifar.compat.python2 import meaning

        # Python 3 beside Python 2; else its own error is the better one.
        with contextlib.suppress(SyntaxError):
            code = _Translator(name, path).get_code(name)
            vars(sys.modules[name])['__builtins__'] = meaning.BUILTINS
            return code
    if program.chainer1 or program.way.cpu:
        return arrays.compiled(Path(path).read_bytes(), path)
    return None


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of the program's own."""

    def get_code(self, fullname: str) -> Any:
        return _code(fullname, self.path) or super().get_code(fullname)


class _Translator(importlib.machinery.SourceFileLoader):
    """Translates Python 2; Python keeps the code in a folder of the cache, until the source changes."""

    def get_code(self, fullname: str) -> Any:
        before = sys.pycache_prefix, sys.dont_write_bytecode
        sys.pycache_prefix, sys.dont_write_bytecode = str(cache_folder() / 'python2'), False
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix, sys.dont_write_bytecode = before

    def source_to_code(self, data: Any, path: Any, **options: Any) -> types.CodeType:  # type: ignore[override]
        from vgg_cifar.compat.python2 import translation

        return translation.translated(data, path)

    def path_stats(self, path: str) -> dict[str, int]:
        # The content of the source and the translator's; not times, which one second may hold two of.
        source, translator = self.get_data(path), self.get_data(f'{_PYTHON2}translation.py')
        return {'mtime': zlib.crc32(source, zlib.crc32(translator)), 'size': len(source)}


class _Finder:
    """Finds the modules of the program's own folders."""

    def __init__(self) -> None:
        self._own: dict[str, bool] = {}
        self._packages: set[str] = set()
        own, *others = (os.path.realpath(entry) for entry in (program.way.folder, *program.way.others))
        # A folder on PYTHONPATH that the script lies in is its own as well.
        self._others = {other for other in others if not Path(own).is_relative_to(other)}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if path is None:
            entries = [entry for entry in sys.path if self._is_own(entry)]
            is_ours = name not in sys.builtin_module_names and find(name, entries) is not None
        else:
            is_ours = name.rpartition('.')[0] in self._packages
        # The first entry of sys.path that has it wins, whosever it is.
        spec = find(name, path) if is_ours else None
        if spec is None:
            return None
        places = [spec.origin] if spec.origin else [*(spec.submodule_search_locations or ())]
        if path is None and not all(self._is_beside(place, spec) for place in places):
            return None
        if spec.submodule_search_locations is not None:
            self._packages.add(name)
        if type(spec.loader) is importlib.machinery.SourceFileLoader and spec.origin:
            spec.loader = _Loader(name, spec.origin)
        return spec

    def _is_own(self, entry: str) -> bool:
        if entry not in self._own:
            real = os.path.realpath(entry)
            is_own = real not in self._others and not {'site-packages', 'dist-packages'} & {*Path(real).parts}
            if not entry:
                return is_own
            self._own[entry] = is_own
        return self._own[entry]

    def _is_beside(self, place: str, spec: importlib.machinery.ModuleSpec) -> bool:
        folder = Path(place).resolve().parent
        if spec.origin and spec.submodule_search_locations is not None:
            folder = folder.parent
        inside = [*Path(place).resolve().parents, Path(place).resolve()]
        return self._is_own(str(folder)) and not any(package in inside for package in PACKAGES)


find = importlib.machinery.PathFinder.find_spec


class _PrepareFirst:
    """Prepares the process in which it is unpickled, wherever vgg_cifar lies."""

    def __reduce__(self) -> tuple:
        source = (
            f'import sys; sys.path[:] = {[*sys.path, str(PACKAGES[0].parent)]!r}; '
            f'from vgg_cifar.compat import script; script.prepare(script.{program.way!r}); '
            f'script.program.adopt({program.python2}, {program.chainer1}); '
            'script.translate_main()'
        )
        return exec, (source, {})


def _prepare_spawned_processes() -> None:
    import multiprocessing
    from multiprocessing import spawn

    describe = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict:
        # The new process unpickles all of this before it acts on any, and leaves a key that it doesn't know.
        return {**describe(name), 'vgg_cifar': _PrepareFirst()}

    spawn.get_preparation_data = get_preparation_data
    if 'forkserver' in multiprocessing.get_all_start_methods():
        # The server would import the script for its children before it is told how to prepare.
        multiprocessing.set_forkserver_preload([])


def translate_main() -> None:
    """Have multiprocessing translate the script, if it is Python 2, that it runs again in this process."""
    from multiprocessing import spawn

    def fix_up(path: str) -> None:
        if getattr(sys.modules['__main__'], '__file__', None) != path:
            spawn.old_main_modules.append(sys.modules['__main__'])
            run_file(path, '__mp_main__')

    if program.python2:
        spawn._fixup_main_from_path = fix_up  # type: ignore[attr-defined]


def show(error: BaseException) -> None:
    """Let sys.excepthook, which the script may have set, speak about the script's own frames only."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_globals.get('__name__') != '__main__':
        traceback = traceback.tb_next
    shown = error.with_traceback(traceback)
    seen: set[int] = set()
    chain: BaseException | None = shown
    while chain and id(chain) not in seen:
        seen.add(id(chain))
        chain.__traceback__ = _without_ours(chain.__traceback__)
        chain = chain.__cause__ or chain.__context__
    sys.excepthook(type(error), shown, shown.__traceback__)


def _without_ours(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """Leave out the frames of what runs the script: the user wrote none of them."""
    frames = []
    while traceback:
        if not traceback.tb_frame.f_code.co_filename.startswith(_OURS):
            frames.append(traceback)
        traceback = traceback.tb_next
    for frame, following in itertools.zip_longest(frames, frames[1:]):
        frame.tb_next = following
    return frames[0] if frames else None


_PYTHON2 = str(Path(__file__).with_name('python2')) + os.sep
_OURS = (__file__, arrays.__file__, _PYTHON2)
