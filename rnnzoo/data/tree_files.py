"""Trees, encoded: the tokens, labels and structure of each as numbers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.bucketing import Example
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.splits import Part
from rnnzoo.data.token_ids import Symbols
from rnnzoo.data.trees import Tree, tree_structure
from rnnzoo.data.vocabulary import map_symbols
from rnnzoo.spec import PAD


class TreeWriter:
    """Writes trees as the arrays `tokens` (0: none), `structure` and `labels` of their nodes.

    `roots` holds the label of each root.
    """

    def __init__(self, writer: ArrayWriter):
        self._writer = writer
        self._tokens, self._labels = Symbols({"": 0}), Symbols({"": 0})

    def write(self, trees: Iterable[Tree], **facts: Any) -> dict[str, Any]:
        """Writes trees, and returns facts about them: the largest number of children is the `arity`."""
        count = arity = 0
        for tree in trees:
            tokens, labels = self._tokens.encode(tree.tokens), self._labels.encode(tree.labels)
            structure = tree_structure(tree.children)
            length = np.array([len(tokens)])
            self._writer.extend_sequences("tokens", tokens, length)
            self._writer.extend_sequences("labels", labels, length)
            self._writer.extend_sequences("structure", structure, length)
            self._writer.extend("roots", labels[-1:])
            arity = max(arity, max(map(len, tree.children)))
            count += 1
        self._writer.extend_strings("tokens.symbols", self._tokens)
        self._writer.extend_strings("labels.symbols", self._labels)
        return {"count": count, "arity": arity, **facts}


class TreeReader:
    """The trees of a file in a vocabulary.

    Args:
        arrays: the arrays of a `TreeWriter`.
        vocabulary: the vocabulary of the tokens.
    """

    def __init__(self, arrays: ArrayFolder, vocabulary: tuple[str, ...]):
        self._tokens, self._structure = arrays.sequences("tokens"), arrays.sequences("structure")
        self._map = map_symbols(arrays.strings("tokens.symbols"), vocabulary)

    def nodes(self, i: int) -> np.ndarray:
        """Returns the token id and the structure of each node of a tree, `[nodes, 4]`."""
        return np.concatenate([self.tokens(i)[:, None], self._structure[i]], 1)

    def tokens(self, i: int) -> np.ndarray:
        """Returns the token id of each node of a tree, PAD at nodes without a token."""
        numbers = self._tokens[i]
        return np.where(numbers == 0, PAD, self._map(numbers)).astype("int32")


class LabelledTreeReader:
    """The trees of a file as examples.

    Args:
        arrays: the arrays of a `TreeWriter`.
        vocabulary: the vocabulary of the tokens.
        classes: the class of each label.
        all_nodes: whether the targets are those of all nodes, or that of the root.
    """

    def __init__(self, arrays: ArrayFolder, vocabulary: tuple[str, ...], classes: Mapping[str, int], all_nodes: bool):
        self._trees, self._labels = TreeReader(arrays, vocabulary), arrays.sequences("labels")
        self._label_classes, self._classes = classes, _find_classes(arrays, classes)
        self._all_nodes = all_nodes

    def __call__(self, i: int) -> Example:
        """Returns the nodes of a tree, `[nodes, 4]`, and the class of each of them or of the root."""
        targets = self._classes[self._labels[i]]
        return Example(self._trees.nodes(i), targets if self._all_nodes else targets[-1])

    def targets(self, part: Part) -> Iterator[np.ndarray]:
        """Yields the targets of the trees of a split, some at a time."""
        if self._all_nodes:
            return (self._classes[labels] for (labels,) in part.blocks("labels"))
        return iter([find_roots(part, self._label_classes)])


def find_roots(part: Part, classes: Mapping[str, int]) -> np.ndarray:
    """Returns the class of the root of each tree of a split."""
    return _find_classes(part.arrays, classes)[part.arrays.array("roots")[:][part.index]]


def _find_classes(arrays: ArrayFolder, classes: Mapping[str, int]) -> np.ndarray:
    return np.array([classes[label] for label in arrays.strings("labels.symbols")], "int32")
