"""Trees: parsing of s-expressions, and conversion to the input arrays of models."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.bucketing import Example
from rnnzoo.data.vocabulary import encode
from rnnzoo.errors import UserError
from rnnzoo.spec import PAD

PARENT, CHILD_INDEX, LEVEL = range(3)  # columns of a structure
COLUMNS = ("parent", "child_index", "level")


class Tree(NamedTuple):
    """The nodes of a tree in topological order: children before their parents, the root last.

    Attributes:
        tokens: the token of each node, empty at nodes without one.
        children: the indices of each node's children, from left to right.
        labels: the label of each node, empty at nodes without one.
    """

    tokens: list[str]
    children: list[tuple[int, ...]]
    labels: list[str]


def tree_structure(children: Sequence[Sequence[int]]) -> np.ndarray:
    """Returns the structure `[nodes, 3]` of a tree (parent, child index, level) for `rnnzoo.layers.Recursive`.

    Args:
        children: for each node the indices of its children, counted from 0 and smaller than its own.

    >>> tree_structure([(), (), (0, 1)]).tolist()
    [[3, 0, 1], [3, 1, 1], [0, 0, 2]]
    """
    structure = np.zeros((len(children), 3), "int32")
    structure[:, LEVEL] = 1
    for node, node_children in enumerate(children):
        for child_index, child in enumerate(node_children):
            structure[child, :2] = node + 1, child_index
            structure[node, LEVEL] = max(structure[node, LEVEL], structure[child, LEVEL] + 1)
    return structure


def trees_to_arrays(trees: Sequence[Tree]) -> dict[str, np.ndarray]:
    """Converts trees to the inputs of an exported model: token, parent, child index and level, each `[n, nodes]`."""
    max_nodes = max(len(tree.tokens) for tree in trees)
    token = np.array([tree.tokens + [""] * (max_nodes - len(tree.tokens)) for tree in trees], dtype=object)
    structures = np.zeros((*token.shape, 3), "int32")
    for row, tree in enumerate(trees):
        structures[row, : len(tree.tokens)] = tree_structure(tree.children)
    return {"token": token, **{name: structures[..., i] for i, name in enumerate(COLUMNS)}}


def parse_tree(text: str, labelled: bool = False, bare_words: bool = True) -> Tree:
    """Parses an s-expression: `( a ( b c ) )`, or with labels `(3 (2 a) (4 b))`.

    Parentheses separate tokens, as spaces do. Nodes without a token may have any number of children.

    Args:
        text: one tree.
        labelled: whether a label follows each opening parenthesis; `(2 a)` is then a leaf with label 2.
        bare_words: without labels, whether `(a)` is a node above the leaf `a`. False: it is the leaf itself.

    Raises:
        UserError: unbalanced or empty parentheses, or more than one tree; the message names the column.

    >>> parse_tree("( a ( b c ) )").children
    [(), (), (), (1, 2), (0, 3)]
    """
    parser = _TreeParser(labelled, bare_words)
    for match in re.finditer(r"[()]|[^()\s]+", text):
        parser.read(match.start() + 1, match[0])
    return parser.finish()


class _TreeParser:
    """State of the parser: the tree so far and the open parentheses."""

    def __init__(self, labelled: bool, bare_words: bool):
        self.tree = Tree([], [], [])
        self.labelled, self.bare_words = labelled, bare_words
        self.open: list[tuple[int, str, list[int]]] = []  # column, label, children so far
        self.roots: list[int] = []
        self.expects_label = False

    def read(self, column: int, word: str) -> None:
        """Reads a parenthesis, a label or a token. Raises `UserError` if it is out of place."""
        if self.expects_label and word in "()":
            raise UserError(f"column {column}: a label must follow the opening parenthesis, got '{word}'")
        if self.expects_label:
            self.open[-1] = (self.open[-1][0], word, [])
            self.expects_label = False
        elif word == "(":
            self.open.append((column, "", []))
            self.expects_label = self.labelled
        elif word == ")":
            self._close(column)
        else:
            self._attach(self._add(word, (), ""))
        if len(self.roots) > 1 or (self.roots and self.open):
            raise UserError(f"column {column}: a second tree, or words after the first; a line holds one tree")

    def finish(self) -> Tree:
        """Returns the tree. Raises `UserError` if it is not complete."""
        if self.open:
            raise UserError(f"column {self.open[-1][0]}: an opening parenthesis that is never closed")
        if not self.roots:
            raise UserError("column 1: no tree")
        return self.tree

    def _close(self, column: int) -> None:
        if not self.open:
            raise UserError(f"column {column}: a closing parenthesis that was never opened")
        start, label, children = self.open.pop()
        if not children:
            raise UserError(f"column {column}: nothing between these parentheses (opened in column {start})")
        tree, child = self.tree, children[0]
        is_leaf = len(children) == 1 and bool(tree.tokens[child]) and not tree.labels[child]
        if is_leaf and (self.labelled or not self.bare_words):
            tree.labels[child] = label  # (2 word): the label belongs to the leaf
            self._attach(child)
        else:
            self._attach(self._add("", tuple(children), label))

    def _add(self, token: str, children: tuple[int, ...], label: str) -> int:
        self.tree.tokens.append(token)
        self.tree.children.append(children)
        self.tree.labels.append(label)
        return len(self.tree.tokens) - 1

    def _attach(self, node: int) -> None:
        (self.open[-1][2] if self.open else self.roots).append(node)


def format_tree(tree: Tree) -> str:
    """Formats a labelled tree as `parse_tree(..., labelled=True)` reads it.

    >>> format_tree(parse_tree("(3 (2 It) (4 (2 's) (3 good)))", labelled=True))
    "(3 (2 It) (4 (2 's) (3 good)))"
    """
    texts: list[str] = []
    for token, children, label in zip(*tree, strict=True):
        content = " ".join([token] * bool(token) + [texts[child] for child in children])
        texts.append(f"({label} {content})")
    return texts[-1]


def tree_to_example(tree: Tree, vocabulary: tuple[str, ...], targets: Any, flat: bool = False) -> Example:
    """Converts a tree to an `Example` of `[nodes, 4]` (token id and structure), or `flat` of the ids of its tokens."""
    token = np.where([bool(t) for t in tree.tokens], encode(tree.tokens, vocabulary), PAD)
    if flat:
        return Example(token[token != PAD], targets)
    return Example(np.concatenate([token[:, None], tree_structure(tree.children)], 1), targets)
