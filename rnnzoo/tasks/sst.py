"""Sentiment of phrases: parsed sentences with a label on every node (the Stanford Sentiment Treebank's format)."""

import dataclasses
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.tasks import table, vectors
from rnnzoo.tasks.base import SPLITS, Batch
from rnnzoo.tasks.classes import class_spec
from rnnzoo.tasks.stored import FileOptions, StoredTask, from_files
from rnnzoo.tasks.trees import LEVEL, Tree, example, parse
from rnnzoo.tasks.vocabulary import check_known, vocabulary

NEUTRAL, SIDES = "2", {"0": "negative", "1": "negative", "3": "positive", "4": "positive"}
IGNORED = -1  # the target of a node without a label


@dataclasses.dataclass(frozen=True)
class SstOptions(FileOptions):
    """Options of labelled trees."""

    data: str | None = option(None, "file of trees, one a line: (3 (2 It) (4 (2 's) (3 good)))")
    binary: bool = option(False, "negative (0, 1) or positive (3, 4) only: what is neutral (2) is left out")
    all_nodes: bool = option(True, "learn from the label of every node, not of the root alone")
    lower: bool = option(False, "read words in lower case")
    vocabulary_size: int = option(20_000, "most words to know; the rest become <unk>", minimum=1)
    vectors: str | None = option(None, "file of word vectors, a word and its numbers a line (GloVe), to begin with")
    min_count: int = option(1, "words seen less often in training become <unk>", minimum=1)


@TASKS.register("sst")
class Sst(StoredTask):
    """Labelled trees, one a line, in brackets: what does the sentence say, and each of its phrases?

    `(3 (2 It) (4 (2 's) (3 good)))`: behind an opening bracket the label of what it encloses, a word or more trees;
    the labels are five grades or, with `--binary`, two. The loss is of every labelled node; the accuracy that
    of whole sentences. With `--noall_nodes` only the root counts. With `--vectors` the embedding of the words that
    the file knows begins there, and learns on.

    Socher, Perelygin, Wu, Chuang, Manning, Ng & Potts (2013), Recursive deep models for semantic
    compositionality over a sentiment treebank, EMNLP.
    """

    training_defaults = {"steps": 2000, "learning_rate": 1e-3}

    def __init__(self, options: SstOptions):
        if not options.data:
            raise UserError(
                "--data is missing: a file of labelled trees, one a line, such as train.txt of the treebank"
            )
        trees = from_files(options, lambda path: _read(path, options))
        words = (filter(None, tree.tokens) for tree in trees["train"])
        symbols = vocabulary(words, options.vocabulary_size, options.min_count)
        check_known(symbols, options.min_count)
        labels = tuple(sorted({label for tree in trees["train"] for label in tree.labels if label}))
        if len(labels) < 2:
            raise UserError(f"--data: two labels or more are needed, and there are {', '.join(labels) or 'none'}")
        for split in SPLITS[1:]:
            unknown = {label for tree in trees[split] for label in tree.labels if label} - set(labels)
            if unknown:
                raise UserError(
                    f"{split}: the labels {', '.join(sorted(unknown))} are not in the training part, which has "
                    f"{', '.join(labels)}"
                )
        spec = class_spec(
            labels,
            inputs="tree",
            per_step=options.all_nodes,
            input_size=len(symbols),
            vocabulary=symbols,
            level="word",
            lowercase=options.lower,
            syntax="labelled",
            arity=max(len(below) for s in SPLITS for tree in trees[s] for below in tree.children),
        )
        classes = {"": IGNORED} | {name: i for i, name in enumerate(labels)}

        def made(tree: Tree):
            targets = np.array([classes[label] for label in tree.labels], "int32")
            return example(tree, symbols, targets if options.all_nodes else targets[-1])

        self.vectors = vectors.read(options.vectors, symbols) if options.vectors else None
        super().__init__(options, {s: [made(tree) for tree in trees[s]] for s in SPLITS}, spec)

    def _pad(self, split: str, members: np.ndarray, longest: int) -> Batch:
        """As others, but that the accuracy is of roots, and nodes without a label weigh nothing."""
        batch = super()._pad(split, members, longest)
        if not self.options.all_nodes:
            return batch
        level = batch.inputs[..., 1 + LEVEL]
        root = (batch.inputs[..., 1] == 0) & (level > 0)
        labelled = (batch.targets != IGNORED) & (level > 0)
        return batch._replace(
            targets=np.maximum(batch.targets, 0),
            weights=labelled.astype("float32"),
            scored=(root & labelled).astype("float32"),
        )

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {len(self.examples[s]):,}" for s in SPLITS)
        known = f" ({len(self.vectors.ids):,} with a vector)" if self.vectors else ""
        labels = ", ".join(self.spec.labels)
        return f"{self.options.data}: trees {sizes}; {self.spec.input_size:,} words{known}; labels {labels}"


def _read(path: Path, options: SstOptions) -> list[Tree]:
    found = []
    for number, line in table.lines(path, options.encoding):
        if not line.strip():
            continue
        try:
            tree = parse(line, labelled=True)
        except UserError as error:
            raise UserError(f"{path}, line {number}, {error}") from None
        if options.lower:
            tree = tree._replace(tokens=[token.lower() for token in tree.tokens])
        if options.binary:
            wrong = next((label for label in tree.labels if label and label not in {NEUTRAL, *SIDES}), None)
            if wrong:
                raise UserError(f"{path}, line {number}: --binary reads labels 0 to 4, not '{wrong}'")
            tree = tree._replace(labels=[SIDES.get(label, "") for label in tree.labels])
        if tree.labels[-1]:
            found.append(tree)
        elif not options.binary:
            raise UserError(f"{path}, line {number}: the root has no label")
    if not found:
        raise UserError(f"{path} holds no labelled tree")
    return found
