"""Syntax trees of Python source code."""

import ast
import functools
import warnings
from collections.abc import Iterator
from typing import Any

from rnnzoo.data.trees import Tree
from rnnzoo.errors import UserError

SKIPPED_FIELDS = ("ctx", "type_comment", "kind", "type_ignores")


def extract_functions(source: str) -> list[str]:
    """Returns the source of the functions and methods of a file; none if it cannot be parsed."""
    try:
        module = _parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    lines = source.split("\n")  # as the parser counts them: a form feed ends no line
    bodies = [module.body, *(node.body for node in module.body if isinstance(node, ast.ClassDef))]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for body in bodies for node in body if isinstance(node, kinds)]
    spans = (lines[node.lineno - 1 : node.end_lineno] for node in nodes)
    # only the first line is stripped, so that the body stays indented
    return ["\n".join([first.lstrip(), *rest]) for first, *rest in spans]


def parse_python(source: str, nary: bool = False) -> Tree:
    """Parses Python statements into a syntax tree.

    Args:
        source: one statement or several.
        nary: whether a node has its kind as token, and any number of children. False: the kind is the first child of
            the node, and the tree is binary and left-branching.

    Raises:
        UserError: the source is not valid Python; the message names line and column.

    >>> [word for word in parse_python("x = 1").tokens if word]
    ['Assign', 'Name', 'x', 'Constant', 'int']
    >>> parse_python("x = 1", nary=True).tokens
    ['x', 'Name', 'int', 'Constant', 'Assign']
    """
    try:
        module = _parse(source)
    except SyntaxError as error:
        where = f"line {error.lineno}, column {error.offset}: " if error.lineno else ""
        raise UserError(f"{where}invalid Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"the Python source cannot be parsed: {str(error) or type(error).__name__}") from None
    if not module.body:
        raise UserError("column 1: no statement")
    return _to_tree(module.body[0] if len(module.body) == 1 else module, nary)


def _to_tree(root: ast.AST, nary: bool) -> Tree:
    """Converts a syntax tree of Python, without recursion."""
    tree = Tree([], [], [])

    def add(token: str, *children: int) -> int:
        tree.tokens.append(token)
        tree.children.append(children)
        tree.labels.append("")
        return len(tree.tokens) - 1

    stack: list[tuple[str, Iterator[Any], list[int]]] = []  # kind, remaining fields, children so far

    def push(node: ast.AST) -> None:
        kind = type(node).__name__
        stack.append((kind, _fields(node), [] if nary else [add(kind)]))

    push(root)
    while True:
        kind, fields, children = stack[-1]
        field = next(fields, None)
        if isinstance(field, str):
            children.append(add(field))
        elif field is not None:
            push(field)
        else:
            stack.pop()
            node = add(kind, *children) if nary else functools.reduce(functools.partial(add, ""), children)
            if not stack:
                return tree
            stack[-1][2].append(node)


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # about the parsed code
        return ast.parse(source)


def _fields(node: ast.AST) -> Iterator[Any]:
    """Yields the names in a node and the nodes below it, in their order."""
    if isinstance(node, ast.Constant):
        yield type(node.value).__name__
        return
    for name, field in ast.iter_fields(node):
        for value in field if isinstance(field, list) else [field]:
            if name not in SKIPPED_FIELDS and isinstance(value, str | ast.AST):
                yield value
