"""What the standard library's source code is made of: kinds of tokens, and snippets of its packages."""

import collections
import dataclasses
import io
import itertools
import keyword
import sysconfig
import tokenize
from collections.abc import Callable
from pathlib import Path

from rnnzoo.tasks import corpus
from rnnzoo.tasks.base import SPLITS

SNIPPET = 240  # characters of source code, up to the end of a line
OF_EACH_FILE = 20  # snippets: some files are long tables
PACKAGES = 8


def snippets(cut: Callable[[str], list[str]] | None = None) -> dict[str, list[tuple[str, str]]]:
    """Snippets (what `cut` makes of a file) of the packages with most files.

    Of six files of a package one is for validation, one for the test.
    """
    cut = cut or _cut
    root = Path(sysconfig.get_paths()["stdlib"])
    files = collections.defaultdict(list)
    for documents in corpus.standard_library(0).values():
        for document in documents:
            parts = document.path.relative_to(root).parts
            if len(parts) > 1:
                pieces = cut("".join(document.pieces()))[:OF_EACH_FILE]
                files[parts[0]].append([(piece, parts[0]) for piece in pieces])
    every = itertools.chain.from_iterable(files.values())
    seen = collections.Counter(text for pairs in every for text, _ in pairs)
    kept = sorted(files, key=lambda name: (-sum(map(bool, files[name])), name))[:PACKAGES]
    found: dict[str, list[tuple[str, str]]] = {s: [] for s in SPLITS}
    for name in kept:
        for i, pairs in enumerate(filter(None, files[name])):
            found[{0: "validation", 1: "test"}.get(i % 6, "train")] += [p for p in pairs if seen[p[0]] == 1]
    return found


def _cut(text: str) -> list[str]:
    found, held = [], ""
    for line in text.splitlines(keepends=True):
        held += line
        if len(held) >= SNIPPET:
            found.append(held)
            held = ""
    return found


def kinds(document: corpus.Document) -> tuple[str, list[str]] | None:
    """Text and kinds of a source file; None where the tokenizer cannot read it."""
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
