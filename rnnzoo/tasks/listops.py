"""The task `listops`: evaluate nested list operations (Nangia & Bowman 2018)."""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnnzoo.config import option
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.bucketing import Example
from rnnzoo.data.cache import encode_file, write_arrays
from rnnzoo.data.files import check_file
from rnnzoo.data.listops import DIGITS, SYMBOLS, generate_expressions, read_expressions, write_expressions
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.splits import FILE_OPTIONS, FileOptions, Part, read_parts
from rnnzoo.data.stored import open_examples
from rnnzoo.data.tree_files import TreeReader
from rnnzoo.registry import TASKS
from rnnzoo.spec import PAD
from rnnzoo.tasks.base import ClassificationTask, classification_spec


@dataclasses.dataclass(frozen=True)
class ListOpsOptions(FileOptions):
    """Options of the task `listops`."""

    data: str | None = option(None, "TSV file of results and expressions in parentheses; default: generated")
    batch_size: int = option(64, "expressions in a batch", minimum=1, size="batch")
    train_size: int = option(20_000, "expressions generated for training", minimum=1, size="examples")
    eval_size: int = option(2_000, "expressions generated for each held-out split", minimum=1, maximum=10_000_000)
    max_length: int = option(200, "symbols in the longest generated expression", minimum=5, size="time")
    flat: bool = option(False, "sequences of symbols instead of trees, for sequence models")


@TASKS.register("listops")
class ListOps(ClassificationTask):
    """ListOps: evaluate expressions such as `[MAX 2 9 [MIN 4 7 ] 0 ]`.

    A list has two to five elements, digits or (with probability 1/4) lists, up to 19 levels deep. MED is the median,
    rounded down, and SM the sum modulo 10. As trees they are binary and left-branching, as in the published files:
    `( ( ( [MAX 2 ) 9 ) ] )`; with `--flat` they are sequences of symbols. Every expression is in one split only.

    Nangia & Bowman (2018), ListOps: A diagnostic dataset for latent tree learning, NAACL student workshop.
    """

    example_name = "expressions"
    training_defaults = {"steps": 3000, "learning_rate": 3e-3}

    def __init__(self, options: ListOpsOptions):
        parts = _read_all(options)
        spec = classification_spec(
            DIGITS,
            inputs="tokens" if options.flat else "tree",
            input_size=len(SYMBOLS),
            vocabulary=SYMBOLS,
            level="word",
            arity=0 if options.flat else 2,
        )
        lengths = "lengths" if options.flat else "tokens"
        examples = open_examples(parts, lambda arrays: _Expressions(arrays, options.flat), lengths)
        super().__init__(options, examples, spec)
        self.origin = f"ListOps, {options.data or 'generated'}"

    def summary(self) -> str:
        return f"{super().summary()}; up to {self.max_length:,} {'symbols' if self.options.flat else 'nodes'}"


class _Expressions:
    """The expressions of a file as examples."""

    def __init__(self, arrays: ArrayFolder, flat: bool):
        self._trees, self._results, self._flat = TreeReader(arrays, SYMBOLS), arrays.array("results"), flat

    def __call__(self, i: int) -> Example:
        result = self._results[i]
        if not self._flat:
            return Example(self._trees.nodes(i), result)
        tokens = self._trees.tokens(i)
        return Example(tokens[tokens != PAD], result)

    def targets(self, part: Part) -> Iterator[np.ndarray]:
        yield self._results[:][part.index]


def _read_all(options: ListOpsOptions) -> dict[str, Part]:
    """Reads or generates the expressions of each split; none is in two splits."""
    parts: dict[str, Part] = {}
    if options.data:
        parts, _ = read_parts(options, functools.partial(_encode, options))
        parts = {s: Part(part.arrays, part.arrays.array("kept")[:][part.index]) for s, part in parts.items()}
    rng = np.random.default_rng(0)
    known = np.zeros(0, "int64")  # digests: those of the test split first, which are removed from the other splits
    for split in SPLITS[::-1]:
        if split not in parts:
            parts[split] = _find_part(options, rng, split, known)
        part = parts[split]
        digests = part.arrays.array("digests")[:][part.index]
        parts[split] = Part(part.arrays, part.index[~np.isin(digests, known)])
        known = np.concatenate([known, digests])
    return {split: parts[split] for split in SPLITS}


def _find_part(options: ListOpsOptions, rng: np.random.Generator, split: str, known: np.ndarray) -> Part:
    """Returns the expressions of a split's own file, or generates them."""
    if name := getattr(options, FILE_OPTIONS[split]):
        arrays = _encode(options, check_file(name, FILE_OPTIONS[split]))
    else:
        size = options.train_size if split == "train" else options.eval_size
        expressions = generate_expressions(rng, size, options.max_length, set(known.tolist()))
        rows = ((text, tree, result) for text, (tree, result) in expressions.items())
        arrays = write_arrays(functools.partial(write_expressions, rows))
    return Part(arrays, arrays.array("kept")[:])


def _encode(options: ListOpsOptions, path: Path) -> ArrayFolder:
    write = functools.partial(write_expressions, read_expressions(path, options.encoding))
    return encode_file(path, ["listops", options.encoding], write, options.cache_dir)
