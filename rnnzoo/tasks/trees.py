"""Trees as flat arrays, their text, and what tasks of trees share."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.errors import UserError
from rnnzoo.spec import PAD
from rnnzoo.tasks.stored import Example
from rnnzoo.tasks.vocabulary import ids_of

PARENT, PLACE, LEVEL = range(3)  # of a structure


class Tree(NamedTuple):
    """Nodes in an order in which children come before their parents, so the root is the last.

    `tokens` are empty at nodes without one, `children` the numbers of each node's children from left to
    right, `labels` what the text says of a node, or empty.
    """

    tokens: list[str]
    children: list[tuple[int, ...]]
    labels: list[str]


def structure(children: Sequence[Sequence[int]]) -> np.ndarray:
    """The array `[nodes, 3]` of parent, place and level that `rnnzoo.layers.Recursive` reads.

    `children[i]` are the numbers of node i's children, counted from 0 and all smaller than i.

    >>> structure([(), (), (0, 1)]).tolist()
    [[3, 0, 1], [3, 1, 1], [0, 0, 2]]
    """
    found = np.zeros((len(children), 3), "int32")
    found[:, 2] = 1
    for number, below in enumerate(children):
        for place, child in enumerate(below):
            found[child, :2] = number + 1, place
            found[number, 2] = max(found[number, 2], found[child, 2] + 1)
    return found


def arrays(trees: Sequence[Tree]) -> dict[str, np.ndarray]:
    """Trees as an exported model reads them: token, parent, place and level, each `[n, nodes]`."""
    longest = max(len(tree.tokens) for tree in trees)
    token = np.array([tree.tokens + [""] * (longest - len(tree.tokens)) for tree in trees], dtype=object)
    found = np.zeros((*token.shape, 3), "int32")
    for row, tree in enumerate(trees):
        found[row, : len(tree.tokens)] = structure(tree.children)
    return {"token": token, **{name: found[..., i] for i, name in enumerate(("parent", "place", "level"))}}


def parse(text: str, labelled: bool = False, bare_words: bool = True) -> Tree:
    """Reads an s-expression: `( a ( b c ) )`, or with labels `(3 (2 a) (4 b))`.

    Brackets are signs of their own, everything else between spaces or brackets is a token. `labelled` takes what
    follows an opening bracket as the node's label; `(2 a)` is then a leaf of its own, and so is `(a)` without
    labels unless `bare_words`. Nodes without a token may have any number of children.

    Raises:
        UserError: brackets that do not match, nothing between them, or more than one tree, with the column.

    >>> parse("( a ( b c ) )").children
    [(), (), (), (1, 2), (0, 3)]
    """
    tree = Tree([], [], [])
    opened: list[tuple[int, str, list[int]]] = []  # column, label, children so far
    roots: list[int] = []

    def add(token: str, children: tuple[int, ...], label: str) -> None:
        number = len(tree.tokens)
        tree.tokens.append(token)
        tree.children.append(children)
        tree.labels.append(label)
        (opened[-1][2] if opened else roots).append(number)

    expect_label = False
    for column, word in _words(text):
        if expect_label and word in "()":
            raise UserError(f"column {column}: a label must follow the opening bracket, not '{word}'")
        if expect_label:
            opened[-1] = (opened[-1][0], word, [])
            expect_label = False
        elif word == "(":
            opened.append((column, "", []))
            expect_label = labelled
        elif word == ")":
            if not opened:
                raise UserError(f"column {column}: a closing bracket that nothing opened")
            start, label, below = opened.pop()
            if not below:
                raise UserError(f"column {column}: nothing between these brackets (opened in column {start})")
            if (labelled or not bare_words) and len(below) == 1 and tree.tokens[below[0]] and not tree.labels[below[0]]:
                tree.labels[below[0]] = label  # (2 word): the label is the leaf's
                (opened[-1][2] if opened else roots).append(below[0])
            else:
                add("", tuple(below), label)
        else:
            add(word, (), "")
        if len(roots) > 1 or (roots and opened):
            raise UserError(f"column {column}: a second tree, or words behind the first; a line holds one")
    if opened:
        raise UserError(f"column {opened[-1][0]}: a bracket that is never closed")
    if not roots:
        raise UserError("column 1: no tree")
    return tree


def show(tree: Tree) -> str:
    """A tree with labels as `parse(..., labelled=True)` reads it.

    >>> show(parse("(3 (2 It) (4 (2 's) (3 good)))", labelled=True))
    "(3 (2 It) (4 (2 's) (3 good)))"
    """
    texts: list[str] = []
    for token, below, label in zip(*tree, strict=True):
        inside = " ".join([token] * bool(token) + [texts[child] for child in below])
        texts.append(f"({label} {inside})")
    return texts[-1]


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Brackets and tokens, each with its column, the first being 1."""
    return ((match.start() + 1, match[0]) for match in re.finditer(r"[()]|[^()\s]+", text))


def example(tree: Tree, symbols: tuple[str, ...], targets: Any, flat: bool = False) -> Example:
    """A tree as `[nodes, 4]` (token, parent, place, level), or `flat` as the ids of its tokens from left to right."""
    token = np.where([bool(t) for t in tree.tokens], ids_of(tree.tokens, symbols), PAD)
    if flat:
        return Example(token[token != PAD], targets)
    return Example(np.concatenate([token[:, None], structure(tree.children)], 1), targets)
