"""Syntax trees of Python functions, and which package each is from."""

import ast
import dataclasses
import functools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks import python_source
from rnnzoo.tasks.base import SPLITS
from rnnzoo.tasks.classes import ClassTask, class_spec
from rnnzoo.tasks.trees import Tree, example
from rnnzoo.tasks.vocabulary import vocabulary

SKIPPED = ("ctx", "type_comment", "kind", "type_ignores")


@dataclasses.dataclass(frozen=True)
class SyntaxOptions:
    """Options of syntax trees."""

    flat: bool = option(False, "read as a sequence, the tree's leaves: for models of sequences")
    nary: bool = option(False, "kinds inside the nodes, any number of children: for tree-lstm-childsum and tree-gru")
    longest: int = option(600, "nodes of the largest tree; larger ones are left out", minimum=3)
    vocabulary_size: int = option(5000, "most kinds and names to know; the rest become <unk>", minimum=1)
    min_count: int = option(2, "names seen less often in training become <unk>", minimum=1)
    batch_size: int = option(32, "trees a step", minimum=1, size="batch")


@TASKS.register("ast")
class Syntax(ClassTask):
    """Syntax trees: from which of eight packages of the standard library is a function?

    A node of the tree is its kind (`Call`, `If` ...), its names, and what stands below it; it leans to the left, two
    children a node, as ListOps does, so that every composition takes it. With `--nary` the kind stands inside the
    node, above as many children as there are; with `--flat` the tree is the sequence of its leaves. Files for the
    test are others than those for training; functions that stand in two files are left out.
    """

    origin, kind = "functions of the standard library", "trees"
    training_defaults = {"steps": 600, "learning_rate": 2e-3}

    def __init__(self, options: SyntaxOptions):
        if options.flat and options.nary:
            raise UserError("--flat reads a sequence, --nary a tree: give one of them")
        pieces = python_source.snippets(functions)
        trees = {s: [(read_python(text, options.nary), name) for text, name in pieces[s]] for s in SPLITS}
        trees = {s: [(t, name) for t, name in trees[s] if len(t.tokens) <= options.longest] for s in SPLITS}
        everything = [pair for s in SPLITS for pair in trees[s]]
        symbols = vocabulary(
            (filter(None, tree.tokens) for tree, _ in trees["train"]), options.vocabulary_size, options.min_count
        )
        labels = tuple(sorted({name for _, name in everything}))
        spec = class_spec(
            labels,
            ("accuracy", "macro_f1"),
            inputs="tokens" if options.flat else "tree",
            input_size=len(symbols),
            vocabulary=symbols,
            level="word",
            arity=0 if options.flat or options.nary else 2,
            inside=options.nary,
            syntax="brackets" if options.flat else "python",
        )
        examples = {
            s: [example(tree, symbols, np.int32(labels.index(name)), options.flat) for tree, name in trees[s]]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)

    def summary(self) -> str:
        return f"{super().summary()}; {self.spec.input_size:,} kinds and names"


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of the code that is read, not of what reads it
        return ast.parse(text)


def functions(text: str) -> list[str]:
    """The source of the functions and methods of a file; none if it cannot be parsed."""
    try:
        module = _parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    lines = text.split("\n")  # as the parser counts them: a form feed ends no line
    bodies = [module.body, *(node.body for node in module.body if isinstance(node, ast.ClassDef))]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for body in bodies for node in body if isinstance(node, kinds)]
    spans = (lines[node.lineno - 1 : node.end_lineno] for node in nodes)
    return [
        "\n".join([first.lstrip(), *rest]) for first, *rest in spans
    ]  # what follows is indented more, as it must be


def read_python(text: str, nary: bool = False) -> Tree:
    """The syntax tree of a statement, or of several: two children a node or, `nary`, as many as Python gives it.

    `nary` the kind of a node stands inside it; otherwise it is the first of its children, which lean to the left.

    Raises:
        UserError: what is no Python, with line and column.

    >>> [word for word in read_python("x = 1").tokens if word]
    ['Assign', 'Name', 'x', 'Constant', 'int']
    >>> read_python("x = 1", nary=True).tokens
    ['x', 'Name', 'int', 'Constant', 'Assign']
    """
    try:
        module = _parse(text)
    except SyntaxError as error:
        where = f"line {error.lineno}, column {error.offset}: " if error.lineno else ""
        raise UserError(f"{where}no Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"no Python that can be parsed: {str(error) or type(error).__name__}") from None
    if not module.body:
        raise UserError("column 1: no statement")
    tree = Tree([], [], [])

    def add(token: str, *children: int) -> int:
        tree.tokens.append(token)
        tree.children.append(children)
        tree.labels.append("")
        return len(tree.tokens) - 1

    opened: list[tuple[str, Iterator[Any], list[int]]] = []  # kind, what is still to come, children so far

    def enter(node: ast.AST) -> None:
        kind = type(node).__name__
        opened.append((kind, _parts(node), [] if nary else [add(kind)]))

    enter(module.body[0] if len(module.body) == 1 else module)
    while True:
        kind, parts, children = opened[-1]
        part = next(parts, None)
        if isinstance(part, str):
            children.append(add(part))
        elif part is not None:
            enter(part)
        else:
            opened.pop()
            made = add(kind, *children) if nary else functools.reduce(functools.partial(add, ""), children)
            if not opened:
                return tree
            opened[-1][2].append(made)


def _parts(node: ast.AST) -> Iterator[Any]:
    """The names of a node and the nodes below it, in their order."""
    if isinstance(node, ast.Constant):
        yield type(node.value).__name__
        return
    for name, field in ast.iter_fields(node):
        for value in field if isinstance(field, list) else [field]:
            if name not in SKIPPED and isinstance(value, str | ast.AST):
                yield value
