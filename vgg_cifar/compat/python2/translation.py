"""Python 2's sources as Python 3's syntax trees and code, on the user's own lines.

What is only spelt otherwise (print, exec, `except A, e`, backticks, 0777, 10L) is left to fissix, a kept fork
of lib2to3. What means something else is left to the running program, which knows the types: the code calls
the functions of `meaning` for it.
"""

import ast
import bisect
import codecs
import contextlib
import copy
import functools
import io
import re
import tokenize
import types
import warnings
from typing import Any

from vgg_cifar.compat.arrays import Arrays, call
from vgg_cifar.compat.python2.strings import binary, text

ATTRIBUTES = frozenset(
    'keys values items iterkeys itervalues iteritems viewkeys viewvalues viewitems has_key next sort message '
    'encode decode tostring xreadlines im_func im_self im_class func_name func_code func_defaults '
    'func_globals func_doc func_dict'.split()
)
"""Attributes that are gone or mean something else; `meaning.attribute` looks them up."""

# The fixers that change a spelling and nothing else. All others guess at types.
_FIXERS = 'except exec metaclass ne numliterals paren print raise repr throw tuple_params'.split()

# What the three grammars take for a statement: print and exec, exec, neither.
_GRAMMARS: tuple[dict[str, bool], ...] = ({}, {'print_function': True}, {'exec_function': True})

_ORDER = {ast.Lt: 'lt', ast.LtE: 'le', ast.Gt: 'gt', ast.GtE: 'ge'}


def parse(source: bytes, path: str) -> ast.Module:
    """Return Python 2's source as Python 3's tree, each node on the line of `source` that it comes from.

    Raises SyntaxError where it is not Python 2.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    lines = re.sub('\r\n?', '\n', source.decode(encoding)).rstrip() + '\n'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        tree = _respelt(lines, path)
        # Python 2's tabs reach to the next multiple of eight; no string has a line of its own any more.
        indented = re.sub('(?m)^[ \t]+', lambda space: space[0].expandtabs(8), str(tree))
        module = ast.parse(indented, path)
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


def _respelt(lines: str, path: str) -> Any:
    from fissix.pgen2.parse import ParseError
    from fissix.pgen2.tokenize import TokenError

    for grammar in _GRAMMARS:
        with contextlib.suppress(IndentationError, ParseError, TokenError):
            tree = _tool(**grammar).refactor_string(lines, path)
            _respell_strings(tree)
            return tree
    raise SyntaxError('neither Python 3 nor 2', (path, None, None, None))


@functools.cache
def _tool(**options: bool) -> Any:
    from fissix.pgen2 import driver, pgen

    # fissix keeps its grammars in a folder of its own making, and fails where it can't.
    driver.load_grammar = lambda path, *args, **kwargs: pgen.generate_grammar(path)
    from fissix.refactor import RefactoringTool

    return RefactoringTool([f'fissix.fixes.fix_{name}' for name in _FIXERS], options)


def _respell_strings(tree: Any) -> None:
    """Spell literals as Python 3 does, on one line, with the bytes in a str as `strings.text` has them."""
    for leaf in tree.leaves():
        literal = re.fullmatch(r'([a-zA-Z]*)(\'\'\'|"""|[\'"])(.*)\2', leaf.value, re.DOTALL)
        if not literal:
            continue
        prefix = literal[1].lower()
        data = binary(literal[3])
        if 'r' not in prefix:
            data = codecs.escape_decode(data)[0]
        if 'b' in prefix:
            leaf.value = repr(data)
        elif 'u' in prefix or 'unicode_literals' in tree.future_features:
            leaf.value = repr(ast.literal_eval(leaf.value.lstrip('uU')))
        else:
            leaf.value = repr(text(data))


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


class _Meanings(Arrays):
    """Calls a function of `meaning` wherever Python 2 means something else by the same spelling."""

    def __init__(self, tree: ast.Module) -> None:
        futures = [node.names for node in tree.body if getattr(node, 'module', None) == '__future__']  # type: ignore[attr-defined]
        self._true_division = any(name.name == 'division' for names in futures for name in names)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if self._true_division or not isinstance(node.op, ast.Div):
            return node
        return call('divide', node, node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        if self._true_division or not isinstance(node.op, ast.Div):
            return node
        target = copy.deepcopy(node.target)
        target.ctx = ast.Load()
        divided = call('divide_in_place', node, target, node.value)
        return ast.copy_location(ast.Assign([node.target], divided), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1 or type(node.ops[0]) not in _ORDER:
            return node
        order = ast.copy_location(ast.Constant(_ORDER[type(node.ops[0])]), node)
        return call('ordered', node, order, node.left, node.comparators[0])

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if node.attr not in ATTRIBUTES or not isinstance(node.ctx, ast.Load):
            return node
        return call('attribute', node, node.value, ast.copy_location(ast.Constant(node.attr), node))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return call('Bytes', node, node) if isinstance(node.value, bytes) else node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        """Raise the value itself in `raise kind, value, traceback` if it is of that kind."""
        self.generic_visit(node)
        match node.exc:
            case ast.Call(ast.Attribute(ast.Call(kind, [value]), 'with_traceback') as method):
                method.value = call('raised', node, kind, value)
        return node
