"""Text corpora: files, folders and globs read in pieces, or the Python standard library of this machine."""

import sysconfig
import tokenize
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnzoo.data.compression import plain_suffix
from rnnzoo.data.documents import Document, read_pieces
from rnnzoo.data.files import (
    check_encoding,
    check_file,
    expand_path,
    record_file,
)
from rnnzoo.data.splits import check_fractions
from rnnzoo.errors import UserError

PASSES = 2  # over each file: its length, and its tokens


Splits = dict[str, list[Document]]


def read_standard_library(size: int) -> Splits:
    """Returns the source files of the standard library without its tests, in a fixed random order.

    Files are assigned to splits by a digest of their path: 1 of 20 to validation, 1 of 20 to the test.

    Args:
        size: the most characters to train on, 0 for all; the held-out splits do not depend on it.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    splits: Splits = {"train": [], "validation": [], "test": []}
    kept = 0
    for path, digest in _sources(root):
        split = {0: "validation", 1: "test"}.get(digest % 20, "train")
        if split == "train" and size and kept >= size:
            continue
        try:
            with tokenize.open(path) as file:
                length, encoding = len(file.read()), file.encoding
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue  # a few files of the standard library are invalid on purpose
        if split == "train":
            length = min(length, size - kept) if size else length
            kept += length
        if length:
            record_file(path, "data", 2, path.relative_to(root).as_posix())
            splits[split].append(Document(path, encoding, end=length))
    if not all(splits.values()):
        raise UserError(f"no Python sources found in {root}; name a text file with --data")
    return splits


def _sources(root: Path) -> Iterator[tuple[Path, int]]:
    """Yields paths with a digest of each, ordered by digest."""
    excluded = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
    files = []
    for path in root.rglob("*.py"):
        name = path.relative_to(root)
        if not excluded.intersection(name.parts):
            files.append((zlib.crc32(name.as_posix().encode()), path))
    return ((path, digest) for digest, path in sorted(files))


def split_files(paths: Sequence[Path], encoding: str, validation_fraction: float, test_fraction: float) -> Splits:
    """Holds out the end of each file for validation and test.

    Args:
        paths: text files.
        encoding: the encoding of the files.
        validation_fraction: fraction of each file held out for validation.
        test_fraction: fraction of each file held out for the test, at its end.

    Raises:
        UserError: a file is not text of that encoding.
    """
    fractions = {"validation": validation_fraction, "test": test_fraction}
    check_fractions(fractions)
    held_out = sum(fractions.values())
    encoding = _without_mark(encoding)
    splits: Splits = {"train": [], "validation": [], "test": []}
    for path in paths:
        length = sum(map(len, read_pieces(path, encoding)))
        first = int(length * (1 - held_out))
        second = first + int((length - first) * (validation_fraction / held_out))
        for split, begin, end in (("train", 0, first), ("validation", first, second), ("test", second, length)):
            if begin < end:
                splits[split].append(Document(path, encoding, begin, end))
    return splits


def whole_files(paths: Sequence[Path], encoding: str) -> Splits:
    """Returns text files, each of them whole, as all three splits."""
    documents = [Document(path, _without_mark(encoding)) for path in paths]
    return dict.fromkeys(("train", "validation", "test"), documents)


def _without_mark(encoding: str) -> str:
    """Returns the name of the encoding that skips the byte-order mark. Raises `UserError` if it is unknown."""
    name = check_encoding(encoding)
    return "utf-8-sig" if name == "utf-8" else encoding


def find_files(names: str) -> list[Path]:
    """Returns the files named by file names, globs and folders (their `.txt` files), separated by commas.

    Raises:
        UserError: a file does not exist, or there is none.
    """
    paths: list[Path] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        path = expand_path(name, "data")
        try:
            matches = _matches(name, path)
        except (OSError, ValueError) as error:  # an invalid pattern, or a name that is too long
            raise UserError(f"--data: cannot read {name!r}: {getattr(error, 'strerror', None) or error}") from None
        if matches is None:
            paths.append(check_file(name, "data", PASSES))
        elif not matches and path.is_dir():
            raise UserError(f"--data: the folder {path} holds no .txt file; name files, or a glob such as '{path}/*'")
        elif not matches:
            raise UserError(f"--data: no file matches {name}")
        else:
            for match in matches:
                record_file(match, "data", PASSES)
            paths += matches
    if not paths:
        raise UserError("--data names no file")
    unique: dict[Path, Path] = {}
    for path in paths:
        unique.setdefault(path.absolute(), path)
    return list(unique.values())


def _matches(name: str, path: Path) -> list[Path] | None:
    """Returns the text files in a folder, or the matches of a glob; None for the name of a file."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*.txt*") if plain_suffix(p) == ".txt" and p.is_file())
    if path.exists() or not any(sign in name for sign in "*?["):
        return None
    base = Path(path.anchor or ".")
    return sorted(p for p in base.glob(str(path.relative_to(path.anchor))) if p.is_file())
