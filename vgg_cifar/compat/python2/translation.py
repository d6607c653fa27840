"""Python 2's sources as Python 3's syntax trees and code, on the user's own lines.

What is only spelt otherwise (print, exec, `except A, e`, backticks, 0777, 10L) is left to fissix, a kept fork
of lib2to3. What means something else is left to the running program, which knows the types: the code calls
the functions of `meaning` for it.
"""

import ast
import bisect
import functools
import hashlib
import importlib.util
import io
import marshal
import os
import re
import tokenize
import types
import warnings
from pathlib import Path
from typing import Any

from vgg_cifar import atomic
from vgg_cifar.cache import cache_folder
from vgg_cifar.compat.python2.strings import text

CALL = 'python2.{}'
"""How the code calls a function of `meaning`: by a name that no source can spell."""

ATTRIBUTES = frozenset(
    'keys values items iterkeys itervalues iteritems viewkeys viewvalues viewitems has_key next sort message '
    'encode decode tostring xreadlines im_func im_self im_class func_name func_code func_defaults '
    'func_globals func_doc func_dict get'.split()
)
"""Attributes that are gone or mean something else; `meaning.attribute` looks them up."""

# The fixers that change a spelling and nothing else. All others guess at types.
_FIXERS = 'except exec ne numliterals paren print raise repr throw tuple_params'.split()

# What the three grammars take for a statement: print and exec, exec, neither.
_GRAMMARS: tuple[dict[str, bool], ...] = ({}, {'print_function': True}, {'exec_function': True})

_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def parse(source: bytes, path: str) -> ast.Module:
    """Return Python 2's source as Python 3's tree, each node on the line of `source` that it comes from.

    Raises SyntaxError where it is not Python 2.
    """
    tree = _respelt(_text(source), path)
    translated = str(tree)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            module = ast.parse(translated, path)
        except TabError:
            module = ast.parse(_without_tabs(translated), path)
    new, old = _lines(tree)
    node: Any
    for node in ast.walk(module):
        if hasattr(node, 'lineno'):
            last = bisect.bisect_right(new, node.lineno) - 1
            node.lineno = node.end_lineno = old[last] + node.lineno - new[last]
            # The columns are another text's: better none.
            node.col_offset = node.end_col_offset = -1
    return module


def translated(source: bytes, path: str, mode: str = 'exec') -> types.CodeType:
    """Return the code of Python 2's source, or for the mode 'eval' of an expression.

    It needs `meaning.BUILTINS` as its globals' __builtins__. Raises SyntaxError as `parse` does.
    """
    tree: Any = parse(source, path)
    tree = ast.fix_missing_locations(_Meanings(tree).visit(tree))
    if mode == 'eval':
        tree = ast.Expression(tree.body[0].value)
    return compile(tree, path, mode, dont_inherit=True)


def compiled(source: bytes, path: str) -> types.CodeType:
    """Return what `translated` does, from the cache where it was translated before."""
    key = hashlib.sha256(b'\0'.join((_translator(), os.fsencode(path), source))).digest()
    cache = cache_folder() / 'python2' / hashlib.sha256(os.fsencode(path)).hexdigest()
    try:
        found = cache.read_bytes()
    except OSError:
        found = b''
    if found.startswith(key):
        return marshal.loads(found[len(key) :])
    code = translated(source, path)
    try:
        with atomic.replacing(cache) as partial:
            partial.write_bytes(key + marshal.dumps(code))
    except OSError:
        # Where nothing can be kept, the next run translates again.
        pass
    return code


@functools.cache
def _translator() -> bytes:
    """What a cached translation depends on besides its source."""
    return importlib.util.MAGIC_NUMBER + Path(__file__).read_bytes()


def _text(source: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return re.sub('\r\n?', '\n', source.decode(encoding)).rstrip() + '\n'


def _respelt(text: str, path: str) -> Any:
    from fissix.pgen2.parse import ParseError
    from fissix.pgen2.tokenize import TokenError

    first: SyntaxError | None = None
    for grammar in _GRAMMARS:
        try:
            return _tool(**grammar).refactor_string(text, path)
        except IndentationError as error:
            first = first or SyntaxError(error.msg, (path, error.args[1][1], None, None))
        except (ParseError, TokenError) as error:
            line = error.context[1][0] if isinstance(error, ParseError) else error.args[1][0]
            shown = text.splitlines()[line - 1 : line]
            first = first or SyntaxError('invalid syntax', (path, line, None, shown[0] if shown else None))
    assert first is not None
    raise first


@functools.cache
def _tool(**options: bool) -> Any:
    from fissix.pgen2 import driver, pgen

    # fissix keeps its grammars in a folder of its own making, and fails where it can't.
    driver.load_grammar = lambda path, *args, **kwargs: pgen.generate_grammar(path)
    from fissix.refactor import RefactoringTool

    class Tool(RefactoringTool):
        def refactor_tree(self, tree: Any, name: str) -> bool:
            _respell_strings(tree, 'unicode_literals' in tree.future_features)
            return super().refactor_tree(tree, name)

    return Tool([f'fissix.fixes.fix_{name}' for name in _FIXERS], options)


def _respell_strings(tree: Any, unicode_literals: bool) -> None:
    """Spell literals as Python 3 has them, and the bytes in a str as `strings.text` has them."""
    for leaf in tree.leaves():
        quoted = re.fullmatch(r'([a-zA-Z]*)([\'"].*)', leaf.value, re.DOTALL)
        if quoted:
            prefix, literal = quoted[1].lower(), quoted[2]
            if not (prefix or unicode_literals):
                literal = _ESCAPES.sub(_escape, literal)
            leaf.value = prefix.replace('u', '') + literal


_BYTE = r'\\(?:x[89a-fA-F][0-9a-fA-F]|[23][0-7]{2})'
_ESCAPES = re.compile(rf'(?:{_BYTE})+|\\.', re.DOTALL)


def _escape(found: re.Match) -> str:
    """Return what escapes in a str of Python 2 are in one of Python 3."""
    escaped = found[0]
    if re.fullmatch(r'\\[uUN]', escaped):
        return '\\' + escaped
    if len(escaped) == 2:
        return escaped
    values = [part[1:] for part in re.findall(_BYTE, escaped)]
    data = bytes(int(part[1:], 16) if part[0] == 'x' else int(part, 8) for part in values)
    return ''.join(rf'\U{ord(character):08x}' for character in text(data))


def _lines(tree: Any) -> tuple[list[int], list[int]]:
    """Return lines of the translated text, in order, and the lines of the source that they come from."""
    new, old = [1], [1]
    line = 1
    for leaf in tree.leaves():
        line += leaf.prefix.count('\n')
        if leaf.lineno and line > new[-1]:
            new.append(line)
            old.append(leaf.lineno)
        line += leaf.value.count('\n')
    return new, old


def _without_tabs(text: str) -> str:
    """Indent by spaces, a tab reaching to the next multiple of eight; leave strings as they are."""
    from fissix.pgen2 import token
    from fissix.pgen2.tokenize import generate_tokens

    inside: set[int] = set()
    for kind, _, (start, _), (end, _), _ in generate_tokens(io.StringIO(text).readline):
        if kind == token.STRING:
            inside.update(range(start + 1, end + 1))
    lines = text.split('\n')
    for number, line in enumerate(lines, 1):
        if number not in inside:
            code = line.lstrip(' \t\f')
            lines[number - 1] = line[: len(line) - len(code)].expandtabs(8) + code
    return '\n'.join(lines)


class _Meanings(ast.NodeTransformer):
    """Calls a function of `meaning` wherever Python 2 means something else by the same spelling."""

    def __init__(self, tree: ast.Module) -> None:
        futures = [node.names for node in tree.body if getattr(node, 'module', None) == '__future__']  # type: ignore[attr-defined]
        self._true_division = any(name.name == 'division' for names in futures for name in names)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if self._true_division or not isinstance(node.op, ast.Div):
            return node
        return _call('divide', node, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        target = node.target
        if self._true_division or not isinstance(node.op, ast.Div):
            return node
        if isinstance(target, ast.Name):
            loaded = ast.copy_location(ast.Name(target.id, ast.Load()), node)
            assign = ast.Assign([target], _call('divide_in_place', node, loaded, node.value))
            return ast.copy_location(assign, node)
        kind, where = (
            ('attribute', ast.Constant(target.attr))
            if isinstance(target, ast.Attribute)
            else ('item', _index(target.slice))
        )
        call = _call(f'divide_{kind}', node, target.value, ast.copy_location(where, node), node.value)
        return ast.copy_location(ast.Expr(call), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        for i, operator in enumerate(node.ops):
            if isinstance(operator, _ORDER) and (not i or isinstance(node.ops[i - 1], _ORDER)):
                operands[i] = _call('ordered', node, operands[i])
        node.left, *node.comparators = operands
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if node.attr not in ATTRIBUTES or not isinstance(node.ctx, ast.Load):
            return node
        return _call('attribute', node, node.value, ast.copy_location(ast.Constant(node.attr), node))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _call('Bytes', node, node) if isinstance(node.value, bytes) else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        is_number = isinstance(node.func, ast.Name) and node.func.id in ('float', 'int', 'long')
        if not is_number or len(node.args) != 1 or isinstance(node.args[0], ast.Starred):
            return node
        return _call('number', node, node.func, node.args[0])

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        """Raise the value itself in `raise kind, value, traceback` if it is of that kind."""
        self.generic_visit(node)
        match node.exc:
            case ast.Call(ast.Attribute(ast.Call(kind, [value]), 'with_traceback') as method):
                method.value = _call('raised', node, kind, value)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        """Keep the exception's name after the handler."""
        self.generic_visit(node)
        if node.name:
            caught, node.name = node.name, CALL.format('caught')
            value = ast.Name(node.name, ast.Load())
            node.body.insert(0, ast.copy_location(ast.Assign([ast.Name(caught, ast.Store())], value), node))
        return node


def _index(node: ast.expr) -> ast.expr:
    """Return what stands between brackets as an expression."""
    if isinstance(node, ast.Tuple):
        return ast.Tuple([_index(element) for element in node.elts], ast.Load())
    if isinstance(node, ast.Slice):
        parts = [part or ast.Constant(None) for part in (node.lower, node.upper, node.step)]
        return ast.Call(ast.Name('slice', ast.Load()), parts, [])
    return node


def _call(function: str, node: ast.AST, *arguments: ast.expr) -> ast.expr:
    name = ast.Name(CALL.format(function), ast.Load())
    return ast.copy_location(ast.Call(name, list(arguments), []), node)
