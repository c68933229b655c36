"""Source code of the standard library: snippets by package, and the kind of token of each character."""

import collections
import dataclasses
import io
import itertools
import keyword
import sysconfig
import tokenize
from collections.abc import Callable
from pathlib import Path

from rnnzoo.data import corpus
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.documents import Document

SNIPPET_LENGTH = 240  # characters, continued to the end of the line
MAX_SNIPPETS_PER_FILE = 20  # some files are long tables
NUM_PACKAGES = 8


def read_snippets(split: Callable[[str], list[str]] | None = None) -> dict[str, list[tuple[str, str]]]:
    """Reads snippets of source code from the eight packages with the most files.

    Args:
        split: function that splits the source of a file into snippets. None: pieces of about 240 characters.

    Returns:
        `(snippet, package)` of each split. One of six files of a package is for validation, one for the test.
    """
    split = split or _split_lines
    root = Path(sysconfig.get_paths()["stdlib"])
    files = collections.defaultdict(list)
    for documents in corpus.read_standard_library(0).values():
        for document in documents:
            parts = document.path.relative_to(root).parts
            if len(parts) > 1:
                pieces = split("".join(document.pieces()))[:MAX_SNIPPETS_PER_FILE]
                files[parts[0]].append([(piece, parts[0]) for piece in pieces])
    all_pairs = itertools.chain.from_iterable(files.values())
    counts = collections.Counter(text for pairs in all_pairs for text, _ in pairs)
    packages = sorted(files, key=lambda name: (-sum(map(bool, files[name])), name))[:NUM_PACKAGES]
    snippets: dict[str, list[tuple[str, str]]] = {s: [] for s in SPLITS}
    for name in packages:
        for i, pairs in enumerate(filter(None, files[name])):
            snippets[{0: "validation", 1: "test"}.get(i % 6, "train")] += [p for p in pairs if counts[p[0]] == 1]
    return snippets


def _split_lines(text: str) -> list[str]:
    pieces, piece = [], ""
    for line in text.splitlines(keepends=True):
        piece += line
        if len(piece) >= SNIPPET_LENGTH:
            pieces.append(piece)
            piece = ""
    return pieces


def label_characters(document: Document) -> tuple[str, list[str]] | None:
    """Returns the text of a source file and the kind of token of each character; None if it cannot be tokenized."""
    text = "".join(dataclasses.replace(document, end=None).pieces())
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    labels = ["space"] * len(text)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = _kind(token)
            if kind:
                first = starts[token.start[0] - 1] + token.start[1]
                last = starts[token.end[0] - 1] + token.end[1]
                labels[first:last] = [kind] * (last - first)
    except (tokenize.TokenError, SyntaxError, IndexError):
        return None
    end = len(text) if document.end is None else document.end
    return text[:end], labels[:end]


def _kind(token: tokenize.TokenInfo) -> str:
    name = tokenize.tok_name[token.type]
    if name == "NAME":
        return "keyword" if keyword.iskeyword(token.string) else "name"
    if name.startswith("FSTRING"):
        return "string"
    return {"COMMENT": "comment", "STRING": "string", "NUMBER": "number", "OP": "operator"}.get(name, "")
