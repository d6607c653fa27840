"""Which Python and which Chainer a program was written for, by the syntax trees of its own sources.

A sign is what the newer dialect refuses, where it would be reached: never a word in a text, and nothing that
a source guards by `try` or by a look at the version.
"""

import ast
import functools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple


class Dialect(NamedTuple):
    """Python's major version, Chainer's (1 or else 7), and the signs of the older ones."""

    python: int
    chainer: int
    signs: tuple[str, ...]
    files: frozenset[Path]
    """All that was looked at."""


class Source(NamedTuple):
    """A file of the program."""

    path: Path
    tree: ast.Module
    refused: int = 0
    """The line that Python 3 refuses, if it was read as Python 2."""


def find(script: Path, folder: Path, python: int | None = None, chainer: int | None = None) -> Dialect:
    """Return the dialect of a source and of those in the program's `folder` that it imports.

    What is given is taken.
    """
    sources = list(own_sources(script, folder))
    files = frozenset(source.path for source in sources) | {script}
    looks_old = functools.partial(_python2, lazy=_lazy(sources))
    old_python = None if python else next(_signs(sources, looks_old), None)
    # Leftovers of Chainer 1 stand in programs of Chainer 2 and 3, Chainer's own examples among them.
    known = chainer or any(map(_is_chainer2, sources))
    old_chainer = None if known else next(_signs(sources, _chainer1), None)
    signs = tuple(sign for sign in (old_python, old_chainer) if sign)
    return Dialect(python or (2 if old_python else 3), chainer or (1 if old_chainer else 7), signs, files)


def read(path: Path) -> Source | None:
    """Return a source as a tree, None where it is neither Python 3 nor 2: Python will say why."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            return Source(path, ast.parse(data, path))
        except SyntaxError as error:
            refused = error.lineno or 1
        except ValueError:
            return None
    # What no script of today needs takes a while to import.
    from vgg_cifar.compat.python2 import translation

    try:
        tree = translation.parse(data, str(path))
    except (SyntaxError, UnicodeError, ValueError):
        return None
    # A slip in Python 3's code is no sign of Python 2.
    return None if any(map(_is_python3, ast.walk(tree))) else Source(path, tree, refused)


def _is_python3(node: ast.AST) -> bool:
    """Whether it is what no Python 2 takes."""
    return isinstance(
        node,
        ast.JoinedStr | ast.AnnAssign | ast.AsyncFunctionDef | ast.Nonlocal | ast.NamedExpr | ast.YieldFrom,
    ) or (isinstance(node, ast.arguments) and bool(node.kwonlyargs))


def own_sources(script: Path, folder: Path) -> Iterator[Source]:
    """Yield a source and those beside it or in `folder` that it imports, and they import."""
    seen: set[Path] = set()
    to_do = [script]
    while to_do:
        path = to_do.pop()
        if path in seen:
            continue
        seen.add(path)
        source = read(path)
        if source:
            yield source
            to_do += _imported(source, folder)


def _imported(source: Source, folder: Path) -> Iterator[Path]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [(name.name, 0) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            names = [
                (base, node.level),
                *((f'{base}.{name.name}'.strip('.'), node.level) for name in node.names),
            ]
        else:
            continue
        for name, level in names:
            parts = name.split('.')
            beside = source.path.parents[level - 1] if level else source.path.parent
            for root in [beside] if level or beside == folder else [folder, beside]:
                for depth in range(1, len(parts) + 1):
                    inner = root.joinpath(*parts[:depth])
                    for path in (inner.with_suffix('.py'), inner / '__init__.py'):
                        if path.is_file():
                            yield path


Look = Callable[[Source], Iterator[tuple[int, str]]]


def _signs(sources: list[Source], look: Look) -> Iterator[str]:
    for source in sources:
        for line, sign in look(source):
            yield f'{source.path.name}, line {line}: {sign}'


# Python 2

_MODULES = frozenset(
    (
        '__builtin__ anydbm cPickle commands ConfigParser cookielib Cookie copy_reg cStringIO httplib '
        'HTMLParser htmlentitydefs Image ImageDraw ImageFilter ImageFont ImageOps md5 Queue sets sha '
        'SocketServer StringIO thread Tkinter '
        'tkFileDialog tkMessageBox urllib2 urlparse UserDict UserList xmlrpclib'
    ).split()
)
_NAMES = frozenset(
    'basestring cmp execfile file intern long raw_input reduce reload unichr unicode xrange'.split()
)
_METHODS = frozenset('has_key iteritems iterkeys itervalues'.split())
_MEMBERS = frozenset(
    (
        'itertools.ifilter itertools.imap itertools.izip itertools.izip_longest os.getcwdu string.join '
        'string.letters '
        'string.lowercase string.maketrans string.uppercase sys.maxint sys.setdefaultencoding urllib.quote '
        'urllib.quote_plus urllib.unquote urllib.urlencode urllib.urlopen urllib.urlretrieve'
    ).split()
)
_LAZY = frozenset('filter map zip'.split())
_VIEWS = frozenset('items keys values'.split())


def _python2(source: Source, lazy: set[str]) -> Iterator[tuple[int, str]]:
    if source.refused:
        yield source.refused, 'no Python 3'
    names = _Names(source.tree)
    for node in _unguarded(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for module in (
                [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module or '']
            ):
                own = source.path.with_name(module + '.py').exists() or source.path.with_name(module).exists()
                if module in _MODULES and not getattr(node, 'level', 0) and not own:
                    yield node.lineno, f'imports {module}'
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    if f'{node.module}.{name.name}' in _MEMBERS:
                        yield node.lineno, f'imports {name.name} from {node.module}'
        elif isinstance(node, ast.Name):
            if (
                node.id in _NAMES
                and isinstance(node.ctx, ast.Load)
                and node.id not in names.bound
                and not names.star
            ):
                yield node.lineno, f'uses {node.id}'
        elif isinstance(node, ast.Attribute):
            full = names.full(node)
            if full in _MEMBERS:
                yield node.lineno, f'uses {full}'
            elif node.attr in _METHODS and names.full(node.value) != 'six' and 'pandas' not in names.modules:
                yield node.lineno, f'uses .{node.attr}'
        elif isinstance(node, ast.Expr):
            if _prints(node.value):
                yield node.lineno, 'prints without brackets'
        elif isinstance(node, ast.Subscript):
            bounds = [node.slice.lower, node.slice.upper] if isinstance(node.slice, ast.Slice) else []
            if any(map(_is_division, bounds)):
                yield node.lineno, 'divides to an index'
            elif _is_lazy(node.value, names) or _target(node.value, source) in lazy:
                yield node.lineno, 'takes from what is no list'
        elif isinstance(node, ast.Call):
            function = names.full(node.func) or getattr(node.func, 'id', '')
            if function == 'range' and any(map(_is_division, node.args)):
                yield node.lineno, 'divides to a range'
            elif function == 'types.MethodType' and len(node.args) == 3:
                yield node.lineno, 'makes a method of a class'
            elif (
                function in ('len', 'numpy.array', 'numpy.asarray')
                and node.args
                and (_is_lazy(node.args[0], names) or _target(node.args[0], source) in lazy)
            ):
                yield node.lineno, 'takes for a list what is none'


def _prints(value: ast.expr) -> bool:
    if isinstance(value, ast.Tuple) and value.elts:
        first, *others = value.elts
        if _is_print(first) and others and not all(map(_is_print, others)):
            return True
        value = first
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.RShift):
            return isinstance(value.left, ast.Name) and value.left.id == 'print'
    inside = value
    while isinstance(inside, ast.BinOp):
        inside = inside.left
    return inside is not value and (
        _is_print(inside) or (isinstance(inside, ast.Name) and inside.id == 'print')
    )


def _is_print(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'print'


def _is_division(node: ast.expr | None) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)


def _is_lazy(node: ast.expr, names: '_Names') -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in _VIEWS and not node.args and not node.keywords
    return isinstance(node.func, ast.Name) and node.func.id in _LAZY - names.bound


def _lazy(sources: list[Source]) -> set[str]:
    """Return the names and attributes that are never assigned anything but what was a list in Python 2."""
    lazy: set[str] = set()
    others: set[str] = set()
    for source in sources:
        names = _Names(source.tree)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assign):
                found = lazy if _is_lazy(node.value, names) else others
                found.update(_target(target, source) for target in node.targets)
            elif isinstance(node, ast.arg):
                others.add(f'{source.path}:{node.arg}')
            elif isinstance(node, ast.For | ast.comprehension | ast.withitem | ast.AugAssign):
                bound = node.optional_vars if isinstance(node, ast.withitem) else node.target
                others.update(_target(one, source) for one in ast.walk(bound or ast.Tuple([])))
    return lazy - others - {''}


def _target(node: ast.AST, source: Source) -> str:
    """Return a name, as its source's own, or an attribute, as the program's."""
    if isinstance(node, ast.Name):
        return f'{source.path}:{node.id}'
    return ast.unparse(node) if isinstance(node, ast.Attribute) else ''


def _unguarded(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that no `try` and no look at the version stands before."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Try):
            for part in (*node.orelse, *node.finalbody):
                yield part
                yield from _unguarded(part)
        elif not (isinstance(node, ast.If | ast.IfExp) and _asks_for_version(node.test)):
            yield node
            yield from _unguarded(node)


def _asks_for_version(test: ast.expr) -> bool:
    return any(
        getattr(node, 'attr', getattr(node, 'id', '')).strip('_').lower()
        in ('version', 'version_info', 'py2', 'py3')
        for node in ast.walk(test)
    )


class _Names:
    """What the names of a source stand for."""

    def __init__(self, tree: ast.AST) -> None:
        self.bound: set[str] = set()
        self.star = False
        self._meant: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    self._bind(name.asname or name.name.split('.')[0], name.name if name.asname else None)
            elif isinstance(node, ast.ImportFrom):
                self.star |= node.names[0].name == '*'
                for name in node.names:
                    self._bind(name.asname or name.name, f'{node.module}.{name.name}')
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.bound.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.bound.add(node.name)
            elif isinstance(node, ast.arg):
                self.bound.add(node.arg)
        self.modules = {meant.split('.')[0] for meant in self._meant.values()}

    def _bind(self, name: str, meant: str | None) -> None:
        self.bound.add(name)
        self._meant[name] = meant or name

    def full(self, node: ast.expr) -> str:
        """Return the dotted name of what is imported, or nothing."""
        if isinstance(node, ast.Name):
            return self._meant.get(node.id, '')
        if isinstance(node, ast.Attribute):
            base = self.full(node.value)
            return base and f'{base}.{node.attr}'
        return ''


# Chainer 1

LINKS_AMONG_FUNCTIONS = frozenset(
    (
        'BatchNormalization BinaryHierarchicalSoftmax Bilinear Convolution2D Deconvolution2D '
        'DilatedConvolution2D EmbedID Inception InceptionBN Linear NegativeSampling Parameter PReLU'
    ).split()
)
"""What chainer.functions had besides functions, up to Chainer 1.24: what 1.4 called parameterized ones."""

_GONE = frozenset(
    (
        'FunctionSet Flag ON OFF AUTO flag function_set init_weight cuda.init functions.caffe '
        'functions.caffe.CaffeFunction initializers.init_weight'
    ).split()
)
_METHODS_OF_1 = frozenset(
    'accumulate_grads clip_grads collect_parameters copy_parameters_from weight_decay zero_grads'.split()
)
_OPTIONS = frozenset('bias deterministic use_cudnn wscale'.split())
# The functions that took `train`, with the number of arguments before it.
_TRAIN = {'dropout': 2, 'zoneout': 3, 'rrelu': 3}


def _chainer1(source: Source) -> Iterator[tuple[int, str]]:
    names = _Names(source.tree)
    if 'chainer' not in names.modules:
        return
    normalised = set(_attributes_of(source.tree, names, 'chainer.links.BatchNormalization'))
    for node in _unguarded(source.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'chainer':
            for name in node.names:
                if f'{node.module}.{name.name}'.removeprefix('chainer.') in _GONE:
                    yield node.lineno, f'imports {name.name} from {node.module}'
        elif isinstance(node, ast.Attribute):
            full = names.full(node).removeprefix('chainer.')
            if (names.full(node).startswith('chainer.') and full in _GONE) or (
                full.startswith('functions.') and full.removeprefix('functions.') in LINKS_AMONG_FUNCTIONS
            ):
                yield node.lineno, f'chainer.{full}'
        elif isinstance(node, ast.Call):
            sign = _call_of_1(node, names, normalised)
            if sign:
                yield node.lineno, sign


def _is_chainer2(source: Source) -> bool:
    """Whether a source uses what Chainer 1 did not have."""
    names = _Names(source.tree)
    return any(
        isinstance(node, ast.Attribute)
        and (node.attr == 'init_scope' or names.full(node) in ('chainer.config', 'chainer.using_config'))
        for node in _unguarded(source.tree)
    )


def _call_of_1(node: ast.Call, names: _Names, normalised: set[str]) -> str:
    full = names.full(node.func)
    options = {option.arg for option in node.keywords if option.arg}
    last = full.rpartition('.')[2]
    if full.startswith('chainer.'):
        trains = 'train' in options or len(node.args) > _TRAIN.get(last, 99)
        if full.startswith('chainer.functions.') and last in _TRAIN and trains:
            return f'{full}(train)'
        if full in ('chainer.Variable', 'chainer.variable.Variable') and (
            'volatile' in options or len(node.args) > 1
        ):
            return f'{full}(volatile)'
        if full.startswith(('chainer.functions.', 'chainer.links.')) and options & _OPTIONS:
            return f'{full}({min(options & _OPTIONS)})'
        if last in ('snapshot', 'snapshot_object') and 'trigger' in options:
            return f'{full}(trigger)'
    elif isinstance(node.func, ast.Attribute):
        name = node.func.attr
        if name in _METHODS_OF_1:
            return f'.{name}()'
        if name in normalised and ('test' in options or len(node.args) > 1):
            return f'.{name}(test)'
        if name == 'extend' and 'invoke_before_training' in options:
            return '.extend(invoke_before_training)'
    return ''


def _attributes_of(tree: ast.AST, names: _Names, link: str) -> Iterator[str]:
    """Yield the names of attributes that hold such a link: `self.bn = L.Link()` and `bn=L.Link()`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.keyword) or not isinstance(node.value, ast.Call):
            continue
        if names.full(node.value.func) == link:
            targets = node.targets if isinstance(node, ast.Assign) else []
            yield from (target.attr for target in targets if isinstance(target, ast.Attribute))
            if isinstance(node, ast.keyword) and node.arg:
                yield node.arg
