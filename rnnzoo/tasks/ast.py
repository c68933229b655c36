"""The task `ast`: classify the syntax trees of Python functions."""

import dataclasses

import numpy as np

from rnnzoo.config import option
from rnnzoo.data import python_source
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.python_trees import extract_functions, parse_python
from rnnzoo.data.trees import tree_to_example
from rnnzoo.data.vocabulary import build_vocabulary
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks.base import ClassificationTask, classification_spec


@dataclasses.dataclass(frozen=True)
class SyntaxTreeOptions:
    """Options of the task `ast`."""

    flat: bool = option(False, "sequences of the leaves instead of trees, for sequence models")
    nary: bool = option(
        False, "node kinds as tokens of inner nodes, any number of children; for tree-lstm-childsum and tree-gru"
    )
    max_length: int = option(600, "nodes in the largest tree; larger ones are dropped", minimum=3)
    vocabulary_size: int = option(5000, "size of the vocabulary; other tokens become <unk>", minimum=1)
    min_count: int = option(2, "tokens with fewer occurrences in training become <unk>", minimum=1)
    batch_size: int = option(32, "trees in a batch", minimum=1, size="batch")


@TASKS.register("ast")
class SyntaxTreeClassification(ClassificationTask):
    """Syntax trees: classify a Python function by the standard-library package it comes from.

    There are eight packages. The tokens of a tree are the kinds of its nodes (`Call`, `If`, ...) and its names. By
    default the trees are binary and left-branching, so that every composition can process them. With `--nary`, the
    kind is the token of an inner node with any number of children; with `--flat`, the tree is the sequence of its
    leaves. Test functions come from other files than training functions; functions that occur twice are dropped.
    """

    origin, example_name = "functions of the standard library", "trees"
    training_defaults = {"steps": 600, "learning_rate": 2e-3}

    def __init__(self, options: SyntaxTreeOptions):
        if options.flat and options.nary:
            raise UserError("--flat makes sequences and --nary makes trees; give only one of them")
        functions = python_source.read_snippets(extract_functions)
        trees = {s: [(parse_python(text, options.nary), label) for text, label in functions[s]] for s in SPLITS}
        trees = {s: [(t, label) for t, label in trees[s] if len(t.tokens) <= options.max_length] for s in SPLITS}
        vocabulary = build_vocabulary(
            (filter(None, tree.tokens) for tree, _ in trees["train"]), options.vocabulary_size, options.min_count
        )
        labels = tuple(sorted({label for s in SPLITS for _, label in trees[s]}))
        spec = classification_spec(
            labels,
            ("accuracy", "macro_f1"),
            inputs="tokens" if options.flat else "tree",
            input_size=len(vocabulary),
            vocabulary=vocabulary,
            level="word",
            arity=0 if options.flat or options.nary else 2,
            inner_tokens=options.nary,
            syntax="brackets" if options.flat else "python",
        )
        examples = {
            s: [tree_to_example(t, vocabulary, np.int32(labels.index(name)), options.flat) for t, name in trees[s]]
            for s in SPLITS
        }
        super().__init__(options, examples, spec)

    def summary(self) -> str:
        return f"{super().summary()}; vocabulary of {self.spec.input_size:,}"
