"""What arrays could once, for sources of Python 2 and Chainer 1, and for --cpu: their classes take no patch.

`float(x)` and `int(x)` of an array with one element in brackets, which NumPy 2.4 refuses; `x.tostring()`,
which 2.3 dropped; and `x.get()` where NumPy stands in for CuPy.
"""

import ast
import builtins
import types
from collections.abc import Callable
from typing import Any

CALL = 'vgg_cifar.{}'
"""How the code of a source calls a function of ours: by a name that no source can spell."""


def number(kind: Callable, value: Any) -> Any:
    return kind(value.item() if getattr(value, 'size', 0) == 1 and hasattr(value, 'item') else value)


def tostring(value: Any) -> Any:
    return value.tostring() if hasattr(value, 'tostring') else value.tobytes()


def get(value: Any) -> Any:
    return value.copy() if hasattr(value, 'itemsize') and not hasattr(value, 'get') else value.get()


for _function in (number, tostring, get):
    setattr(builtins, CALL.format(_function.__name__), _function)


class Arrays(ast.NodeTransformer):
    """Calls them in the place of what they stand for."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name('float' | 'int' | 'long'), [value], []) if not isinstance(
                value, ast.Starred
            ):
                return call('number', node, node.func, value)
            case ast.Call(ast.Attribute(of, ('tostring' | 'get') as name), [], []):
                return call(name, node, of)
        return node


def call(function: str, node: ast.AST, *arguments: ast.expr) -> ast.expr:
    """Return the call of a function of ours in the place of a node."""
    name = ast.copy_location(ast.Name(CALL.format(function), ast.Load()), node)
    return ast.copy_location(ast.Call(name, list(arguments), []), node)


def compiled(source: bytes, path: str) -> types.CodeType:
    """Return the code of Python 3's source."""
    return compile(Arrays().visit(ast.parse(source, path)), path, 'exec', dont_inherit=True)
