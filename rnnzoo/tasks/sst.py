"""The task `sst`: sentiment of parsed sentences, in the format of the Stanford Sentiment Treebank."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS, Batch
from rnnzoo.data.cache import encode_file
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.splits import FileOptions, Part, read_parts
from rnnzoo.data.stored import open_examples
from rnnzoo.data.tables import read_lines
from rnnzoo.data.tree_files import LabelledTreeReader, TreeWriter, find_roots
from rnnzoo.data.trees import LEVEL, Tree, parse_tree
from rnnzoo.data.vocabulary import check_vocabulary, choose_vocabulary, map_symbols, sum_by_id
from rnnzoo.data.word_vectors import VECTORS_HELP, read_word_vectors
from rnnzoo.errors import UserError
from rnnzoo.registry import TASKS
from rnnzoo.spec import TaskSpec
from rnnzoo.tasks.base import BucketedTask, classification_spec
from rnnzoo.tasks.base.bucketed import UNKNOWN_DROPOUT_HELP

NEUTRAL, BINARY_LABELS = "2", {"0": "negative", "1": "negative", "3": "positive", "4": "positive"}
NO_LABEL = -1  # the target of a node without a label


@dataclasses.dataclass(frozen=True)
class SstOptions(FileOptions):
    """Options of the task `sst`."""

    data: str | None = option(None, "file of labelled trees, one on each line: (3 (2 It) (4 (2 's) (3 good)))")
    binary: bool = option(False, "two classes, negative (0, 1) and positive (3, 4); neutral (2) is dropped")
    all_nodes: bool = option(True, "train on the labels of all nodes, not of the root alone")
    lowercase: bool = option(False, "convert words to lower case")
    vocabulary_size: int = option(20_000, "size of the vocabulary; other words become <unk>", minimum=1)
    vectors: str | None = option(None, VECTORS_HELP)
    unknown_dropout: float = option(0.25, UNKNOWN_DROPOUT_HELP, minimum=0, maximum=1000)
    min_count: int = option(1, "words with fewer occurrences in training become <unk>", minimum=1)


@TASKS.register("sst")
class Sst(BucketedTask):
    """Tree classification: the sentiment of parsed sentences and of their phrases.

    A file has one tree on each line, `(3 (2 It) (4 (2 's) (3 good)))`: after an opening parenthesis comes the label
    of the phrase, then a word or more trees. The labels are five grades or, with `--binary`, two classes. The loss
    is the mean over all labelled nodes; the accuracy is that of whole sentences. With `--noall_nodes` the loss is
    that of the root alone. With `--vectors` the embedding is initialized from pretrained word vectors, and trained
    further.

    Socher, Perelygin, Wu, Chuang, Manning, Ng & Potts (2013), Recursive deep models for semantic compositionality
    over a sentiment treebank, EMNLP.
    """

    training_defaults = {"steps": 2500, "learning_rate": 1e-3}
    model_defaults = {"dropout": 0.4, "output_dropout": 0.4}

    def __init__(self, options: SstOptions, spec: TaskSpec | None = None):
        if not options.data:
            raise UserError(
                "--task=sst needs --data, a file of labelled trees, one on each line, such as train.txt of the treebank"
            )
        parts, _ = read_parts(options, functools.partial(_encode, options))
        given = spec is not None
        symbols = parts["train"].arrays.strings("tokens.symbols")
        counts = parts["train"].count("tokens", len(symbols))
        counts[0] = 0  # of nodes without a token
        spec = spec or _make_spec(options, parts, counts)
        for split, part in parts.items():
            _check_labels(spec, part, split)
            widest = part.arrays.facts["arity"]
            if 0 < spec.arity < widest:
                raise UserError(f"{split}: a node has {widest} children, and the model combines at most {spec.arity}")
        self.token_counts = sum_by_id(map_symbols(symbols, spec.vocabulary), counts, spec.input_size)
        self.word_vectors = (
            read_word_vectors(options.vectors, spec.vocabulary) if options.vectors and not given else None
        )
        classes = {"": NO_LABEL} | {name: i for i, name in enumerate(spec.labels)}
        self._roots = {s: find_roots(part, classes) for s, part in parts.items()}
        examples = open_examples(
            parts, lambda arrays: LabelledTreeReader(arrays, spec.vocabulary, classes, options.all_nodes), "tokens"
        )
        super().__init__(options, examples, spec)

    def baselines(self) -> dict[str, dict[str, float]]:
        """Returns the accuracy of always predicting the most frequent label of the roots in training."""
        prediction = np.bincount(self._roots["train"]).argmax()
        return {"most frequent label": {"accuracy": float(np.mean(self._roots["test"] == prediction))}}

    def _pad(self, split: str, members: np.ndarray, padded_length: int) -> Batch:
        """Pads trees; accuracy is that of the roots, and nodes without a label have weight 0."""
        batch = super()._pad(split, members, padded_length)
        if not self.options.all_nodes:
            return batch
        level = batch.inputs[..., 1 + LEVEL]
        root = (batch.inputs[..., 1] == 0) & (level > 0)
        labelled = (batch.targets != NO_LABEL) & (level > 0)
        return batch._replace(
            targets=np.maximum(batch.targets, 0),
            weights=labelled.astype("float32"),
            accuracy_weights=(root & labelled).astype("float32"),
        )

    def summary(self) -> str:
        sizes = ", ".join(f"{s} {len(self.examples[s]):,}" for s in SPLITS)
        known = f" ({len(self.word_vectors.ids):,} with a vector)" if self.word_vectors else ""
        labels = ", ".join(self.spec.labels)
        return f"{self.options.data}: trees {sizes}; {self.spec.input_size:,} words{known}; labels {labels}"


def _find_labels(part: Part) -> list[str]:
    """Returns the labels of the nodes of a split."""
    symbols = part.arrays.strings("labels.symbols")
    return sorted(filter(None, itertools.compress(symbols, part.count("labels", len(symbols)))))


def _make_spec(options: SstOptions, parts: dict[str, Part], counts: np.ndarray) -> TaskSpec:
    symbols = parts["train"].arrays.strings("tokens.symbols")
    vocabulary = choose_vocabulary(counts, symbols, options.vocabulary_size, options.min_count)
    check_vocabulary(vocabulary, options.min_count)
    labels = tuple(_find_labels(parts["train"]))
    if len(labels) < 2:
        raise UserError(f"--data: at least two labels are needed, got {', '.join(labels) or 'none'}")
    return classification_spec(
        labels,
        inputs="tree",
        per_step=options.all_nodes,
        input_size=len(vocabulary),
        vocabulary=vocabulary,
        level="word",
        lowercase=options.lowercase,
        syntax="labelled",
        arity=max(part.arrays.facts["arity"] for part in parts.values()),
    )


def _check_labels(spec: TaskSpec, part: Part, split: str) -> None:
    """Raises `UserError` if trees have labels that the specification lacks."""
    if unknown := sorted(set(_find_labels(part)) - set(spec.labels)):
        known = ", ".join(spec.labels)
        raise UserError(f"{split}: the labels {', '.join(unknown)} are not in the training data, which has {known}")


def _encode(options: SstOptions, path: Path) -> ArrayFolder:
    key = ["sst", options.encoding, options.lowercase, options.binary]
    return encode_file(path, key, lambda writer: TreeWriter(writer).write(_read(path, options)), options.cache_dir)


def _read(path: Path, options: SstOptions) -> Iterator[Tree]:
    found = False
    for number, line in read_lines(path, options.encoding):
        if not line.strip():
            continue
        try:
            tree = parse_tree(line, labelled=True)
        except UserError as error:
            raise UserError(f"{path}, line {number}, {error}") from None
        if options.lowercase:
            tree = tree._replace(tokens=[token.lower() for token in tree.tokens])
        if options.binary:
            invalid = next((label for label in tree.labels if label and label not in {NEUTRAL, *BINARY_LABELS}), None)
            if invalid:
                raise UserError(f"{path}, line {number}: --binary needs labels 0 to 4, got '{invalid}'")
            tree = tree._replace(labels=[BINARY_LABELS.get(label, "") for label in tree.labels])
        if tree.labels[-1]:
            found = True
            yield tree
        elif not options.binary:
            raise UserError(f"{path}, line {number}: the root has no label")
    if not found:
        raise UserError(f"{path} holds no labelled tree")
