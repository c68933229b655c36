"""Files of labelled texts, encoded: the tokens of the texts, and their labels, as numbers."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnzoo.data.array_writer import ArrayWriter
from rnnzoo.data.bucketing import Example
from rnnzoo.data.cache import Write
from rnnzoo.data.mapped import ArrayFolder
from rnnzoo.data.splits import Part
from rnnzoo.data.tables import Table, find_column, is_column_number
from rnnzoo.data.token_ids import Symbols, TokenEncoder
from rnnzoo.data.vocabulary import find_labels, map_symbols
from rnnzoo.errors import UserError
from rnnzoo.spec import TaskSpec

LabelledText = tuple[str, str]


class TextFormat(NamedTuple):
    """How a table of labelled texts is read; the cache keeps the result for each format.

    Attributes:
        encoding: the encoding of the file.
        text_column: the name or number of the column of texts.
        label_column: the name or number of the column of labels.
        level: the kind of tokens, char or token.
        max_length: tokens of a text that are kept.
    """

    encoding: str
    text_column: str
    label_column: str
    level: str
    max_length: int

    def writer(self, path: Path) -> Write:
        """Returns the function that encodes a file, which raises `UserError` if no row has a text and a label."""
        return lambda writer: self.write(self._read(path), path, writer)

    def write(self, blocks: Iterable[Sequence[LabelledText]], origin: Any, writer: ArrayWriter) -> dict[str, Any]:
        """Writes labelled texts as the arrays `tokens` and `labels`, and returns facts about them."""
        tokens, labels = Symbols(), Symbols()
        encoder = TokenEncoder(self.level, tokens)
        count = dropped = 0
        for block in blocks:
            texts = [(text, label.strip()) for text, label in block]
            texts = [(text, label) for text, label in texts if label and text and not text.isspace()]
            dropped += len(block) - len(texts)
            if not texts:
                continue
            count += len(texts)
            ids, lengths = encoder.encode([text for text, _ in texts])
            kept = np.minimum(lengths, self.max_length)
            begins = np.cumsum(lengths) - lengths
            positions = np.arange(len(ids)) - np.repeat(begins, lengths)
            writer.extend_sequences("tokens", ids[positions < self.max_length], kept)
            writer.extend("labels", labels.encode([label for _, label in texts]))
        if not count:
            raise UserError(f"{origin} holds no text with a label")
        writer.extend_strings("tokens.symbols", tokens)
        writer.extend_strings("labels.symbols", labels)
        return {"count": count, "dropped": dropped}

    def _read(self, path: Path) -> Iterator[list[LabelledText]]:
        """Yields the texts and labels of the rows of a table."""
        table = Table(path, self.encoding)
        columns = {"text_column": self.text_column, "label_column": self.label_column}
        text, label = (find_column(table.first, name, flag, path) for flag, name in columns.items())
        has_header = not all(map(is_column_number, columns.values()))
        seen, count = set[str](), 0
        for block in table.blocks():
            rows = block[1:] if count == 0 else block
            seen.update([row[label] for row in rows])
            count += len(block)
            yield [(row[text], row[label]) for row in (rows if has_header else block)]
        if not has_header and count > 2 and table.first[label] not in seen:
            raise UserError(f"{path}: the first line looks like a header; give the columns by their names")


class TextReader:
    """The texts of a file as examples.

    Args:
        arrays: the arrays that `TextFormat.write` wrote.
        spec: the specification.
    """

    def __init__(self, arrays: ArrayFolder, spec: TaskSpec):
        self._tokens, self._labels = arrays.sequences("tokens"), arrays.array("labels")
        self._map = map_symbols(arrays.strings("tokens.symbols"), spec.vocabulary)
        self._label_ids = find_labels(arrays.strings("labels.symbols"), spec)

    def __call__(self, i: int) -> Example:
        """Returns the ids of a text, `[time]`, and its label."""
        return Example(self._map(self._tokens[i]), self._label_ids[self._labels[i]])

    def targets(self, part: Part) -> Iterator[np.ndarray]:
        """Yields the labels of the texts of a split."""
        yield self._label_ids[self._labels[:][part.index]]
